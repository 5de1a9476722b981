"""The chain: buses are filtered and panned, then EQ, compressor, reverb and limiter follow; one compiled call.

The last two buses are gauges, which join before the EQ, and signals, which join before the limiter: no tuning filter
can hide that a source is lost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.errors import PresetError
from sonify.kernel import entry, kernel
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Compressor, Eq
from sonify.mapping.schema import suggest
from sonify.mix.compressor import CompressorSettings, CompressorState, compressor_process, make_compressor_state
from sonify.mix.eq import EqSettings, EqState, eq_process, make_eq_settings, make_eq_state
from sonify.mix.limiter import (
    LIMITER_LATENCY_FRAMES,
    LimiterSettings,
    LimiterState,
    limiter_process,
    make_limiter_state,
)
from sonify.mix.reverb import ReverbSettings, ReverbState, make_reverb_state, reverb_process
from sonify.units import parse_quantity

__all__ = ["LATENCY_FRAMES", "Chain", "ChainSettings", "ChainState", "pan_gains"]

Float32 = NDArray[np.float32]

LATENCY_FRAMES = LIMITER_LATENCY_FRAMES
_ABSURD = np.float32(1e4)  # +80 dBFS: nothing that a voice can make
_MIX_ITSELF = -1


class ChainSettings(NamedTuple):
    """Targets of all stages; B backends, K EQ bands on single backends.

    `pan` (B, 2) gains, `bus_of_eq` (K,) backend of each of the bands in `bus_eq`, `eq` bands of the whole mix,
    `sidechain` (1,) backend that drives the compressor, −1 for the mix itself.
    """

    pan: Float32
    bus_of_eq: NDArray[np.int64]
    bus_eq: EqSettings
    eq: EqSettings
    sidechain: NDArray[np.int64]
    compressor: CompressorSettings
    reverb: ReverbSettings
    limiter: LimiterSettings


class ChainState(NamedTuple):
    """State of all stages; `bus_eq` holds K one-band equalisers, its `started` has K elements."""

    bus_eq: EqState
    eq: EqState
    compressor: CompressorState
    reverb: ReverbState
    limiter: LimiterState


@kernel
def _guard(buses: Float32) -> None:
    """Replace what is not a number, or absurd, by silence: a filter would remember it for ever."""
    flat = buses.ravel()
    for i in range(flat.shape[0]):
        flat[i] = flat[i] if abs(flat[i]) < _ABSURD else np.float32(0.0)


@kernel
def _add_panned(bus: Float32, gains: Float32, mix: Float32) -> None:
    left, right = mix[0], mix[1]
    for i in range(bus.shape[0]):
        left[i] += gains[0] * bus[i]
        right[i] += gains[1] * bus[i]


@kernel
def _add_centre(bus: Float32, mix: Float32) -> None:
    for i in range(bus.shape[0]):
        mix[0, i] += bus[i]
        mix[1, i] += bus[i]


@entry(nogil=True)
def _chain_process(dry: Float32, settings: ChainSettings, state: ChainState, out: Float32) -> None:
    """Mix dry buses (quanta, backends + 2, quantum), which are used up, into `out` (quanta × quantum, 2)."""
    num_quanta, num_buses, frames = dry.shape
    num_backends = num_buses - 2
    mix = np.empty((2, frames), np.float32)
    send = np.empty((2, frames), np.float32)
    for q in range(num_quanta):
        buses = dry[q]
        _guard(buses)
        for k in range(settings.bus_of_eq.shape[0]):
            bus = settings.bus_of_eq[k]
            one = slice(k, k + 1)
            eq_process(
                buses[bus : bus + 1],
                EqSettings(
                    settings.bus_eq.shape[one],
                    settings.bus_eq.freq_hz[one],
                    settings.bus_eq.gain_db[one],
                    settings.bus_eq.q[one],
                ),
                EqState(
                    state.bus_eq.started[one],
                    state.bus_eq.shape[one],
                    state.bus_eq.value[one],
                    state.bus_eq.coefficients[one],
                    state.bus_eq.memory[one],
                ),
            )
        mix[:] = np.float32(0.0)
        for backend in range(num_backends):
            _add_panned(buses[backend], settings.pan[backend], mix)
        _add_centre(buses[num_backends], mix)
        eq_process(mix, settings.eq, state.eq)
        if settings.sidechain[0] < 0:
            send[:] = mix
            compressor_process(mix, send, settings.compressor, state.compressor)
        else:
            bus = settings.sidechain[0]
            compressor_process(mix, buses[bus : bus + 1], settings.compressor, state.compressor)
        send[:] = mix
        reverb_process(send, mix, settings.reverb, state.reverb)
        _add_centre(buses[num_backends + 1], mix)
        limiter_process(mix, settings.limiter, state.limiter)
        begin = q * frames
        for i in range(frames):
            out[begin + i, 0] = mix[0, i]
            out[begin + i, 1] = mix[1, i]


def pan_gains(num_backends: int, width: float) -> Float32:
    """Constant-power pan of backends spread evenly from left to right, shape (backends, 2).

    A bus in the centre has a gain of 1 on both sides, so that one backend is as loud as its level says.
    """
    place = np.linspace(-width, width, num_backends) if num_backends > 1 else np.zeros(1)
    angle = (place + 1.0) * (np.pi / 4.0)
    return np.asarray(np.sqrt(2.0) * np.column_stack([np.cos(angle), np.sin(angle)]), dtype=np.float32)


class Chain:
    """All stages of one preset.

    Parameters
    ----------
    mapper : Mapper
        Translates latencies and rates of the tuning filters into frequencies and levels.

    Raises
    ------
    PresetError
        A filter names a backend that does not exist.
    """

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        preset = mapper.preset
        whole = [eq for eq in preset.eq if not eq.backend]
        single = [eq for eq in preset.eq if eq.backend]
        buses = [_bus(mapper, eq.backend, f'eq.backend = "{eq.backend}"') for eq in single]
        sidechain = _MIX_ITSELF
        if preset.compressor.sidechain:
            sidechain = _bus(
                mapper, preset.compressor.sidechain, f'compressor.sidechain = "{preset.compressor.sidechain}"'
            )
        self._settings = ChainSettings(
            pan=pan_gains(len(mapper.backends), preset.motion.width),
            bus_of_eq=np.array(buses, np.int64),
            bus_eq=_eq_settings(single, mapper),
            eq=_eq_settings(whole, mapper),
            sidechain=np.array([sidechain], np.int64),
            compressor=_compressor_settings(preset.compressor, mapper),
            reverb=ReverbSettings(preset.reverb.decay, preset.reverb.size, preset.reverb.damping, preset.reverb.mix),
            limiter=LimiterSettings(preset.limiter.ceiling),
        )
        bus_eq = make_eq_state(len(single), 1)
        self._state = ChainState(
            bus_eq=bus_eq._replace(started=np.zeros(len(single), np.int64)),
            eq=make_eq_state(len(whole), 2),
            compressor=make_compressor_state(),
            reverb=make_reverb_state(),
            limiter=make_limiter_state(),
        )

    def tune_eq(self, eq_bands: list[Eq]) -> None:
        """Move the EQ bands of the whole mix, as many as the preset has; they glide there."""
        settings = _eq_settings(eq_bands, self._mapper)
        if len(settings.freq_hz) != len(self._settings.eq.freq_hz):
            raise ValueError(f"{len(self._settings.eq.freq_hz)} EQ bands cannot become {len(settings.freq_hz)}")
        self._settings = self._settings._replace(eq=settings)

    def process(self, dry: Float32) -> Float32:
        """Mix dry buses (quanta, backends + 2, quantum frames), which are used up; audio (frames, 2)."""
        out = np.empty((len(dry) * QUANTUM_FRAMES, 2), np.float32)
        _chain_process(dry, self._settings, self._state, out)
        return out


def _bus(mapper: Mapper, backend: str, where: str) -> int:
    if backend not in mapper.backends:
        raise PresetError(
            f"sound preset {mapper.preset.name}: {where}: no such backend{suggest(backend, list(mapper.backends))}"
        )
    return mapper.backends.index(backend)


def _eq_settings(bands: list[Eq], mapper: Mapper) -> EqSettings:
    return make_eq_settings(
        [eq.shape.replace(" ", "_") for eq in bands],
        [_frequency_hz(eq.at, mapper) for eq in bands],
        [eq.gain for eq in bands],
        [eq.q for eq in bands],
    )


def _frequency_hz(at: float | str, mapper: Mapper) -> float:
    if isinstance(at, float):
        return at
    return mapper.frequency_hz_of_latency(parse_quantity(at, "s")[0])


def _compressor_settings(compressor: Compressor, mapper: Mapper) -> CompressorSettings:
    threshold = compressor.threshold
    return CompressorSettings(
        threshold_db=threshold
        if isinstance(threshold, float)
        else mapper.level_of_total_rate_db(parse_quantity(threshold, "1/s")[0]),
        ratio=compressor.ratio,
        knee_db=compressor.knee,
        attack_s=compressor.attack,
        release_s=compressor.release,
        makeup_db=compressor.makeup,
    )
