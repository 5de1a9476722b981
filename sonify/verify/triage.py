"""A plain threshold detector: what it finds in a recording, it should find in the sound of that recording."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.preset import SoundPreset
from sonify.metrics.panels import State
from sonify.metrics.recording import Event, Recording
from sonify.verify.decode import Decoded

__all__ = ["Detection", "detect_in_recording", "detect_in_sound", "false_alarms", "found_events"]

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

_TIMES_NORMAL = 5.0


@dataclass(frozen=True, slots=True)
class Detection:
    """A backend, by its place in their order, that was not well from `begin_s` to `end_s`, Unix s."""

    backend: int
    begin_s: float
    end_s: float

    def overlaps(self, event: Event) -> bool:
        """Whether the two have time in common."""
        return self.begin_s < (event.end if event.end is not None else event.t + 1e-3) and self.end_s > event.t


def _detect(p95_s: Float64, error_ratio: Float64, borders_s: Float64, preset: SoundPreset) -> list[Detection]:
    """Find runs in which p95 is some times its own median, or errors are over the red limit; `borders_s` (T + 1,)."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a backend without latencies has no median
        slow = p95_s > _TIMES_NORMAL * np.nanmedian(p95_s, axis=0)
    ill = slow | (preset.limits["error_ratio"].states(error_ratio) == State.RED)
    found = []
    for backend in range(ill.shape[1]):
        edges = np.flatnonzero(np.diff(ill[:, backend].astype(np.int8), prepend=0, append=0))
        found += [
            Detection(backend, float(borders_s[begin]), float(borders_s[end]))
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    return found


def detect_in_recording(recording: Recording, preset: SoundPreset) -> list[Detection]:
    """Run the detector over the raw frames."""
    on_bands = recording.on_bands(preset.bands.latency_bands)
    borders_s = np.append(recording.t - recording.layout.interval_s, recording.t[-1])
    return _detect(on_bands.latency_quantile_s(0.95), on_bands.error_ratio, borders_s, preset)


def detect_in_sound(decoded: Decoded, preset: SoundPreset, start_s: float, speed: float) -> list[Detection]:
    """Run the detector over what was decoded; the sound's begin and speed only put its times on the wall clock."""
    borders_s = start_s + np.arange(len(decoded.fresh) + 1) * decoded.bar_quanta / CONTROL_RATE_HZ * speed
    return _detect(decoded.latency_quantile_s(0.95), decoded.error_ratio, borders_s, preset)


def found_events(detections: list[Detection], recording: Recording) -> list[int]:
    """Which of the recording's labelled events were found, and on the backend that their text begins with."""
    names = recording.layout.backends
    return [
        index
        for index, event in enumerate(recording.events)
        if any(names[one.backend] == event.text.partition(":")[0] and one.overlaps(event) for one in detections)
    ]


def false_alarms(detections: list[Detection], recording: Recording) -> int:
    """Count detections during which nothing is labelled."""
    return sum(not any(one.overlaps(event) for event in recording.events) for one in detections)
