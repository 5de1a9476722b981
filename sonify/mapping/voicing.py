"""Many backends, few voices: the loudest or unhealthiest keep their own, the rest share one."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.panels import Limits
from sonify.metrics.recording import Recording

__all__ = ["OTHERS", "choose_voices", "fold_backends"]

Array = NDArray[np.float64]

OTHERS = "others"


def choose_voices(recording: Recording, limits: dict[str, Limits], most: int) -> list[int]:
    """Choose which backends get a voice of their own, in their own order.

    Unhealthy ones first, by how long they were red and yellow, then the busiest; ties go to the earlier one, so that
    the same recording always gives the same choice.

    Parameters
    ----------
    recording : Recording
        All of what will be played.
    limits : dict of str to Limits
        By panel.
    most : int
        Voices there are, the shared one included; all backends are chosen where they fit.
    """
    count = recording.layout.num_backends
    if count <= most:
        return list(range(count))
    badness = sum(
        np.clip(limits[panel].states(values), 0, 2).sum(axis=0, dtype=np.float64)
        for panel, values in (
            ("latency_p95", recording.latency_quantile_s(0.95)),
            ("error_ratio", recording.error_ratio),
            ("fallback_ratio", recording.fallback_ratio),
            ("glitch_rate", recording.glitch_rate),
        )
    )
    work = np.nansum(recording.request_rate, axis=0)
    order = np.lexsort((np.arange(count), -work, -np.asarray(badness)))
    return sorted(int(index) for index in order[: most - 1])


def fold_backends(recording: Recording, kept: list[int]) -> Recording:
    """Merge all backends but those kept into one, the last, named `OTHERS`.

    Its rates are sums, its ratios are weighted by requests.
    """
    count = recording.layout.num_backends
    rest = [index for index in range(count) if index not in set(kept)]
    if not rest:
        return recording

    def total(column: Array) -> Array:
        own, others = column[:, kept], column[:, rest]
        summed = np.where(np.isnan(others).all(axis=1), np.nan, np.nansum(others, axis=1))
        return np.concatenate([own, summed[:, None]], axis=1)

    def weighted(column: Array) -> Array:
        weight = np.where(np.isnan(column[:, rest]), np.nan, recording.request_rate[:, rest])
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            mean = np.nansum(column[:, rest] * weight, axis=1) / np.nansum(weight, axis=1)
        return np.concatenate([column[:, kept], mean[:, None]], axis=1)

    names = tuple(recording.layout.backends[index] for index in kept)
    return replace(
        recording,
        layout=replace(recording.layout, backends=(*names, OTHERS)),
        request_rate=total(recording.request_rate),
        error_ratio=weighted(recording.error_ratio),
        fallback_ratio=weighted(recording.fallback_ratio),
        glitch_rate=total(recording.glitch_rate),
        latency_rate=total(recording.latency_rate),
    )
