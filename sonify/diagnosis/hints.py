"""Proactive hints: what to cache, what to batch, where to scale, before anything is red."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonify.diagnosis.figure import Figure, latency_text, unknown
from sonify.diagnosis.resonance import work_by_band
from sonify.metrics.recording import Recording

__all__ = ["hints"]

Float64 = NDArray[np.float64]

_WAITING = 5.0  # requests in the queue: then workers are busy, and batches could be larger
_LEAST_FRAMES = 3
_CACHE_SHARE = 0.2  # of all work
_NEAR_LARGEST = 0.6
_PLATEAU_SPREAD = 0.35  # interquartile range over median: a gauge that hardly moves while the queue does


def hints(recording: Recording, filters: Sequence[Figure]) -> list[Figure]:
    """Read hints off a recording.

    Parameters
    ----------
    recording : Recording
        Any.
    filters : sequence of Figure
        What `system_filters` measured of it.
    """
    return [_cache(recording), _batch(recording), _scale(recording, filters)]


def _cache(recording: Recording) -> Figure:
    """Find the backend that does most work: there each answer that need not be made again saves most."""
    work, _ = work_by_band(recording)
    total = float(work.sum())
    if total <= 0.0:
        return unknown("hint", "cache", "", "no latencies")
    share = work.sum(axis=1) / total
    best = int(np.argmax(share))
    if share[best] < _CACHE_SHARE:
        return unknown("hint", "cache", "", f"work is spread evenly, at most {share[best]:.0%} in one backend")
    rate = float(np.nan_to_num(recording.request_rate[recording.fresh])[:, best].mean())
    each = latency_text(float(work[best].sum()) / max(rate, 1e-9))
    return Figure(
        "hint", "cache", recording.layout.backends[best], float(share[best]), math.nan, math.nan, "",
        "share of all work (rate × latency)",
        f"does {share[best]:.0%} of all work, {each} a request: if a tenth of its requests repeat, a cache saves "
        f"{share[best] / 10.0:.1%} (whether they repeat, metrics do not tell)",
    )  # fmt: skip


def _batch(recording: Recording) -> Figure:
    """Compare the batches that were taken while requests waited with the largest there are."""
    edges = recording.layout.batch_edges
    if not np.isfinite(recording.batch_rate).any():
        return unknown("hint", "batch", "", "batch sizes are not measured")
    with np.errstate(invalid="ignore"):
        waited = recording.queue_depth >= _WAITING
    rates = np.nan_to_num(recording.batch_rate[waited])
    if waited.sum() < _LEAST_FRAMES or not rates.any():
        return unknown("hint", "batch", "", "requests hardly ever waited, so that larger batches would not have helped")
    finite = np.where(np.isfinite(edges), edges, 2.0 * edges[-2])
    sizes = np.maximum((finite[:-1] + finite[1:]) / 2.0, 1.0)
    counts = rates.sum(axis=0)
    mean = float(counts @ sizes / counts.sum())
    largest = float(sizes[np.flatnonzero(np.nan_to_num(recording.batch_rate).sum(axis=0))[-1]])
    method = f"mean batch size in {int(waited.sum())} frames with a queue, from the histogram"
    if mean >= _NEAR_LARGEST * largest:
        sentence = f"while requests waited, batches held {mean:.2g}, near the largest ({largest:.2g}): raise the limit"
    else:
        sentence = f"while requests waited, batches held {mean:.2g} of up to {largest:.2g}: batch what is alike"
    return Figure("hint", "batch", "", mean, 1.0, largest, "", method, sentence)


def _scale(recording: Recording, filters: Sequence[Figure]) -> Figure:
    """Where active requests stand still while the queue grows all workers are busy: there is the number of workers."""
    with np.errstate(invalid="ignore"):
        waited = recording.queue_depth >= _WAITING
    active = recording.active_requests[waited]
    active = active[np.isfinite(active)]
    if len(active) < _LEAST_FRAMES:
        return unknown("hint", "scale", "", "no queue, or active requests are not measured")
    plateau = float(np.median(active))
    low, high = (float(value) for value in np.quantile(active, [0.25, 0.75]))
    if high - low > _PLATEAU_SPREAD * max(plateau, 1.0):
        return unknown("hint", "scale", "", "a queue grew while active requests still moved: not all workers were busy")
    known = [one for one in filters if one.name == "threshold" and one.is_known]
    capacity = f" ({known[0].backend} answers at most {known[0].value:.3g} requests/s)" if known else ""
    longest = float(np.nanmax(recording.queue_depth))
    return Figure(
        "hint", "scale", known[0].backend if known else "", plateau, low, high, "",
        f"median of active requests in {len(active)} frames with a queue",
        f"all workers are busy at {plateau:.0f} active requests{capacity} while up to {longest:.0f} wait: scale out",
    )  # fmt: skip
