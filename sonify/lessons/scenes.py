"""The scenes of the legend: a table of what is shown, each a caption and the metric frames that it is true of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sonify.lessons.example import Example, state_of, value_in
from sonify.mapping.mapper import OFF_DB
from sonify.metrics.frame import MetricFrame
from sonify.metrics.panels import State

__all__ = ["SCENES", "Scene", "Stage", "scenes_of", "value_text"]

_NO_GLITCHES: tuple[float, ...] = ()
_LATENCY_STAGES = 7


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One state of the service.

    Attributes
    ----------
    text : str
        What it is, for a caption; may be empty.
    frame : MetricFrame or None
        What the engine plays; None: the engine is stopped.
    length_s : float
        Wanted length.
    least_s : float
        It is never shorter.
    glitch_count : tuple of float
        Glitches in it, one number a backend; empty: none.
    """

    text: str
    frame: MetricFrame | None
    length_s: float
    least_s: float = 0.3
    glitch_count: tuple[float, ...] = _NO_GLITCHES


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Stages that show one thing.

    Attributes
    ----------
    name : str
        For programs.
    text : str
        What it shows: the caption, and what is spoken.
    stages : tuple of Stage
        In order.
    by_bars : bool
        Whether each stage lasts whole bars, also where nothing is sequenced.
    """

    name: str
    text: str
    stages: tuple[Stage, ...]
    by_bars: bool = False


def _healthy(example: Example, _brief: bool) -> Scene:
    recedes = example.preset.level.baseline_depth > 0.0
    text = "Healthy: what is normal stays in the background" if recedes else "Healthy"
    return Scene("healthy", text, (Stage("", example.healthy, 3.0, 2.0),))


def _backends(example: Example, _brief: bool) -> Scene:
    preset = example.preset
    turn = "one after the other" if preset.arrangement.mode == "sequenced" else ""
    place = "from left to right" if preset.motion.width > 0.0 else "all in one place"
    text = "Backends: " + ", ".join(part for part in (turn, place) if part)
    stages = (Stage(name, example.only(index, 2.0), 1.2) for index, name in enumerate(example.backends))
    return Scene("backends", text, tuple(stages))


def _panel_stages(
    example: Example, panel: str, length_s: float, *, brief: bool, per_backend: bool = True
) -> tuple[Stage, ...]:
    """Green, yellow and red, then normal again; where it must be brief, the normal state is all there is of green."""
    stages = []
    for state in (State.YELLOW, State.RED) if brief else (State.GREEN, State.YELLOW, State.RED):
        frame = example.with_panel(panel, value_in(example.preset.limits[panel], state))
        stages.append(Stage(_describe(example, panel, frame, per_backend=per_backend), frame, length_s, 1.0))
    return (*stages, _normal_again(example, panel, length_s))


def _normal_again(example: Example, panel: str, length_s: float) -> Stage:
    state = state_of(example.preset, panel, example.healthy)
    return Stage(f"normal again: {state.name.lower()}", example.healthy, length_s, 1.0)


def _traffic(example: Example, brief: bool) -> Scene:
    quiet = example.with_panel("request_rate", 0.1 * value_in(example.preset.limits["request_rate"], State.GREEN))
    first = Stage(_describe(example, "request_rate", quiet), quiet, 1.2, 1.0)
    stages = (first, *_panel_stages(example, "request_rate", 1.2, brief=brief))
    return Scene("traffic", "Traffic is level: from quiet to busy", stages)


def _latency(example: Example, _brief: bool) -> Scene:
    preset = example.preset
    limits, bands = preset.limits["latency_p95"], preset.bands
    lowest_s, highest_s = bands.latency_bands.centres_s[[0, -1]]
    through = [value_in(limits, state) for state in (State.GREEN, State.YELLOW, State.RED)]
    inside = sorted({value for value in through if lowest_s < value < highest_s}) or [(lowest_s * highest_s) ** 0.5]
    rest = _LATENCY_STAGES - 2 - len(inside)
    values = [
        *np.geomspace(lowest_s, inside[0], 2 + rest // 2)[:-1],
        *inside,
        *np.geomspace(inside[-1], highest_s, 2 + rest - rest // 2)[1:],
    ]
    stages = []
    for value in values:
        frame = example.with_panel("latency_p95", float(value), even_level=True)
        stages.append(Stage(_describe(example, "latency_p95", frame), frame, 0.8, 0.6))
    slow_is_high = preset.pitch.polarity == "slow is high"
    text = "Latency is pitch: " + ("fast is low, slow is high" if slow_is_high else "fast is high, slow is low")
    return Scene("latency", text, (*stages, _normal_again(example, "latency_p95", 1.2)))


def _fallbacks(example: Example, brief: bool) -> Scene:
    text = "Fallbacks are overtones: the sound gets brighter" + _off(example.preset.overtones.amount[-1][1] <= 0.0)
    return Scene("fallbacks", text, _panel_stages(example, "fallback_ratio", 1.2, brief=brief))


def _errors(example: Example, brief: bool) -> Scene:
    text = "Errors are roughness: a flutter" + _off(example.preset.roughness.depth[-1][1] <= 0.0)
    return Scene("errors", text, _panel_stages(example, "error_ratio", 1.2, brief=brief))


def _glitches(example: Example, brief: bool) -> Scene:
    """One glitch in one backend, then one in each, then several in each."""
    count = len(example.backends)
    counts: tuple[NDArray[np.float64], ...] = (np.eye(count)[0], np.ones(count), np.full(count, 3.0))
    shown = ("one", "one in each backend", "three in each backend")
    stages = _panel_stages(example, "glitch_rate", 1.3, brief=brief)
    told = (
        Stage(f"{stage.text}; {what} here", stage.frame, stage.length_s, stage.least_s, tuple(numbers))
        for stage, what, numbers in zip(stages[:-1], shown[-len(stages) + 1 :], counts[-len(stages) + 1 :], strict=True)
    )
    return Scene("glitches", "Glitches are bursts of noise, one each", (*told, stages[-1]))


def _queue(example: Example, brief: bool) -> Scene:
    text = "Queue depth is a pulse: deeper is quicker" + _off(example.preset.gauges.pulse_level <= OFF_DB)
    return Scene("queue", text, _panel_stages(example, "queue_depth", 1.6, brief=brief, per_backend=False))


def _active(example: Example, brief: bool) -> Scene:
    text = "Active requests are a bass tone: more is louder" + _off(example.preset.gauges.sub_level <= OFF_DB)
    return Scene("active", text, _panel_stages(example, "active_requests", 1.2, brief=brief, per_backend=False))


def _batches(example: Example, _brief: bool) -> Scene:
    edges = example.healthy.layout.batch_edges
    stages = []
    for band, (low, high) in enumerate(pairwise(edges)):
        sizes = f"{low:g} and more" if np.isinf(high) else f"{low:g} to {high - 1:g}"
        stages.append(Stage(f"batches of {sizes}", example.batches(band), 1.5))
    text = "Batch sizes are drums: small is high, large is low" + _off(example.preset.gauges.drum_level <= OFF_DB)
    return Scene("batches", text, tuple(stages), by_bars=True)


def _no_traffic(example: Example, _brief: bool) -> Scene:
    own_s, period_s = example.preset.freshness.pilot_period, example.played.freshness.pilot_period
    if example.preset.arrangement.mode == "sequenced":
        own_s = period_s = example.preset.arrangement.step  # there, a tick marks each step
    ticks = example.preset.freshness.pilot_level > OFF_DB
    text = "No traffic: only the tick" if ticks else "No traffic: silence, as this preset has no tick"
    least_s = period_s + 0.5 if ticks else 1.5
    return Scene(
        "no traffic", text + _rarer(own_s if ticks else 0.0, period_s), (Stage("", example.no_traffic(), 2.5, least_s),)
    )


def _stale(example: Example, _brief: bool) -> Scene:
    own_s, period_s = example.preset.freshness.stale_period, example.played.freshness.stale_period
    text = "Source lost: a falling motif repeats" + _rarer(own_s, period_s)
    return Scene("stale", text, (Stage("", example.stale(), 4.5, 1.5 * period_s),))  # so that it is heard to repeat


def _stopped(_example: Example, _brief: bool) -> Scene:
    return Scene("stopped", "Stopped: silence", (Stage("", None, 2.0, 1.5),))


SCENES: tuple[Callable[[Example, bool], Scene], ...] = (
    _healthy,
    _backends,
    _traffic,
    _latency,
    _fallbacks,
    _errors,
    _glitches,
    _queue,
    _active,
    _batches,
    _no_traffic,
    _stale,
    _stopped,
)


def scenes_of(example: Example, *, brief: bool = False) -> tuple[Scene, ...]:
    """All scenes, in order; brief where each stage takes long, as whole bars may."""
    return tuple(scene(example, brief) for scene in SCENES)


def value_text(panel: str, value: float) -> str:
    """Write a panel's value with its unit, for a person."""
    if panel == "latency_p95":
        return f"{value * 1000.0:.2g} ms" if value < 0.0995 else f"{value:.2g} s"
    if panel in ("error_ratio", "fallback_ratio"):
        return f"{100.0 * value:.2g} %"
    if panel in ("request_rate", "glitch_rate"):
        return f"{_short(value)}/s"
    return f"{value:.0f}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def _describe(example: Example, panel: str, frame: MetricFrame, *, per_backend: bool = True) -> str:
    values = frame.latency_quantile_s(0.95) if panel == "latency_p95" else getattr(frame, panel)
    state = state_of(example.preset, panel, frame)
    each = " per backend" if per_backend and panel in ("request_rate", "glitch_rate") else ""
    p95 = "p95 " if panel == "latency_p95" else ""
    return f"{p95}{value_text(panel, float(np.max(values)))}{each}: {state.name.lower()}"


def _rarer(own_s: float, period_s: float) -> str:
    return f", in earnest only every {own_s:g} s" if own_s > period_s else ""


def _off(off: bool) -> str:
    return ", but off in this preset" if off else ""
