"""What a surface shows: one picture of the service and of the controls, without anything of a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import PANELS, Limits, State
from sonify.midi.surfaces.heat import Column

__all__ = ["STAGES", "TRIM_RANGE_DB", "Action", "Scene", "Strip", "strips_of"]

TRIM_RANGE_DB = (-40.0, 6.0)
STAGES = ("eq", "compressor", "reverb")  # the tuning filters, as surfaces order them
_LATENCY_LIMITS = next(Limits(panel.yellow, panel.red) for panel in PANELS if panel.name == "latency_p95")


class Strip(NamedTuple):
    """One backend. NaN is not measured.

    Attributes
    ----------
    name : str
        Untrusted.
    state : State
        Of its latency.
    p95_s, error_ratio, request_rate : float
        In s, 0–1, 1/s.
    level_db : float
        Peak of its bus, dBFS.
    trim_db : float
        What a person set.
    is_soloed, is_muted : bool
        Likewise.
    """

    name: str
    state: State = State.UNKNOWN
    p95_s: float = float("nan")
    error_ratio: float = float("nan")
    request_rate: float = float("nan")
    level_db: float = -120.0
    trim_db: float = 0.0
    is_soloed: bool = False
    is_muted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything at one moment.

    Attributes
    ----------
    time_s : float
        Any clock that only rises; texts that take turns use it.
    strips : tuple of Strip
        The backends, in order.
    panel_states : mapping of str to State
        By panel.
    unacknowledged : frozenset of str
        Panels in the red that nobody has acknowledged.
    heat : tuple of Column
        Latencies lately, oldest first.
    latency_limits : Limits
        Where the heatmap's colours change.
    is_fresh : bool
        False while the source is lost.
    is_muted : bool
        All sound is off.
    trim_db : float
        Level of everything.
    amounts : mapping of str to float
        Of each of `STAGES`, 0–2.
    """

    time_s: float = 0.0
    strips: tuple[Strip, ...] = ()
    panel_states: Mapping[str, State] = field(default_factory=dict)
    unacknowledged: frozenset[str] = frozenset()
    heat: tuple[Column, ...] = ()
    latency_limits: Limits = _LATENCY_LIMITS
    is_fresh: bool = True
    is_muted: bool = False
    trim_db: float = 0.0
    amounts: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 1.0))

    @property
    def worst(self) -> State:
        """Worst state of any panel."""
        return max(self.panel_states.values(), default=State.UNKNOWN)

    def is_heard(self, strip: Strip) -> bool:
        """Whether a backend sounds."""
        is_solo_on = any(one.is_soloed for one in self.strips)
        return not strip.is_muted and (strip.is_soloed or not is_solo_on) and not self.is_muted


class Action(NamedTuple):
    """What a person asked for.

    `kind` is one of ``trim`` (dB of the backend `target`), ``level`` (dB of everything), ``amount`` (of the stage
    `target`, 0–2), ``solo`` and ``mute`` (toggle the backend `target`), ``mute_all``, ``acknowledge`` and ``preset``
    (`value` steps).
    """

    kind: str
    target: str = ""
    value: float = 0.0


def strips_of(
    frame: MetricFrame,
    states: Iterable[State],
    levels_db: Iterable[float],
    *,
    trim_db: Mapping[str, float],
    soloed: frozenset[str],
    muted: frozenset[str],
) -> tuple[Strip, ...]:
    """Make the strips of a frame."""
    p95_s = frame.latency_quantile_s(0.95)
    rows = zip(frame.layout.backends, states, p95_s, frame.error_ratio, frame.request_rate, levels_db, strict=False)
    return tuple(
        Strip(
            name,
            State(int(state)),
            float(p95),
            float(errors),
            float(rate),
            float(np.nan_to_num(level_db, nan=-120.0)),
            trim_db.get(name, 0.0),
            name in soloed,
            name in muted,
        )
        for name, state, p95, errors, rate, level_db in rows
    )
