"""The system's EQ: which backends and latencies carry the work, and which hardly any."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sonify.diagnosis.figure import Figure, latency_text, unknown
from sonify.metrics.recording import Recording

__all__ = ["eq_figures", "work_by_band"]

Float64 = NDArray[np.float64]

_PEAKS = 3
_LEAST_SHARE = 0.05  # of all work, for a resonance


def work_by_band(recording: Recording) -> tuple[Float64, Float64]:
    """Mean work of each backend and band, rate × latency, shape (backends, bands); and the bands' edges, all finite.

    By Little's law it is the mean number of requests in flight there.
    """
    edges_s = np.array(recording.layout.latency_edges_s, dtype=np.float64)
    edges_s[0] = edges_s[1] / 2.0 if edges_s[0] <= 0.0 else edges_s[0]
    edges_s[-1] = edges_s[-2] * 2.0 if np.isinf(edges_s[-1]) else edges_s[-1]
    rates = np.nan_to_num(recording.latency_rate[recording.fresh])
    mean = rates.mean(axis=0) if len(rates) else np.zeros(rates.shape[1:])
    return mean * np.sqrt(edges_s[:-1] * edges_s[1:]), edges_s


def eq_figures(recording: Recording) -> list[Figure]:
    """Find resonances, the backend and latency regions that carry most work, and the backend that carries least."""
    work, finite = work_by_band(recording)
    centres_s = np.sqrt(finite[:-1] * finite[1:])
    total = float(work.sum())
    if total <= 0.0:
        return [unknown("eq", "resonance", "", "no latencies")]
    peak = np.maximum(work[:, 1:-1], 0.0)
    is_peak = (peak >= work[:, :-2]) & (peak > work[:, 2:])
    places = sorted(zip(*np.nonzero(is_peak), strict=True), key=lambda place: -peak[place])[:_PEAKS]
    figures = []
    for row, column in places:
        band = column + 1
        region = slice(max(band - 1, 0), band + 2)
        share = float(work[row, region].sum()) / total
        if share < _LEAST_SHARE:
            continue
        low_s, high_s = float(finite[region.start]), float(finite[min(region.stop, len(finite) - 1)])
        backend = recording.layout.backends[row]
        figures.append(
            Figure(
                "eq",
                "resonance",
                backend,
                float(centres_s[band]),
                low_s,
                high_s,
                "s",
                "largest rate × latency of three neighbouring bands",
                f"{share:.0%} of all work lies between {latency_text(low_s)} and {latency_text(high_s)}",
            )
        )
    return [*figures, _valley(recording, work, total)]


def _valley(recording: Recording, work: Float64, total: float) -> Figure:
    """Where the service runs best: the backend with the least work for each request."""
    requests = np.nan_to_num(recording.request_rate[recording.fresh]).mean(axis=0)
    busy = requests > 0.05 * requests.sum() / max(len(requests), 1)
    each_s = np.where(busy, work.sum(axis=1) / np.maximum(requests, 1e-9), np.inf)
    best = int(np.argmin(each_s))
    share = float(requests[best] / max(requests.sum(), 1e-9))
    return Figure(
        "eq", "valley", recording.layout.backends[best], float(each_s[best]), math.nan, math.nan, "s",
        "least rate × latency for each request",
        f"answers {share:.0%} of the requests with {float(work[best].sum()) / total:.0%} of the work",
    )  # fmt: skip
