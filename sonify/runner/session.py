"""The session that a render makes for a workstation: its stems, its metrics as curves, its filters as devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Eq
from sonify.mapping.timeline import Timeline
from sonify.outputs.about import About
from sonify.outputs.session import Curve, EqDevice, Session, Squeeze, StemTrack
from sonify.units import parse_quantity

__all__ = ["make_session", "metric_curves"]

Array = NDArray[np.float64]


def make_session(
    mapper: Mapper,
    timeline: Timeline,
    stems: Mapping[str, Path],
    *,
    about: About,
    rate_hz: int,
    length_s: float,
    gain_db: float,
) -> Session:
    """Describe a render.

    Parameters
    ----------
    mapper : Mapper
        Translates the filters from latencies and rates.
    timeline : Timeline
        What is heard when.
    stems : mapping of str to Path
        By name: backends first.
    about : About
        Title, version and markers.
    rate_hz : int
        Of the stems.
    length_s : float
        Of the stems.
    gain_db : float
        Of the mix over the sum of its stems.
    """
    preset = mapper.preset
    num_backends = len(mapper.backends)
    tracks = []
    for index, (name, path) in enumerate(stems.items()):
        backend = mapper.backends[index] if index < num_backends else ""
        own = [eq for eq in preset.eq if backend and eq.backend == backend]
        tracks.append(StemTrack(name, path, _devices(own, mapper), is_voice=bool(backend) or index < num_backends))
    threshold = preset.compressor.threshold
    return Session(
        title=about.title,
        version=about.version,
        rate_hz=rate_hz,
        length_s=length_s,
        stems=tuple(tracks),
        markers=about.markers,
        curves=tuple(metric_curves(timeline, preset.limits["latency_p95"].red)),
        eq=_devices([eq for eq in preset.eq if not eq.backend], mapper),
        compressor=Squeeze(
            threshold_db=threshold
            if isinstance(threshold, float)
            else mapper.level_of_total_rate_db(parse_quantity(threshold, "1/s")[0]),
            ratio=preset.compressor.ratio,
            attack_s=preset.compressor.attack,
            release_s=preset.compressor.release,
            makeup_db=preset.compressor.makeup,
        ),
        ceiling_dbtp=preset.limiter.ceiling,
        gain_db=gain_db,
    )


def _devices(bands: Sequence[Eq], mapper: Mapper) -> tuple[EqDevice, ...]:
    def frequency_hz(at: float | str) -> float:
        return at if isinstance(at, float) else mapper.frequency_hz_of_latency(parse_quantity(at, "s")[0])

    return tuple(EqDevice(eq.shape.replace(" ", "_"), frequency_hz(eq.at), eq.gain, eq.q) for eq in bands)


def metric_curves(timeline: Timeline, red_latency_s: float) -> list[Curve]:
    """Metrics as they are played: p95, requests and errors of each backend, and both gauges, where measured.

    Parameters
    ----------
    timeline : Timeline
        Steps and what they play.
    red_latency_s : float
        The top of a curve of latencies is never under twice this.
    """
    recording = timeline.recording
    latency_s = recording.latency_quantile_s(0.95)
    curves = []
    for index, backend in enumerate(recording.layout.backends):
        curves += [
            _curve(timeline, f"{backend}: p95 latency", latency_s[:, index], "s", 2.0 * red_latency_s),
            _curve(timeline, f"{backend}: requests", recording.request_rate[:, index], "/s", 1.0),
            _curve(timeline, f"{backend}: errors", 100.0 * recording.error_ratio[:, index], "%", 1.0),
        ]
    curves += [
        _curve(timeline, "queue depth", recording.queue_depth, "", 1.0),
        _curve(timeline, "active requests", recording.active_requests, "", 1.0),
    ]
    return [curve for curve in curves if curve is not None]


def _curve(timeline: Timeline, name: str, column: Array, unit: str, least_top: float) -> Curve | None:
    """Scale a column (frames,) to its highest value, without points that repeat; None where nothing was measured."""
    if not np.isfinite(column).any():
        return None
    top = max(float(np.nanmax(column)), least_top)
    played = np.where(timeline.rows >= 0, column[timeline.rows], np.nan)
    value = np.clip(played / top, 0.0, 1.0)
    changes = np.isfinite(value) & (np.append(np.nan, value[:-1]) != value)
    return Curve(f"{name} (top {top:.3g}{unit})", timeline.starts[:-1][changes] / CONTROL_RATE_HZ, value[changes])
