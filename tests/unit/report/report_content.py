"""A small report, made without the engine: a tone, and metrics that nobody measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from sonify.diagnosis.findings import diagnose
from sonify.mapping.preset import SoundPreset
from sonify.mapping.timeline import lay_out_for
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Event, Recording
from sonify.report.content import ReportContent

PRESET = SoundPreset(name="plain")


def make_recording(
    num_frames: int = 60, backends: tuple[str, ...] = ("rust", "go"), interval_s: float = 5.0
) -> Recording:
    """Build a calm service; every backend answers in about 20 ms."""
    edges_s = LatencyBands().edges_s
    layout = Layout(interval_s, backends, edges_s, np.array([1.0, 2.0, 4.0]))
    latency_rate = np.zeros((num_frames, len(backends), len(edges_s) - 1))
    latency_rate[:, :, 6] = 3.0
    per_backend = (num_frames, len(backends))
    return Recording(
        layout=layout,
        source="made",
        events=(),
        t=1_700_000_000.0 + interval_s * np.arange(1, num_frames + 1),
        request_rate=np.full(per_backend, 3.0),
        error_ratio=np.zeros(per_backend),
        fallback_ratio=np.zeros(per_backend),
        glitch_rate=np.zeros(per_backend),
        latency_rate=latency_rate,
        batch_rate=np.ones((num_frames, 2)),
        queue_depth=np.zeros(num_frames),
        active_requests=np.ones(num_frames),
        fresh=np.ones(num_frames, dtype=np.bool_),
    )


def with_fault(recording: Recording, error_ratio: float = 0.5) -> Recording:
    """Let the first backend fail in the second half."""
    errors = recording.error_ratio.copy()
    begin = len(recording) // 2
    errors[begin:, 0] = error_ratio
    event = Event(float(recording.t[begin]), None, "fault", f"{recording.layout.backends[0]}: errors")
    return replace(recording, error_ratio=errors, events=(event,))


def write_tone(
    path: Path, length_s: float, rate_hz: int = 48_000, frequency_hz: float = 440.0, level: float = 0.1
) -> Path:
    """Write a stereo tone."""
    tone = level * np.sin(2 * np.pi * frequency_hz * np.arange(round(length_s * rate_hz)) / rate_hz)
    soundfile.write(path, np.stack([tone, tone], axis=1), rate_hz)
    return path


def make_content(folder: Path, recording: Recording | None = None, length_s: float = 3.0) -> ReportContent:
    """Build a report of `length_s` of sound."""
    shown = with_fault(make_recording()) if recording is None else recording
    return ReportContent(
        recording=shown,
        timeline=lay_out_for(PRESET, shown, shown.duration_s / length_s),
        preset=PRESET,
        audio=write_tone(folder / "mix.wav", length_s),
        title="A report",
        version="1.0",
        loudness_lufs=-30.0,
        true_peak_dbtp=-3.0,
        findings=diagnose(shown, PRESET.limits),
    )
