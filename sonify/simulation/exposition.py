"""The counters of the simulated service as a page in Prometheus text format 0.0.4, under the names of Code Live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

import numpy as np

from sonify.simulation.service import Snapshot
from sonify.simulation.state import LE_EDGES_S, STATUSES

__all__ = ["CONTENT_TYPE", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BATCH_LE = (1, 2, 4, 8, 16, 32)


def exposition(snapshot: Snapshot, backends: tuple[str, ...]) -> str:
    """Write all counters and gauges.

    Parameters
    ----------
    snapshot : Snapshot
        What is written.
    backends : tuple of str
        Names, in the snapshot's order.
    """
    return "".join(f"{line}\n" for line in _lines(snapshot, [_escaped(name) for name in backends]))


def _lines(now: Snapshot, backends: list[str]) -> Iterator[str]:
    yield from _header("code_live_requests_total", "counter", "Requests answered, by the backend asked for.")
    for index, backend in enumerate(backends):
        for status, count in zip(STATUSES, now.requests[index], strict=True):
            yield f'code_live_requests_total{{backend="{backend}",status="{status}"}} {count}'
    name = "code_live_request_duration_seconds"
    yield from _header(name, "histogram", "Time from a request to its answer, with all retries.")
    for index, backend in enumerate(backends):
        label, sum_s = f'backend="{backend}"', float(now.latency_sum_s[index])
        yield from _histogram(name, label, LE_EDGES_S, now.le_counts[index].tolist(), sum_s)
    yield from _header("code_live_queue_depth", "gauge", "Requests that wait for a worker.")
    yield f"code_live_queue_depth {now.queue_depth}"
    yield from _header("code_live_active_requests", "gauge", "Requests that are being worked on.")
    yield f"code_live_active_requests {now.active_requests}"
    for name, text, counts in (
        ("code_live_fallbacks_total", "Requests that another backend served.", now.fallbacks),
        ("code_live_glitches_total", "Stalls of a worker.", now.glitches),
    ):
        yield from _header(name, "counter", text)
        for backend, count in zip(backends, counts, strict=True):
            yield f'{name}{{backend="{backend}"}} {count}'
    yield from _header("code_live_batch_size", "histogram", "Requests that a worker took at once.")
    sizes = np.arange(len(now.batches))
    places = np.searchsorted(_BATCH_LE, sizes)
    counts = np.bincount(places, weights=now.batches, minlength=len(_BATCH_LE) + 1).astype(np.int64)
    yield from _histogram("code_live_batch_size", "", _BATCH_LE, counts.tolist(), float(sizes @ now.batches))


def _header(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _histogram(name: str, label: str, edges: Iterable[float], counts: list[int], total: float) -> Iterator[str]:
    """Write one series; `counts` are not cumulative, the last is that of +Inf."""
    comma = "," if label else ""
    braces = f"{{{label}}}" if label else ""
    cumulative = list(accumulate(counts))
    for edge, count in zip([*(f"{edge:g}" for edge in edges), "+Inf"], cumulative, strict=True):
        yield f'{name}_bucket{{{label}{comma}le="{edge}"}} {count}'
    yield f"{name}_sum{braces} {total!r}"
    yield f"{name}_count{braces} {cumulative[-1]}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
