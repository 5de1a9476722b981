"""``sim:SCENARIO``: recordings of the simulated service."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from threading import Event
from urllib.parse import parse_qsl

import numpy as np

from sonify.errors import ReaderError, UsageError
from sonify.metrics.frame import Layout
from sonify.metrics.recording import Recording
from sonify.readers.panel_ages import PanelAges
from sonify.readers.panel_window import PanelWindow
from sonify.readers.source import Update
from sonify.simulation.scenarios import Scenario, find_scenario
from sonify.simulation.service import Simulation, Snapshot
from sonify.simulation.state import MAX_BATCH, STATUSES
from sonify.units import parse_duration_s, parse_time_s

__all__ = ["END_S", "SimulationSource", "open_simulation", "open_simulation_source", "simulate_recording"]

END_S = 1767614400.0  # 2026-01-05T12:00:00Z: where a recording ends that is not told when, so that it can be made again
BATCH_EDGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
MAX_FRAMES = 1_000_000
LIVE_INTERVAL_S = 1.0
LIVE_WINDOW_S = 4.0  # as of the other sources that are followed
_SERVER_ERRORS = [index for index, status in enumerate(STATUSES) if status.startswith("5")]
_OPTIONS = "duration=15m interval=5s seed=0 start=2026-01-05T09:00:00Z"


def simulate_recording(
    scenario: str | Scenario,
    *,
    duration_s: float | None = None,
    interval_s: float | None = None,
    seed: int = 0,
    start_s: float | None = None,
    on_compile: Callable[[str], None] | None = None,
) -> Recording:
    """Run a scenario, and record it as a reader would that scrapes it once an interval.

    Parameters
    ----------
    scenario : str or Scenario
        What runs, or its name.
    duration_s, interval_s : float, optional
        Length of the recording and of a frame in s; the scenario's own by default.
    seed : int
        Of all randomness: the same arguments give the same recording.
    start_s : float, optional
        Where simulated time 0 lies, Unix s; by default so that the recording ends at `END_S`.
    on_compile : callable, optional
        See `Simulation`.

    Returns
    -------
    Recording
        On the default `LatencyBands`, exactly: latencies are counted on them, never re-bucketed. A frame is stale
        while the source is lost; the first frame after has gauges, but no rates.

    Raises
    ------
    ReaderError
        No such scenario, or a length that makes no frame or too many.
    """
    found = find_scenario(scenario) if isinstance(scenario, str) else scenario
    interval_s = found.interval_s if interval_s is None else interval_s
    duration_s = found.duration_s if duration_s is None else duration_s
    if not (0.0 < interval_s < math.inf and 0.0 < duration_s < math.inf):
        raise ReaderError(f"sim:{found.name}: duration {duration_s} s and interval {interval_s} s must both be over 0")
    num_frames = (
        math.floor(duration_s / interval_s + 1e-9) if duration_s / interval_s < 2 * MAX_FRAMES else 2 * MAX_FRAMES
    )
    if not 1 <= num_frames <= MAX_FRAMES:
        raise ReaderError(
            f"sim:{found.name}: a duration of {duration_s:g} s at an interval of {interval_s:g} s makes "
            f"{'no frame' if num_frames < 1 else 'too many frames'}; allowed: 1 to {MAX_FRAMES}"
        )
    simulation = Simulation(found, seed, on_compile=on_compile)
    start_s = END_S - num_frames * interval_s if start_s is None else start_s
    return _record(simulation, num_frames, interval_s, start_s)


def _record(simulation: Simulation, num_frames: int, interval_s: float, start_s: float) -> Recording:
    layout = Layout(interval_s, simulation.backends, simulation.bands.edges_s, np.asarray(BATCH_EDGES))
    columns = _Columns(layout, num_frames)
    before, was_lost = simulation.snapshot(), False
    for index in range(num_frames):
        simulation.advance((index + 1) * interval_s)
        after, is_lost = simulation.snapshot(), simulation.source_is_lost()
        if not is_lost:
            columns.write_gauges(index, after)
            if not was_lost:
                columns.write_rates(index, before, after)
        before, was_lost = after, is_lost
    return Recording(
        layout=layout,
        source=f"sim:{simulation.scenario.name}?seed={simulation.seed} (simulated)",
        events=tuple(sorted(simulation.events(start_s), key=lambda event: event.t)),
        t=np.asarray(start_s + interval_s * np.arange(1, num_frames + 1), dtype=np.float64),
        request_rate=columns.request_rate,
        error_ratio=columns.error_ratio,
        fallback_ratio=columns.fallback_ratio,
        glitch_rate=columns.glitch_rate,
        latency_rate=columns.latency_rate,
        batch_rate=columns.batch_rate,
        queue_depth=columns.queue_depth,
        active_requests=columns.active_requests,
        fresh=columns.fresh,
    )


class _Columns:
    """Columns of a recording that fill up frame by frame; what is never written stays not measured."""

    def __init__(self, layout: Layout, num_frames: int) -> None:
        shape = (num_frames, layout.num_backends)
        self._interval_s = layout.interval_s
        self.request_rate = np.full(shape, np.nan)
        self.error_ratio = np.full(shape, np.nan)
        self.fallback_ratio = np.full(shape, np.nan)
        self.glitch_rate = np.full(shape, np.nan)
        self.latency_rate = np.full((*shape, layout.num_latency_bands), np.nan)
        self.batch_rate = np.full((num_frames, layout.num_batch_bands), np.nan)
        self.queue_depth = np.full(num_frames, np.nan)
        self.active_requests = np.full(num_frames, np.nan)
        self.fresh = np.zeros(num_frames, dtype=np.bool_)
        self._batch_starts = np.searchsorted(np.arange(MAX_BATCH + 1), layout.batch_edges[:-1])

    def write_gauges(self, index: int, now: Snapshot) -> None:
        """Write what is known from one look."""
        self.queue_depth[index] = now.queue_depth
        self.active_requests[index] = now.active_requests
        self.fresh[index] = True

    def write_rates(self, index: int, before: Snapshot, after: Snapshot) -> None:
        """Write what two looks tell. The error ratio of no requests is 0: nothing was asked, and nothing failed."""
        answered = after.requests - before.requests
        requests = answered.sum(axis=1)
        self.request_rate[index] = requests / self._interval_s
        self.error_ratio[index] = answered[:, _SERVER_ERRORS].sum(axis=1) / np.maximum(requests, 1)
        self.fallback_ratio[index] = (after.fallbacks - before.fallbacks) / np.maximum(requests, 1)
        self.glitch_rate[index] = (after.glitches - before.glitches) / self._interval_s
        self.latency_rate[index] = (after.band_counts - before.band_counts) / self._interval_s
        batches = after.batches - before.batches
        self.batch_rate[index] = np.add.reduceat(batches, self._batch_starts) / self._interval_s


@dataclass(frozen=True, slots=True)
class SimulationSource:
    """A scenario as a source of metrics.

    Attributes
    ----------
    scenario : str
        Its name.
    duration_s, interval_s, start_s : float or None
        As for `simulate_recording`.
    seed : int
        Of all randomness.
    speed : float
        Where it is followed: simulated s for each s of the clock.
    warnings : list of str
        Always empty: a simulation is sure of itself.
    """

    scenario: str
    duration_s: float | None = None
    interval_s: float | None = None
    start_s: float | None = None
    seed: int = 0
    speed: float = 1.0
    warnings: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What it is called where a person watches."""
        return f"sim:{self.scenario}"

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Simulate the whole, and keep the frames in range (Unix s)."""
        recording = simulate_recording(
            self.scenario,
            duration_s=self.duration_s,
            interval_s=self.interval_s,
            seed=self.seed,
            start_s=self.start_s,
            on_compile=lambda line: print(line, file=sys.stderr, flush=True),
        )
        kept = recording.between(since_s, until_s)
        if not len(kept):
            raise ReaderError(
                f"sim:{self.scenario}: no frame between --since and --until; "
                f"it covers {recording.start_s:.0f} to {recording.end_s:.0f} (Unix seconds; start= moves it)"
            )
        return kept

    def follow(self, stop: Event) -> Iterator[Update]:
        """Run the scenario in the clock's time; see `Source`.

        A frame comes each `interval_s` (1 s by default), with rates over the last `LIVE_WINDOW_S` of the clock. At
        another speed a frame's interval, and the steps of its time, are in simulated s. After its natural length a
        scenario goes on in the next cycle, where its faults may come again; with a `duration_s` it ends there.
        """
        simulation = Simulation(
            self.scenario, self.seed, on_compile=lambda line: print(line, file=sys.stderr, flush=True)
        )
        interval_s = LIVE_INTERVAL_S if self.interval_s is None else self.interval_s
        step_s = interval_s * self.speed
        window = PanelWindow(
            interval_s=step_s,
            window_s=LIVE_WINDOW_S * self.speed,
            bands=simulation.bands,
            order=lambda _names: simulation.backends,
        )
        ages, before = PanelAges(), simulation.snapshot()
        begin_s, start_t = time.monotonic(), time.time()
        end_s = math.inf if self.duration_s is None else self.duration_s
        index = 1
        while index * step_s <= end_s * (1.0 + 1e-9):
            if stop.wait(max(begin_s + index * interval_s - time.monotonic(), 0.0)):
                return
            simulation.advance(index * step_s)
            after, t = simulation.snapshot(), start_t + index * step_s
            _gather(window, simulation.backends, before, after)
            is_lost = simulation.source_is_lost()
            frame = window.skip(t) if is_lost else window.frame(t)
            yield Update(frame, 0.0, ages.of(frame), "the simulation lost its source" if is_lost else "")
            before, index = after, index + 1


def _gather(window: PanelWindow, backends: tuple[str, ...], before: Snapshot, after: Snapshot) -> None:
    """Count what happened between two looks."""
    answered = after.requests - before.requests
    for row, name in enumerate(backends):
        window.add_count("requests", name, float(answered[row].sum()))
        window.add_count("errors", name, float(answered[row, _SERVER_ERRORS].sum()))
        window.add_count("fallbacks", name, float(after.fallbacks[row] - before.fallbacks[row]))
        window.add_count("glitches", name, float(after.glitches[row] - before.glitches[row]))
        window.add_latencies(name, (after.band_counts[row] - before.band_counts[row]).astype(np.float64))
    starts = np.searchsorted(np.arange(MAX_BATCH + 1), BATCH_EDGES[:-1])
    batches = np.add.reduceat(after.batches - before.batches, starts).astype(np.float64)
    window.add_batches(batches, np.asarray(BATCH_EDGES))
    window.set_gauge("queue", float(after.queue_depth))
    window.set_gauge("active", float(after.active_requests))


def open_simulation(spec: str) -> SimulationSource:
    """Open ``sim:incident`` or ``sim:incident?duration=24h&interval=60s&seed=7``.

    Raises
    ------
    ReaderError
        No such scenario, or an option that is not known or not readable; the message lists what is allowed.
    """
    name, _, query = spec.removeprefix("sim:").partition("?")
    find_scenario(name)
    values: dict[str, float | None] = {"duration": None, "interval": None, "start": None}
    seed = 0
    # a plus is a plus here (2026-01-05T09:00:00+01:00), not a space as in a web form
    for key, text in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
        try:
            if key == "seed":
                seed = int(text)
            elif key == "start":
                values[key] = parse_time_s(text, END_S)
            elif key in values:
                values[key] = parse_duration_s(text)
            else:
                raise ReaderError(f"{spec}: {key!r} is not an option; allowed: {_OPTIONS}")
        except UsageError as error:
            raise ReaderError(f"{spec}: {key}: {error}") from None
        except ValueError:
            raise ReaderError(f"{spec}: {key}: {text!r} is not a whole number") from None
    return SimulationSource(name, values["duration"], values["interval"], values["start"], seed)


def open_simulation_source(
    spec: str, _signals: str, *, interval_s: float | None = None, speed: float = 1.0
) -> SimulationSource:
    """Open a spec for the registry of sources; the simulation needs no signals preset."""
    source = open_simulation(spec)
    return replace(source, interval_s=source.interval_s if interval_s is None else interval_s, speed=speed)
