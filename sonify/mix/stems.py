"""Stems: what each backend, bus and the reverb contribute to the mix; together they are the sum before the limiter.

Every stage before the limiter is either linear, so that each stem passes through it by itself, or one gain for all,
which is worked out from the mix and applied to each stem. The limiter stands alone here too, for what is done to a
finished mix: another loudness, another sample rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.dsp.record import pack
from sonify.kernel import entry
from sonify.mapping.mapper import Mapper
from sonify.mix.chain import _CENTRE, Chain, _add_panned, _guard
from sonify.mix.compressor import compressor_process
from sonify.mix.eq import eq_process, make_eq_state
from sonify.mix.limiter import LIMITER_LATENCY_FRAMES, LimiterSettings, limiter_process, make_limiter_state
from sonify.mix.reverb import reverb_process

__all__ = ["BUS_STEMS", "LIMITER_LATENCY_FRAMES", "Ceiling", "StemChain"]

Float32 = NDArray[np.float32]
Records = NDArray[np.void]

BUS_STEMS = ("gauges", "signals", "reverb")  # what follows the backends


@entry(nogil=True)
def _stems_process(
    dry: Float32,
    pan: Float32,
    bus_of_eq: NDArray[np.int64],
    bus_eq: Records,
    bus_eq_state: Records,
    eq: Records,
    eq_state: Records,
    all_settings: Records,
    all_state: Records,
    work: Float32,
    gain: Float32,
    out: Float32,
) -> None:
    """Split dry buses (quanta, backends + 2, quantum), which are used up, into `out` (backends + 3, frames, 2).

    As `sonify.mix.chain` mixes them. `eq_state` (backends, eq bands); `work` (backends + 3, 2, quantum) and `gain`
    (1, quantum) are overwritten.
    """
    num_quanta, num_buses, frames = dry.shape
    num_backends = num_buses - 2
    settings, state = all_settings[0], all_state[0]
    mix, wet = work[num_backends], work[num_backends + 2]
    for q in range(num_quanta):
        buses = dry[q]
        for bus in range(num_buses):
            _guard(buses[bus])
        for k in range(len(bus_of_eq)):
            bus = bus_of_eq[k]
            eq_process(buses[bus : bus + 1], bus_eq[k : k + 1], bus_eq_state[k : k + 1])
        work[:] = np.float32(0.0)
        gain[:] = np.float32(1.0)
        for backend in range(num_backends):
            stem = work[backend]
            _add_panned(buses[backend], pan[backend, 0], pan[backend, 1], stem)
            eq_process(stem, eq, eq_state[backend])
            for i in range(frames):
                mix[0, i] += stem[0, i]
                mix[1, i] += stem[1, i]
        if settings.sidechain < 0:
            compressor_process(gain, mix, settings.compressor, state.compressor)
        else:
            key = buses[settings.sidechain : settings.sidechain + 1]
            compressor_process(gain, key, settings.compressor, state.compressor)
        for channel in range(2):
            for i in range(frames):
                mix[channel, i] *= gain[0, i]
            for backend in range(num_backends):
                for i in range(frames):
                    work[backend, channel, i] *= gain[0, i]
        _add_panned(buses[num_backends], _CENTRE, _CENTRE, mix)
        reverb_process(mix, wet, settings.reverb, state.reverb)
        mix[:] = np.float32(0.0)  # from here on the stem of the gauges
        _add_panned(buses[num_backends], _CENTRE, _CENTRE, mix)
        _add_panned(buses[num_backends + 1], _CENTRE, _CENTRE, work[num_backends + 1])
        begin = q * frames
        for stem_index in range(num_backends + 3):
            for i in range(frames):
                out[stem_index, begin + i, 0] = work[stem_index, 0, i]
                out[stem_index, begin + i, 1] = work[stem_index, 1, i]


@entry(nogil=True)
def _ceiling_process(audio: Float32, gain: np.float32, settings: Records, state: Records, mix: Float32) -> None:
    """Multiply `audio` (quanta × 480, 2) by `gain` and limit it, in place; `mix` (2, 480) is overwritten."""
    frames = mix.shape[1]
    for begin in range(0, audio.shape[0], frames):
        for i in range(frames):
            mix[0, i] = audio[begin + i, 0] * gain
            mix[1, i] = audio[begin + i, 1] * gain
        limiter_process(mix, settings[0], state[0])
        for i in range(frames):
            audio[begin + i, 0] = mix[0, i]
            audio[begin + i, 1] = mix[1, i]


class StemChain(Chain):
    """The stages of one preset before the limiter, for each stem by itself; start it together with the mix's chain.

    Parameters
    ----------
    mapper : Mapper
        As for the chain.
    """

    def __init__(self, mapper: Mapper) -> None:
        super().__init__(mapper)
        num_backends = len(mapper.backends)
        self._stem_eq_state = np.stack([make_eq_state(len(self._eq)) for _ in range(num_backends)])
        self._work = np.zeros((num_backends + len(BUS_STEMS), 2, QUANTUM_FRAMES), np.float32)
        self._gain = np.ones((1, QUANTUM_FRAMES), np.float32)

    def split(self, dry: Float32) -> Float32:
        """Split dry buses (quanta, backends + 2, quantum frames), which are used up, into stems.

        Returns
        -------
        float32 array (backends + 3, frames, 2)
            Backends, gauges, signals, what comes back from the reverb. The mix is later by `LIMITER_LATENCY_FRAMES`.
        """
        out = np.empty((len(self._work), len(dry) * QUANTUM_FRAMES, 2), np.float32)
        _stems_process(
            dry,
            self._pan,
            self._bus_of_eq,
            self._bus_eq,
            self._bus_eq_state,
            self._eq,
            self._stem_eq_state,
            self._settings,
            self._state,
            self._work,
            self._gain,
            out,
        )
        return out


class Ceiling:
    """A gain, and a limiter behind it, for a stream of any sample rate.

    Parameters
    ----------
    ceiling_dbtp : float
        True peak that is never passed.
    gain : float
        Linear.
    """

    def __init__(self, ceiling_dbtp: float, gain: float = 1.0) -> None:
        self._gain = np.float32(gain)
        self._settings = pack(LimiterSettings(ceiling_dbtp))
        self._state = pack(make_limiter_state())
        self._mix = np.zeros((2, QUANTUM_FRAMES), np.float32)

    @property
    def gain_reduction_db(self) -> float:
        """What the limiter took away at most in the last call, from 0 dB up."""
        return max(-float(self._state["gain_reduction_db"][0, 0]), 0.0)

    def process(self, audio: Float32) -> Float32:
        """Limit whole quanta, shape (frames, 2); they come out `LIMITER_LATENCY_FRAMES` later."""
        out = np.ascontiguousarray(audio, dtype=np.float32).copy()
        _ceiling_process(out, self._gain, self._settings, self._state, self._mix)
        return out
