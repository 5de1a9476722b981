"""A live engine that is none: it plays snapshots made from a recording, with synthetic audio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonify.mapping.alarms import LimitTracker
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State
from sonify.metrics.recording_format import load_recording
from sonify.runner.controls import Controls
from sonify.runner.snapshot import Snapshot, SourceStatus

SAMPLES = Path(__file__).parents[3] / "samples"
PRESET = load_sound_preset("code-live")
INCIDENT = load_recording(SAMPLES / "incident.jsonl.gz")
HEALTHY_ROW, INCIDENT_ROW = 40, 88
_AUDIO_FRAMES = 4096


def audio_of(frame: MetricFrame, seed: int = 0) -> np.ndarray:
    """Sines at the notes of the bands, as loud as the mapping makes them, over a little noise."""
    mapper = Mapper(PRESET, frame.layout.backends)
    gains = mapper.partial_gain(frame).sum(axis=0)
    time_s = (np.arange(_AUDIO_FRAMES) + 997 * seed) / 48000.0
    mono = (gains[:, None] * np.sin(2.0 * np.pi * mapper.frequencies_hz[:, None] * time_s)).sum(axis=0)
    noise = np.random.default_rng(seed).normal(0.0, 2e-4, (_AUDIO_FRAMES, 2))
    return (mono[:, None] * np.array([0.9, 1.0]) + noise).astype(np.float32)


def snapshot_of(row: int, *, seed: int = 0, recording=INCIDENT, **changes) -> Snapshot:
    """Make the snapshot of one frame of a recording."""
    frame = recording.frame(row)
    latency = PRESET.limits["latency_p95"].states(frame.latency_quantile_s(0.95))
    tracker = LimitTracker(PRESET.limits)
    tracker.update(frame, 5.0)
    states = {panel: State(int(tracker._state[panel])) for panel in PRESET.limits}
    gains = Mapper(PRESET, frame.layout.backends).partial_gain(frame)
    with np.errstate(divide="ignore"):
        level_db = np.maximum(20.0 * np.log10(np.sqrt((gains**2).sum(axis=1))), -120.0)
    made = Snapshot(
        time_s=frame.t + 1.1,
        frame=frame,
        panel_states=states,
        backend_states=tuple(State(int(state)) for state in latency),
        unacknowledged=tuple(panel for panel, state in states.items() if state is State.RED),
        backend_level_db=level_db,
        audio=audio_of(frame, seed),
        true_peak_dbtp=-3.2,
        gain_reduction_db=2.4,
        preset="code-live",
        preset_problem="",
        is_muted=False,
        trim_db=0.0,
        soloed=frozenset(),
        muted=frozenset(),
        eq_amount=1.0,
        compressor_amount=1.0,
        reverb_amount=1.0,
        device="Built-in Audio Analog Stereo",
        device_problem="",
        underruns=0,
        callback_age_s=0.0108,
        ring_s=0.121,
        frame_to_ear_s=0.132,
        render_load_ratio=0.034,
        cpu_ratio=0.048,
        sources=(SourceStatus("prometheus 127.0.0.1:9090", "", 1.1, dict.fromkeys(PRESET.limits, 1.1), False),),
        notices=("listening to prometheus 127.0.0.1:9090", "recording to day.jsonl.gz"),
    )
    return replace(made, **changes)


def healthy(**changes) -> Snapshot:
    return snapshot_of(HEALTHY_ROW, **changes)


def incident(**changes) -> Snapshot:
    return snapshot_of(INCIDENT_ROW, **changes)


def stale(**changes) -> Snapshot:
    """The source is lost: nothing is known any more."""
    before = INCIDENT.frame(HEALTHY_ROW)
    lost = SourceStatus(
        "prometheus 127.0.0.1:9090", "connection refused", 17.0, dict.fromkeys(PRESET.limits, 17.0), True
    )
    unknown = (State.UNKNOWN,) * before.layout.num_backends
    return snapshot_of(
        HEALTHY_ROW,
        **{
            "frame": MetricFrame.unmeasured(before.layout, before.t + 5.0),
            "panel_states": dict.fromkeys(PRESET.limits, State.UNKNOWN),
            "backend_states": unknown,
            "unacknowledged": (),
            "sources": (lost,),
        }
        | changes,
    )


def no_device(**changes) -> Snapshot:
    return snapshot_of(
        HEALTHY_ROW,
        **{
            "device": "",
            "device_problem": "no sound card: install libportaudio2, or listen with --record or --midi",
            "callback_age_s": np.nan,
            "frame_to_ear_s": np.nan,
            "audio": np.zeros((_AUDIO_FRAMES, 2), np.float32),
            "backend_level_db": np.full(6, -120.0),
            "true_peak_dbtp": -np.inf,
        }
        | changes,
    )


class FakeLive:
    """Plays what `make` gives for each call; ends after `most` snapshots."""

    def __init__(self, make: Callable[[int], Snapshot], most: int | None = None) -> None:
        self.controls = Controls()
        self.asked = 0
        self.is_stopped = False
        self._make = make
        self._most = most

    @property
    def is_running(self) -> bool:
        return not self.is_stopped and (self._most is None or self.asked < self._most)

    def snapshot(self) -> Snapshot:
        """The next one, with the controls where they stand."""
        made, knobs = self._make(self.asked), self.controls.knobs
        self.asked += 1
        return replace(
            made,
            is_muted=knobs.is_muted,
            trim_db=knobs.trim_db,
            soloed=knobs.soloed or made.soloed,
            muted=knobs.muted or made.muted,
            eq_amount=knobs.eq,
            compressor_amount=knobs.compressor,
            reverb_amount=knobs.reverb,
        )

    def stop(self) -> None:
        self.is_stopped = True
