"""The engine's 48 kHz at the rate of a sound card: a polyphase filter over blocks of whole quanta."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import CONTROL_RATE_HZ, QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.errors import DeviceError

__all__ = ["Resampler"]

Float32 = NDArray[np.float32]

_STOP_DB = 100.0
_PASS_HZ = 20_000.0
_WIDEST_PASS = 0.45  # of the lower rate, where that is too low for 20 kHz


class Resampler:
    """Resample a stream from 48 kHz.

    A low-pass of linear phase (Kaiser's window, 100 dB) at the common multiple of both rates, of which only the phases
    that are needed are computed. A quantum becomes a whole number of frames, so that no phase has to be carried.

    Parameters
    ----------
    rate_hz : int
        A multiple of 100.

    Raises
    ------
    DeviceError
        A rate that a quantum does not fit into.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz <= 0 or rate_hz % CONTROL_RATE_HZ:
            raise DeviceError(f"sample rate {rate_hz} Hz: not allowed; it must be a multiple of {CONTROL_RATE_HZ}")
        common = math.gcd(rate_hz, SAMPLE_RATE_HZ)
        self._up, self._down = rate_hz // common, SAMPLE_RATE_HZ // common
        self._filter = np.ones(1)
        self._past_frames = 0
        if rate_hz != SAMPLE_RATE_HZ:
            from scipy.signal import firwin

            lower_hz = min(rate_hz, SAMPLE_RATE_HZ)
            pass_hz = min(_PASS_HZ, _WIDEST_PASS * lower_hz)
            stop_hz = lower_hz - pass_hz  # what folds back lands over the pass band
            taps = (_STOP_DB - 7.95) / (2.285 * 2.0 * math.pi * (stop_hz - pass_hz) / SAMPLE_RATE_HZ)
            self._past_frames = 2 * math.ceil(taps / 2.0)
            self._filter = self._up * firwin(
                self._past_frames * self._up + 1,
                lower_hz / 2.0,
                window=("kaiser", 0.1102 * (_STOP_DB - 8.7)),
                fs=float(self._up * SAMPLE_RATE_HZ),
            )
        self._begin = -(-self._past_frames * self._up // self._down)  # before it the filter is not full
        self._past = np.zeros((self._past_frames, 2), np.float32)

    @property
    def latency_frames(self) -> float:
        """How much later it all comes out, in frames at 48 kHz."""
        return 1.5 * self._past_frames - self._begin * self._down / self._up

    def process(self, audio: Float32) -> Float32:
        """Resample whole quanta, shape (frames, 2)."""
        if not self._past_frames:
            return audio
        if len(audio) % QUANTUM_FRAMES:
            raise ValueError(f"{len(audio)} frames are not whole quanta")
        from scipy.signal import upfirdn

        heard = np.concatenate([self._past, audio])
        self._past = heard[len(audio) :]
        count = len(audio) * self._up // self._down
        every = upfirdn(self._filter, heard, self._up, self._down, axis=0)
        return np.asarray(every[self._begin : self._begin + count], dtype=np.float32)
