"""A fader on a surface is heard at once, and does not click."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.frame import Layout, MetricFrame
from sonify.runner.controls import Controls, Knobs
from sonify.runner.deck import Deck
from sonify.runner.player import Player

LAYOUT = Layout(1.0, ("rust", "go"), np.r_[0.0, np.geomspace(0.0016, 38.0, 23), np.inf], np.zeros(0))
BLOCK_QUANTA = 4


def steady_frame() -> MetricFrame:
    """Latencies of one backend only, always the same."""
    rate = np.zeros((2, 24))
    rate[0, 8] = 50.0
    still = np.zeros(2)
    return MetricFrame(
        LAYOUT, 0.0, rate.sum(axis=1), still, still, still, rate, np.zeros(0), queue_depth=np.nan,
        active_requests=np.nan, fresh=True,
    )  # fmt: skip


def rendered(knobs_of_block: list[Knobs]) -> np.ndarray:
    preset = load_sound_preset("code-live").neutral()
    preset = replace(preset, arrangement=replace(preset.arrangement, mode="sustained"))
    player = Player()
    deck = Deck(preset, [steady_frame()], seed=0)
    player.adopt(deck)
    blocks = []
    for index, knobs in enumerate(knobs_of_block):
        if index % 25 == 0:
            player.take(replace(steady_frame(), t=index / 25.0))
        blocks.append(player.render(BLOCK_QUANTA, knobs))
    return np.concatenate(blocks).astype(np.float64)


def moved(trim_db: float) -> Knobs:
    controls = Controls()
    controls.set_backend_trim("rust", trim_db)
    return controls.knobs


@pytest.fixture(scope="module")
def still() -> np.ndarray:
    return rendered([Knobs()] * 100)


@pytest.mark.parametrize("trim_db", [-40.0, -12.0, 6.0])
def test_a_fader_is_heard_within_50_ms_and_does_not_click(still: np.ndarray, trim_db: float) -> None:
    change = 60
    audio = rendered([Knobs()] * change + [moved(trim_db)] * (100 - change))
    begin = change * BLOCK_QUANTA * QUANTUM_FRAMES
    assert np.array_equal(audio[:begin], still[:begin])

    gain = 10.0 ** (trim_db / 20.0)
    late = slice(begin + int(0.05 * SAMPLE_RATE_HZ), begin + int(0.25 * SAMPLE_RATE_HZ))
    level = np.sqrt(np.mean(audio[late] ** 2) / np.mean(still[late] ** 2))
    assert level == pytest.approx(gain, rel=0.1)

    around = slice(begin - 200, begin + int(0.05 * SAMPLE_RATE_HZ))
    roughest = np.abs(np.diff(still[begin - 9600 : begin + 9600], n=2, axis=0)).max()
    assert np.abs(np.diff(audio[around], n=2, axis=0)).max() < 1.2 * max(gain, 1.0) * roughest


def test_the_other_backend_is_not_moved(still: np.ndarray) -> None:
    controls = Controls()
    controls.set_backend_trim("go", -40.0)
    assert np.array_equal(rendered([controls.knobs] * 30), still[: 30 * BLOCK_QUANTA * QUANTUM_FRAMES])


def test_trims_stay_in_range() -> None:
    controls = Controls()
    controls.set_backend_trim("rust", 99.0)
    controls.set_backend_trim("go", -99.0)
    assert controls.knobs.backend_trim_db == {"rust": 6.0, "go": -40.0}
