"""What a view shows: one frozen picture of the live engine, made many times a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State

__all__ = ["Snapshot", "SourceStatus"]

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source is. `problem` is empty while it is well; `lag_s` NaN while it has no data; ages by table, in s."""

    title: str
    problem: str
    lag_s: float
    panel_age_s: Mapping[str, float]
    is_stale: bool


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The live engine at one moment. Texts from sources and metrics are untrusted.

    Attributes
    ----------
    time_s : float
        Clock, Unix s.
    frame : MetricFrame
        What is playing; its `fresh` is False while nothing is known.
    panel_states : mapping of str to State
        State of each panel that has limits (with hysteresis, as it is heard); UNKNOWN where it is not measured.
    backend_states : tuple of State
        State of each backend's latency, in the frame's order.
    unacknowledged : tuple of str
        Panels in the red that nobody has acknowledged.
    backend_level_db : array (backends,)
        Peak level of each backend's dry bus since the snapshot before, dBFS, at least −120.
    audio : array (4096, 2)
        The newest frames that went to the outputs, 48 kHz.
    true_peak_dbtp : float
        Highest true peak since the start, dBTP; −inf before any sound.
    gain_reduction_db : float
        Of the compressor, from 0 up.
    preset : str
        Name of the sound preset; `preset_problem` says why the newest version of its file is not used.
    is_muted : bool
        All sound is off; `trim_db` is the level otherwise.
    soloed, muted : frozenset of str
        Backends.
    eq_amount, compressor_amount, reverb_amount : float
        1 as the preset has it, 0 off, at most 2.
    device : str
        Sound card, or empty; `device_problem` says why there is none.
    underruns : int
        Since the start; `callback_age_s` since the card last asked for audio, NaN without one.
    ring_s : float
        Audio that is ready ahead of the card.
    frame_to_ear_s : float
        From the newest frame's arrival to its sound at the card, NaN before there was any.
    render_load_ratio, cpu_ratio : float
        Share of real time that rendering takes, and of one core that the process takes.
    sources : tuple of SourceStatus
        As they were opened.
    notices : tuple of str
        What was said lately, newest last.
    """

    time_s: float
    frame: MetricFrame
    panel_states: Mapping[str, State]
    backend_states: tuple[State, ...]
    unacknowledged: tuple[str, ...]
    backend_level_db: Array
    audio: Float32
    true_peak_dbtp: float
    gain_reduction_db: float
    preset: str
    preset_problem: str
    is_muted: bool
    trim_db: float
    soloed: frozenset[str]
    muted: frozenset[str]
    eq_amount: float
    compressor_amount: float
    reverb_amount: float
    device: str
    device_problem: str
    underruns: int
    callback_age_s: float
    ring_s: float
    frame_to_ear_s: float
    render_load_ratio: float
    cpu_ratio: float
    sources: tuple[SourceStatus, ...] = ()
    notices: tuple[str, ...] = field(default=())
