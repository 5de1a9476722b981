"""Calibration: the system's own normal is green, and plays as loud as Code Live's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_findings import recording

from sonify.diagnosis.calibration import CALM_IN_FLIGHT, LEAST_FRAMES, calibrate
from sonify.errors import ReaderError
from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.panels import State
from sonify.readers.simulation import simulate_recording

PRESET = load_sound_preset("code-live")


@pytest.mark.parametrize("scenario", ["quiet", "busy"])
def test_nearly_all_of_a_normal_day_is_green(scenario: str) -> None:
    normal = simulate_recording(scenario)
    limits = calibrate(normal, PRESET).limits
    for panel, values in {"latency_p95": normal.latency_quantile_s(0.95), "request_rate": normal.request_rate}.items():
        found = limits[panel].limits
        assert found is not None
        states = found.states(values)
        assert np.mean(states == State.GREEN) > 0.99
        assert not np.any(states == State.RED)


def test_an_incident_does_not_count_as_normal() -> None:
    calm, ill = (
        calibrate(simulate_recording(name), PRESET).limits["latency_p95"].limits for name in ("quiet", "incident")
    )
    assert calm is not None
    assert ill is not None
    assert ill.red < 3.0 * calm.red
    spell = simulate_recording("incident").latency_quantile_s(0.95)[:, 5]
    assert np.sum(ill.states(spell) == State.RED) > 30


def test_the_reference_rate_follows_the_work() -> None:
    assert calibrate(simulate_recording("quiet"), PRESET).reference_rate == pytest.approx(1.0, rel=0.15)
    assert CALM_IN_FLIGHT > 0.0


def test_twenty_times_the_traffic_plays_as_loud_as_calm() -> None:
    calm = simulate_recording("quiet")
    many = replace(calm, request_rate=20.0 * calm.request_rate, latency_rate=20.0 * calm.latency_rate)

    def level_db(of: object, preset: object) -> float:
        mapper = Mapper(preset, calm.layout.backends, learn_baseline(of), num_batch_bands=calm.layout.num_batch_bands)  # type: ignore[arg-type]
        gains = [mapper.partial_gain(frame) for frame in of.frames()]  # type: ignore[attr-defined]
        return float(10.0 * np.log10(np.mean([np.sum(gain**2) for gain in gains])))

    rate = calibrate(many, PRESET).reference_rate
    assert rate is not None
    calibrated = replace(PRESET, level=replace(PRESET.level, reference_rate=rate))
    assert level_db(many, PRESET) > level_db(calm, PRESET) + 8.0
    assert level_db(many, calibrated) == pytest.approx(level_db(calm, PRESET), abs=1.0)


def test_the_busiest_hour_of_the_day_is_normal() -> None:
    days = recording(frames=3 * 1440, interval_s=60.0, backends=("api",))
    hour = days.t % 86400.0 // 3600.0
    rate = np.where(hour == 20.0, 50.0, 5.0)[:, None] * np.random.default_rng(1).uniform(0.9, 1.1, (len(days), 1))
    found = calibrate(replace(days, request_rate=rate), PRESET).limits["request_rate"].limits
    assert found is not None
    assert 55.0 < found.yellow < 100.0


def test_what_is_not_measured_keeps_its_limits_and_says_so() -> None:
    blank = replace(recording(), error_ratio=np.full((60, 2), np.nan))
    limit = calibrate(blank, PRESET).limits["error_ratio"]
    assert limit.limits is None
    assert limit.reason == "not measured"


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ReaderError, match=f"at least {LEAST_FRAMES}"):
        calibrate(recording(frames=LEAST_FRAMES - 1), PRESET)
