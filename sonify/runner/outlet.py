"""Where audio goes while a sound card plays, and the clock that paces it while there is none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.outputs.resampled import Resampler
from sonify.outputs.sound_card import SoundCard

__all__ = ["History", "Outlet", "Pacer"]

Float32 = NDArray[np.float32]


class Outlet:
    """A sound card and the resampler before it."""

    def __init__(self, card: SoundCard) -> None:
        self.card = card
        self._resampler = Resampler(card.rate_hz)

    def write(self, audio: Float32) -> None:
        """Send whole quanta."""
        self.card.write(self._resampler.process(audio))

    @property
    def ready_s(self) -> float:
        """Audio that the card has not taken yet."""
        return self.card.num_ready / self.card.rate_hz

    @property
    def latency_s(self) -> float:
        """From what the card takes to the ear."""
        return self.card.latency_s + self._resampler.latency_frames / SAMPLE_RATE_HZ


class History:
    """The newest audio, for whoever shows it, and for a card that joins."""

    def __init__(self, num_frames: int) -> None:
        self._audio = np.zeros((num_frames, 2), np.float32)
        self._written = 0

    def write(self, audio: Float32) -> None:
        """Append audio, shape (frames, 2)."""
        size = len(self._audio)
        audio = audio[-size:]
        begin = self._written % size
        first = min(len(audio), size - begin)
        self._audio[begin : begin + first] = audio[:first]
        self._audio[: len(audio) - first] = audio[first:]
        self._written += len(audio)

    def newest(self, num_frames: int) -> Float32:
        """Copy the newest frames, shape (num_frames, 2); silence before there were that many."""
        size = len(self._audio)
        return np.asarray(self._audio[(self._written - num_frames + np.arange(num_frames)) % size])


class Pacer:
    """Say when the next block is due, so that audio is always ready some time ahead.

    A card that plays sets the pace by what it takes. Without one the clock does, from where the card stopped, so that
    time goes on, and a card that comes back continues at now.

    Parameters
    ----------
    ahead_s : float
        Audio to have ready.
    now_s : float
        A clock that never jumps.
    """

    _LONGEST_BEHIND_S = 5.0  # what a machine that slept has missed for longer is not made up for

    def __init__(self, ahead_s: float, now_s: float) -> None:
        self.ahead_s = ahead_s
        self._rendered = 0
        self._anchor_frames, self._anchor_s = 0.0, now_s

    def add(self, num_frames: int) -> None:
        """Count what was rendered."""
        self._rendered += num_frames

    def wait_s(self, outlet: Outlet | None, now_s: float) -> float:
        """Time until the next block is due; 0 or less: now."""
        if outlet is not None:
            ready_s = outlet.ready_s
            self._anchor_frames, self._anchor_s = self._rendered - ready_s * SAMPLE_RATE_HZ, now_s
            return ready_s - self.ahead_s
        behind_s = self._played(now_s) - self._rendered / SAMPLE_RATE_HZ + self.ahead_s
        if behind_s > self._LONGEST_BEHIND_S:
            self._anchor_frames, self._anchor_s = float(self._rendered), now_s
        return -behind_s

    def lose(self, outlet: Outlet, now_s: float) -> None:
        """Go on by the clock from what the card took last."""
        age_s = outlet.card.callback_age_s
        self._anchor_frames = self._rendered - outlet.ready_s * SAMPLE_RATE_HZ
        self._anchor_s = now_s - (0.0 if math.isnan(age_s) else age_s)

    def ready_frames(self, now_s: float) -> int:
        """Frames rendered that the clock has not reached: what a card that joins begins with, in whole quanta."""
        ready = self._rendered - self._played(now_s) * SAMPLE_RATE_HZ
        return max(round(ready / QUANTUM_FRAMES), 0) * QUANTUM_FRAMES

    def sounds_at_s(self, outlet: Outlet | None, now_s: float) -> float:
        """When what is rendered next will be heard, by the clock that `now_s` is of."""
        if outlet is None:
            return now_s + self._rendered / SAMPLE_RATE_HZ - self._played(now_s)
        age_s = outlet.card.callback_age_s  # between two callbacks the card goes on without saying so
        return now_s + outlet.ready_s + outlet.latency_s - (0.0 if math.isnan(age_s) else age_s)

    def _played(self, now_s: float) -> float:
        return self._anchor_frames / SAMPLE_RATE_HZ + now_s - self._anchor_s
