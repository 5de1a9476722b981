"""The system's reverb: how long issues last, how many backends they touch, and how fast they fade."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonify.diagnosis.figure import Figure, median_range, unknown
from sonify.diagnosis.findings import Finding, incidents
from sonify.metrics.recording import Recording
from sonify.units import format_duration

__all__ = ["reverb_figures"]

_LEAST_FRAMES = 3


def reverb_figures(recording: Recording, findings: Sequence[Finding]) -> list[Figure]:
    """Decay, size and damping of the service, from its findings."""
    issues = [
        one
        for one in findings
        if one.backend and one.panel in ("latency_p95", "error_ratio", "fallback_ratio") and not one.standing
    ]
    over = [one for one in issues if not one.ongoing and one.times == 1]
    if not over:
        return [unknown("reverb", "decay", "", "no issue that ended")]
    together = incidents(over)
    lengths = np.array([max(one.until_s for one in group) - min(one.since_s for one in group) for group in together])
    touched = np.array([len({one.backend for one in group}) for group in together], dtype=np.float64)
    decay, low, high = median_range(lengths)
    size = float(np.mean(touched))
    figures = [
        Figure(
            "reverb", "decay", "", decay, low, high, "s", f"median of {len(lengths)} incidents",
            f"an issue lasts for {format_duration(decay)}",
        ),
        Figure(
            "reverb", "size", "", size, float(touched.min()), float(touched.max()), "",
            "mean number of backends with a finding at the same time",
            f"it touches {size:.2g} of {recording.layout.num_backends} backends",
        ),
    ]  # fmt: skip
    return [*figures, _damping(recording, issues)]


def _damping(recording: Recording, issues: Sequence[Finding]) -> Figure:
    """Share of an issue's time that passes between its worst moment and its end: small is quick to fade."""
    p95_s = recording.latency_quantile_s(0.95)
    shares = []
    for one in issues:
        if one.panel != "latency_p95" or one.ongoing:
            continue
        inside = (recording.t > one.since_s) & (recording.t <= one.until_s)
        values = p95_s[inside, recording.layout.backends.index(one.backend)]
        if np.isfinite(values).sum() >= _LEAST_FRAMES:
            shares.append(1.0 - (int(np.nanargmax(values)) + 1) / len(values))
    if not shares:
        return unknown("reverb", "damping", "", "no latency issue that ended")
    share = float(np.median(shares))
    return Figure(
        "reverb", "damping", "", 1.0 - share, 1.0 - max(shares), 1.0 - min(shares), "",
        f"one minus the time from worst to end over the whole time, median of {len(shares)}",
        f"{share:.0%} of that time is recovery",
    )  # fmt: skip
