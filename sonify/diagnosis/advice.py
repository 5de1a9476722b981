"""What to do about a finding: the dashboard's guide, a row a panel."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ADVICE", "Advice"]


class Advice(NamedTuple):
    """What a panel is called in a sentence, its unit (``%``, ``s``, ``1/s`` or none), and what to do about it."""

    noun: str
    unit: str
    action: str


ADVICE: dict[str, Advice] = {
    "error_ratio": Advice(
        "error rate", "%", "look at the backend spectrum; optimise the slow backend, or give it a fallback"
    ),
    "latency_p95": Advice(
        "latency (p95)", "s", "look at the latency heatmap: one backend slow, or all; scale it out, or optimise it"
    ),
    "fallback_ratio": Advice(
        "fallback rate", "%", "find out why the backend fails; fix it, or improve how its errors are handled"
    ),
    "glitch_rate": Advice(
        "glitch rate",
        "1/s",
        "find out whether glitches are meant; if not, find what triggers them, or turn them off in production",
    ),
    "queue_depth": Advice(
        "queue depth", "", "compare with the active requests: all workers busy means scale out, or serve in batches"
    ),
    "active_requests": Advice(
        "active requests", "", "see which backend holds them (heatmap); scale out where all of them are slow"
    ),
    "request_rate": Advice(
        "request rate",
        "1/s",
        "check that latency and queue hold; cache what is asked for often, limit who asks too much",
    ),
    "traffic": Advice(
        "traffic",
        "1/s",
        "see whether the callers failed, or what leads to them: few requests may mean a fault before you",
    ),
    "source": Advice(
        "metrics", "", "see whether the metrics server and its targets are up: nothing is known of this time"
    ),
}
