"""The panels as columns over the time of the sound, merged as the engine merges frames that share a step.

Rates are averaged, states keep their worst: what is shown is what could be heard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.preset import SoundPreset
from sonify.mapping.timeline import Timeline, lay_out
from sonify.metrics.recording import Recording
from sonify.report.packing import Pack

__all__ = ["LOWEST_RATE", "RATE_DECADES", "UNMEASURED", "pack_columns", "rate_codes", "sound_time_s"]

Array = NDArray[np.float64]

_MOST_COLUMNS = 1200
_MOST_CELLS = 600_000  # of the heatmap: columns × backends × bands
_SHORTEST_COLUMN_S = 0.01

# a rate of the heatmap is one byte: 0 is none, 255 not measured, between them ten decades from LOWEST_RATE up
LOWEST_RATE = 1e-4
RATE_DECADES = 10.0
UNMEASURED = 255
_CODES = 253


def rate_codes(rate: Array) -> NDArray[np.uint8]:
    """Rates in 1/s as bytes, log-spaced 9 % apart."""
    with np.errstate(divide="ignore", invalid="ignore"):
        place = 1.0 + np.round(np.log10(rate / LOWEST_RATE) / RATE_DECADES * _CODES)
    codes = np.where(rate > 0.0, np.clip(np.nan_to_num(place, nan=1.0), 1, _CODES + 1), 0)
    return np.where(np.isnan(rate), UNMEASURED, codes).astype(np.uint8)


def _laid_out(recording: Recording, speed: float, preset: SoundPreset) -> Timeline:
    layout = recording.layout
    cells = max(layout.num_backends * layout.num_latency_bands, 1)
    most = max(min(_MOST_COLUMNS, _MOST_CELLS // cells), 60)
    length_s = recording.duration_s / speed
    return lay_out(
        recording,
        speed=speed,
        shortest_step_s=max(length_s / most, _SHORTEST_COLUMN_S),
        red_latency_s=preset.limits["latency_p95"].red,
    )


def pack_columns(pack: Pack, prefix: str, timeline: Timeline, recording: Recording, preset: SoundPreset) -> int:
    """Add a recording's panels to `pack`, their names after `prefix`; return the number of columns.

    ``start`` (columns + 1,) is where each begins in hundredths of a second of sound; a column that is not ``fresh``
    has no values.
    """
    shown = _laid_out(recording, timeline.speed, preset)
    merged, rows = shown.recording, shown.rows
    stale = (rows < 0) | ~merged.fresh[rows]
    pack.add(f"{prefix}start", shown.starts.astype(np.int32))
    pack.add(f"{prefix}fresh", (~stale).astype(np.uint8))

    def add(name: str, column: Array) -> None:
        placed = np.where(stale.reshape(-1, *[1] * (column.ndim - 1)), np.nan, column[rows])
        pack.add(f"{prefix}{name}", placed.astype(np.float32))

    for name in ("request_rate", "error_ratio", "fallback_ratio", "queue_depth", "active_requests", "batch_rate"):
        add(name, getattr(merged, name))
    add("p50", merged.latency_quantile_s(0.5))
    add("p95", merged.latency_quantile_s(0.95))
    add("glitch_rate", merged.glitch_rate)
    codes = rate_codes(merged.latency_rate)[rows]
    codes[stale] = UNMEASURED
    pack.add(f"{prefix}latency", codes)
    return len(rows)


def sound_time_s(time_s: float, recording: Recording, timeline: Timeline) -> float:
    """When a metric time (Unix s) is heard, in s from the begin of the sound, inside its length."""
    length_s = timeline.num_quanta / CONTROL_RATE_HZ
    heard_s = (time_s - recording.start_s) / timeline.speed
    return min(max(heard_s, 0.0), length_s) if np.isfinite(heard_s) else 0.0
