"""Short sounds for the page's legend: the tour of the preset, and where in it each thing is heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.lessons.captions import Caption
from sonify.mapping.preset import SoundPreset

__all__ = ["Examples", "make_examples"]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Sound of a tour, and what is heard when.

    Attributes
    ----------
    audio : float32 array (frames, channels)
        At `sample_rate_hz`.
    sample_rate_hz : int
        Of the sound.
    captions : tuple of Caption
        In order; those of one scene follow each other.
    """

    audio: NDArray[np.float32]
    sample_rate_hz: int
    captions: tuple[Caption, ...]


class _Heard:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.float32]] = []

    def write(self, audio: NDArray[np.float32]) -> None:
        self.blocks.append(audio.copy())


def make_examples(preset: SoundPreset) -> Examples:
    """Play the legend of a preset; takes about half a second."""
    from sonify.dsp.quantum import SAMPLE_RATE_HZ
    from sonify.lessons.playing import play_tour
    from sonify.lessons.tour import make_tour

    tour = make_tour(preset)
    heard = _Heard()
    play_tour(tour, (heard,))
    return Examples(np.concatenate(heard.blocks), SAMPLE_RATE_HZ, tour.captions)
