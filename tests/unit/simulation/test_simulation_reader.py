"""``sim:`` specs, and the recordings they make."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.recording import Recording
from sonify.readers.simulation import END_S, open_simulation, simulate_recording
from sonify.simulation.service import Simulation


def same(a: Recording, b: Recording) -> bool:
    columns = [field.name for field in fields(Recording)[3:]]
    return all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name != "fresh") for name in columns)


def test_a_spec_is_read() -> None:
    source = open_simulation("sim:incident?duration=24h&interval=60s&seed=7&start=2026-01-05T09:00:00+01:00")
    assert (source.scenario, source.duration_s, source.interval_s, source.seed) == ("incident", 86400.0, 60.0, 7)
    assert source.start_s == END_S - 4 * 3600.0
    plain = open_simulation("sim:quiet")
    assert (plain.duration_s, plain.interval_s, plain.start_s, plain.seed) == (None, None, None, 0)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("sim:incidnt", "did you mean incident?"),
        ("sim:", "allowed: quiet"),
        ("sim:quiet?speed=3", "'speed' is not an option; allowed: duration=15m"),
        ("sim:quiet?seed=x", "seed: 'x' is not a whole number"),
        ("sim:quiet?duration=-3s", "duration: '-3s' is not a duration"),
        ("sim:quiet?duration=3kg", "duration: '3kg' is not a quantity"),
        ("sim:quiet?start=noon", "start: 'noon' is not a time"),
    ],
)
def test_a_bad_spec_is_refused_in_one_line(spec: str, said: str) -> None:
    with pytest.raises(ReaderError) as caught:
        open_simulation(spec)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("duration_s", "interval_s"), [(1.0, 5.0), (1e9, 0.1), (math.inf, 5.0), (math.nan, 5.0), (0, 5)]
)
def test_a_length_without_frames_or_with_too_many_is_refused(duration_s: float, interval_s: float) -> None:
    with pytest.raises(ReaderError):
        simulate_recording("quiet", duration_s=duration_s, interval_s=interval_s)


def test_a_recording_is_made_of_the_counters() -> None:
    recording = simulate_recording("chaos", duration_s=300.0, interval_s=5.0, seed=3)
    simulation = Simulation("chaos", seed=3)
    simulation.advance(300.0)
    end = simulation.snapshot()
    assert len(recording) == 60
    assert recording.end_s == END_S
    assert recording.fresh.all()
    assert np.array_equal(recording.layout.latency_edges_s, LatencyBands().edges_s)
    assert (recording.request_rate.sum(axis=0) * 5.0) == pytest.approx(end.requests.sum(axis=1))
    assert (recording.latency_rate.sum(axis=0) * 5.0) == pytest.approx(end.band_counts)
    assert recording.latency_rate.sum(axis=2) == pytest.approx(recording.request_rate)
    assert (recording.batch_rate.sum() * 5.0) == pytest.approx(end.batches.sum())
    assert ((recording.error_ratio * recording.request_rate).sum(axis=0) * 5.0) == pytest.approx(
        end.requests[:, 2:].sum(axis=1)
    )
    assert ((recording.fallback_ratio * recording.request_rate).sum(axis=0) * 5.0) == pytest.approx(end.fallbacks)
    assert recording.queue_depth[-1] == end.queue_depth
    assert [event.text for event in recording.events] == [event.text for event in simulation.events()]


def test_the_same_seed_gives_the_same_recording_and_another_seed_another() -> None:
    first = open_simulation("sim:flapping?seed=5").read(None, None)
    assert same(first, open_simulation("sim:flapping?seed=5").read(None, None))
    assert not same(first, open_simulation("sim:flapping?seed=6").read(None, None))


def test_a_longer_recording_begins_like_a_shorter_one() -> None:
    short = simulate_recording("incident", seed=1, start_s=0.0)
    long = simulate_recording("incident", seed=1, start_s=0.0, duration_s=7200.0)
    assert same(short, long.between(None, short.end_s))


def test_a_coarser_interval_holds_the_same_requests() -> None:
    fine = simulate_recording("busy", interval_s=5.0, seed=2)
    coarse = simulate_recording("busy", interval_s=60.0, seed=2)
    assert coarse.latency_rate == pytest.approx(fine.latency_rate.reshape(10, 12, 6, 24).mean(axis=1))


def test_reading_a_range_keeps_its_frames() -> None:
    source = open_simulation("sim:quiet?start=1000")
    part = source.read(1060.0, 1120.0)
    assert (part.start_s, part.end_s) == (1060.0, 1120.0)
    with pytest.raises(ReaderError, match="it covers 1000 to 1600"):
        source.read(2000.0, None)
