"""Render a recording in memory with the preset `studio`, for the decoder's tests."""

import dataclasses

import numpy as np

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.engine import Engine
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset_file import load_sound_preset
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import lay_out_for
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording
from sonify.runner.offline import render_offline

STUDIO = load_sound_preset("studio")


class Memory:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.blocks = []

    def write(self, audio):
        self.blocks.append(audio)

    @property
    def audio(self):
        """All of it, (2, frames), in 16 bits with dither as a file has it."""
        audio = np.concatenate(self.blocks).T
        dither = np.random.default_rng(1).triangular(-1.0, 0.0, 1.0, audio.shape) / 32767.0
        return np.round((audio + dither) * 32767.0).astype(np.float32) / np.float32(32767.0)


def render(recording, length_s, preset=STUDIO, seed=0):
    """Audio (2, frames)."""
    timeline = lay_out_for(preset, recording, recording.duration_s / length_s)
    mapper = Mapper(preset, recording.layout.backends, num_batch_bands=recording.layout.num_batch_bands)
    sink = Memory()
    steps = Scorer(mapper).all(timeline.steps())
    render_offline(Engine(mapper, seed=seed), steps, num_quanta=timeline.num_quanta, sinks=(sink,), threads=1)
    assert sink.audio.shape[1] == timeline.num_quanta * QUANTUM_FRAMES
    return sink.audio


def random_recording(num_frames=8, num_backends=3, seed=0, **columns):
    """Frames of 10 s with busy bands, errors, fallbacks, glitches and gauges; `columns` replace some."""
    rng = np.random.default_rng(seed)
    layout = Layout(
        10.0,
        tuple(f"b{i}" for i in range(num_backends)),
        STUDIO.bands.latency_bands.edges_s,
        np.array([1.0, 2.0, 4, 8]),
    )
    shape = (num_frames, num_backends)
    busy = rng.random((*shape, STUDIO.bands.count)) < 0.3
    busy[..., 5] = True
    latency_rate = np.where(busy, 10.0 ** rng.uniform(-2.0, 1.0, busy.shape), 0.0)
    made = Recording(
        layout=layout,
        source="test",
        events=(),
        t=10.0 * np.arange(1, num_frames + 1),
        request_rate=latency_rate.sum(axis=2),
        error_ratio=np.where(rng.random(shape) < 0.5, rng.random(shape) ** 3, 0.0),
        fallback_ratio=np.where(rng.random(shape) < 0.5, rng.random(shape) ** 2, 0.0),
        glitch_rate=rng.poisson(0.5, shape) / 10.0,
        latency_rate=latency_rate,
        batch_rate=10.0 ** rng.uniform(-1.0, 1.0, (num_frames, 3)),
        queue_depth=np.floor(10.0 ** rng.uniform(0.0, 2.0, num_frames)),
        active_requests=np.floor(10.0 ** rng.uniform(0.0, 1.7, num_frames)),
        fresh=np.ones(num_frames, bool),
    )
    return dataclasses.replace(made, **columns)
