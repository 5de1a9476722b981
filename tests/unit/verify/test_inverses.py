"""Each inverse of the mapping gives back what went in; bursts and pulses are read off sounds made for the purpose."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mapping.bars import slot_quanta
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import SoundPreset
from sonify.synth.bursts import bursts_quantum, make_bursts
from sonify.units import gain_from_db
from sonify.verify.basis import GaugeBasis
from sonify.verify.bursts import BurstCounter
from sonify.verify.tempo import PulseReader
from tests.unit.verify.rendering import STUDIO, random_recording

SLOT = slot_quanta(STUDIO.arrangement)


@pytest.mark.parametrize("depth_db", [0.0, 15.0])
@given(rates=st.lists(st.floats(1e-4, 100.0), min_size=24, max_size=24), normal=st.floats(1e-3, 10.0))
def test_rates_come_back_from_gains_with_and_without_a_baseline(depth_db, rates, normal):
    default = SoundPreset()
    level = dataclasses.replace(default.level, baseline_depth=depth_db, top=0.0, reference_level=-70.0)
    mapper = Mapper(dataclasses.replace(default, level=level), ("b0",), np.full((1, 24), normal))
    layout = dataclasses.replace(random_recording(1, 1).layout)
    frame = dataclasses.replace(
        random_recording(1, 1).frame(0),
        layout=layout,
        latency_rate=np.array([rates]),
        request_rate=np.array([sum(rates)]),
    )
    np.testing.assert_allclose(mapper.rate_of_gain(mapper.partial_gain(frame))[0, :-1], rates, rtol=1e-6)


@given(ratio=st.floats(0.0, 1.0), count=st.floats(0.0, 100.0), batches=st.floats(0.0, 200.0))
def test_ratios_counts_and_batches_come_back(ratio, count, batches):
    mapper = Mapper(STUDIO, ("b0",), num_batch_bands=3)
    frame = dataclasses.replace(
        random_recording(1, 1).frame(0),
        error_ratio=np.array([ratio]),
        fallback_ratio=np.array([ratio]),
        active_requests=count,
        batch_rate=np.full(3, batches),
    )
    score = mapper.score(frame, np.zeros(1))
    assert mapper.error_ratio_of_depth(score.roughness_depth)[0] == pytest.approx(ratio, abs=1e-9)
    assert mapper.fallback_ratio_of_gain(score.overtone_gain)[0] == pytest.approx(ratio, abs=1e-9)
    assert float(mapper.active_requests_of_gain(np.array(score.sub_gain))) == pytest.approx(count, abs=1e-6)
    np.testing.assert_allclose(mapper.batch_rate_of_gain(score.drum_gain), batches, rtol=1e-6, atol=1e-9)


def bursts_of(glitches_at, seed):
    """One step in which so many glitches sound as one burst at each quantum."""
    glitches = STUDIO.glitches
    state = make_bursts(
        1,
        centre_hz=glitches.centre,
        q=glitches.q,
        decay_s=glitches.decay,
        sample_rate_hz=SAMPLE_RATE_HZ,
        seed=seed,
    )
    sound = np.zeros((SLOT, QUANTUM_FRAMES), np.float32)
    for quantum in range(SLOT):
        gain = gain_from_db(glitches.level) * np.sqrt(glitches_at.get(quantum, 0))
        bursts_quantum(state, quantum * QUANTUM_FRAMES, np.array([gain], np.float32), sound[None, quantum])
    return sound.ravel().astype(np.float64)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("glitches_at", [{}, {0: 1}, {22: 1}, {3: 1, 12: 1}, {0: 2, 9: 2}])
def test_few_bursts_are_counted_exactly(glitches_at, seed):
    noise = np.random.default_rng(seed).normal(0.0, 1e-5, SLOT * QUANTUM_FRAMES)
    assert BurstCounter(STUDIO).count(bursts_of(glitches_at, seed) + noise) == sum(glitches_at.values())


def test_many_bursts_are_counted_without_bias():
    counts = [BurstCounter(STUDIO).count(bursts_of({0: 8, 8: 8, 16: 8}, seed)) for seed in range(20)]
    assert np.mean(counts) == pytest.approx(24, rel=0.05)
    assert np.std(counts) < 0.15 * 24


@pytest.mark.parametrize("depth", [0.0, 0.3, 1.0, 2.0, 17.0, 50.0, 230.0, 900.0])
@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_a_pulse_tells_the_depth_at_any_phase(depth, turn):
    basis = GaugeBasis(STUDIO)
    reader = PulseReader(STUDIO.gauges, basis.tremolo)
    inputs, tempi = zip(*STUDIO.gauges.pulse_rate, strict=True)
    quanta = np.arange(4 * SLOT).reshape(4, SLOT)
    gain = gain_from_db(STUDIO.gauges.pulse_level) * min(depth, 1.0)
    turns = np.interp(depth, inputs, tempi) * (quanta + 0.5) / CONTROL_RATE_HZ + turn
    envelope = gain * (0.5 - 0.5 * np.cos(2.0 * np.pi * turns)) @ (np.linalg.pinv(basis.tremolo) @ basis.tremolo).T
    assert reader.depth(quanta, envelope) == pytest.approx(depth, rel=0.02, abs=0.02)
