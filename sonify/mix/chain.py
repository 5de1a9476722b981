"""The chain: buses are filtered and panned, then EQ, compressor, reverb and limiter follow; one compiled call.

The last two buses are gauges, which join behind the compressor, and signals, which join before the limiter: load that
presses the voices down cannot press the queue's pulse away, and no tuning filter can hide that a source is lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.dsp.quantum import QUANTUM_FRAMES
from sonify.dsp.record import pack
from sonify.errors import PresetError
from sonify.kernel import entry, kernel
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Compressor, Eq
from sonify.mapping.schema import suggest
from sonify.mix.compressor import CompressorSettings, CompressorState, compressor_process, make_compressor_state
from sonify.mix.eq import eq_process, make_eq_settings, make_eq_state
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
Records = NDArray[np.void]

LATENCY_FRAMES = LIMITER_LATENCY_FRAMES
_ABSURD = np.float32(1e4)  # +80 dBFS: nothing that a voice can make
_CENTRE = np.float32(1.0)
_MIX_ITSELF = -1
_STEEPEST = 0.99  # slope of a compressor that is turned up as far as it goes: a ratio of 100
_WIDEST_EQ_DB = 40.0
_FILTERS_WITHOUT_GAIN = ("notch", "low pass", "high pass")


class ChainSettings(NamedTuple):
    """Targets of the stages behind the EQ; `sidechain` backend that drives the compressor, −1 for the mix itself."""

    sidechain: int
    compressor: CompressorSettings
    reverb: ReverbSettings
    limiter: LimiterSettings


class ChainState(NamedTuple):
    """State of the stages behind the EQ."""

    compressor: CompressorState
    reverb: ReverbState
    limiter: LimiterState


@kernel
def _guard(bus: Float32) -> None:
    """Replace what is not a number, or absurd, by silence: a filter would remember it for ever."""
    for i in range(bus.shape[0]):
        bus[i] = bus[i] if abs(bus[i]) < _ABSURD else np.float32(0.0)


@kernel
def _add_panned(bus: Float32, left_gain: np.float32, right_gain: np.float32, mix: Float32) -> None:
    left, right = mix[0], mix[1]
    for i in range(bus.shape[0]):
        left[i] += left_gain * bus[i]
        right[i] += right_gain * bus[i]


@entry(nogil=True)
def _chain_process(
    dry: Float32,
    pan: Float32,
    bus_of_eq: NDArray[np.int64],
    bus_eq: Records,
    bus_eq_state: Records,
    eq: Records,
    eq_state: Records,
    all_settings: Records,
    all_state: Records,
    mix: Float32,
    out: Float32,
) -> None:
    """Mix dry buses (quanta, backends + 2, quantum), which are used up, into `out` (quanta × quantum, 2).

    `pan` (backends, 2) gains; `bus_of_eq` backend of each of the eq bands in `bus_eq`; `eq` those of the whole mix;
    `all_settings` and `all_state` (1,) a `ChainSettings` and a `ChainState`; `mix` (2, quantum) is overwritten.
    """
    num_quanta, num_buses, frames = dry.shape
    num_backends = num_buses - 2
    settings, state = all_settings[0], all_state[0]
    for q in range(num_quanta):
        buses = dry[q]
        for bus in range(num_buses):
            _guard(buses[bus])
        for k in range(len(bus_of_eq)):
            bus = bus_of_eq[k]
            eq_process(buses[bus : bus + 1], bus_eq[k : k + 1], bus_eq_state[k : k + 1])
        mix[:] = np.float32(0.0)
        for backend in range(num_backends):
            _add_panned(buses[backend], pan[backend, 0], pan[backend, 1], mix)
        eq_process(mix, eq, eq_state)
        if settings.sidechain < 0:
            compressor_process(mix, mix, settings.compressor, state.compressor)
        else:
            key = buses[settings.sidechain : settings.sidechain + 1]
            compressor_process(mix, key, settings.compressor, state.compressor)
        _add_panned(buses[num_backends], _CENTRE, _CENTRE, mix)
        reverb_process(mix, mix, settings.reverb, state.reverb)
        _add_panned(buses[num_backends + 1], _CENTRE, _CENTRE, mix)
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
        self._pan = pan_gains(len(mapper.backends), preset.motion.width)
        self._bus_of_eq = np.array(buses, np.int64)
        self._bus_eq, self._bus_eq_state = _eq_settings(single, mapper), make_eq_state(len(single))
        self._eq, self._eq_state = _eq_settings(whole, mapper), make_eq_state(len(whole))
        self._settings = pack(
            ChainSettings(
                sidechain=sidechain,
                compressor=_compressor_settings(preset.compressor, mapper),
                reverb=ReverbSettings(
                    preset.reverb.decay, preset.reverb.size, preset.reverb.damping, preset.reverb.mix
                ),
                limiter=LimiterSettings(preset.limiter.ceiling),
            )
        )
        self._state = pack(
            ChainState(
                compressor=make_compressor_state(),
                reverb=make_reverb_state(),
                limiter=make_limiter_state(),
            )
        )
        self._mix = np.zeros((2, QUANTUM_FRAMES), np.float32)

    @property
    def gain_reduction_db(self) -> float:
        """What the compressor takes away just now, from 0 dB up."""
        return max(-float(self._state["compressor"]["gain_reduction_db"][0, 0]), 0.0)

    def set_amounts(self, *, eq: float, compressor: float, reverb: float, trim_db: float) -> None:
        """Turn the tuning filters up or down; they glide there.

        Parameters
        ----------
        eq, compressor, reverb : float
            1 as the preset has it, 0 off: factor of the EQ's gains in dB, of the slope of the compressor over its
            threshold and of its makeup, and of the reverb's wet gain. Filters that pass or stop have no gain to scale:
            they are on, or at 0 off.
        trim_db : float
            Added behind the compressor, so that the limiter holds the ceiling; the caller trims gauges and signals.
        """
        preset = self._mapper.preset
        bands = [_scaled_eq(band, eq) for band in preset.eq]
        self._eq = _eq_settings([band for band in bands if not band.backend], self._mapper)
        self._bus_eq = _eq_settings([band for band in bands if band.backend], self._mapper)
        own = self._settings["compressor"][0]
        slope = min((1.0 - 1.0 / max(preset.compressor.ratio, 1.0)) * compressor, _STEEPEST)
        # the preset's own numbers where the amount is 1: no rounding may tell a live render from an offline one
        own["ratio"] = preset.compressor.ratio if compressor == 1.0 else 1.0 / (1.0 - slope)
        own["makeup_db"] = preset.compressor.makeup * compressor + trim_db
        self._settings["reverb"]["mix"][0] = min(preset.reverb.mix * reverb, 1.0)

    def tune_eq(self, eq_bands: list[Eq]) -> None:
        """Move the EQ bands of the whole mix, as many as the preset has; they glide there."""
        if len(eq_bands) != len(self._eq):
            raise ValueError(f"{len(self._eq)} EQ bands cannot become {len(eq_bands)}")
        self._eq = _eq_settings(eq_bands, self._mapper)

    def process(self, dry: Float32) -> Float32:
        """Mix dry buses (quanta, backends + 2, quantum frames), which are used up; audio (frames, 2)."""
        out = np.empty((len(dry) * QUANTUM_FRAMES, 2), np.float32)
        _chain_process(
            dry,
            self._pan,
            self._bus_of_eq,
            self._bus_eq,
            self._bus_eq_state,
            self._eq,
            self._eq_state,
            self._settings,
            self._state,
            self._mix,
            out,
        )
        return out


def _bus(mapper: Mapper, backend: str, where: str) -> int:
    if backend not in mapper.backends:
        raise PresetError(
            f"sound preset {mapper.preset.name}: {where}: no such backend{suggest(backend, list(mapper.backends))}"
        )
    return mapper.backends.index(backend)


def _scaled_eq(band: Eq, amount: float) -> Eq:
    if band.shape in _FILTERS_WITHOUT_GAIN:
        return band if amount > 0.0 else replace(band, shape="bell", gain=0.0)
    return replace(band, gain=min(max(band.gain * amount, -_WIDEST_EQ_DB), _WIDEST_EQ_DB))


def _eq_settings(bands: list[Eq], mapper: Mapper) -> Records:
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
