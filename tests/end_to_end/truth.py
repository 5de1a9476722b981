"""Whether panels that came through a whole path agree with what the simulated service counted itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonify.metrics.bands import LatencyBands, quantile_s
from sonify.metrics.recording import Recording
from sonify.simulation.server import LiveSimulation, MetricsServer
from sonify.simulation.service import Simulation, Snapshot
from sonify.simulation.state import STATUSES

COUNT_TOLERANCE = 0.02
LEAST_COUNT = 2.0  # 2 % of few events is less than one
LEAST_FOR_QUANTILE = 50

_SERVER_ERRORS = [index for index, status in enumerate(STATUSES) if status.startswith("5")]


class HeldClock:
    """Seconds that pass only while it runs; it stands still at first.

    With it a burst of traffic lies between two stretches in which nothing happens, so that whatever window a reader
    takes its rates over, their sum over time is the number of events.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed_s = 0.0
        self._since_s: float | None = None

    def __call__(self) -> float:
        with self._lock:
            return self._passed_s + (0.0 if self._since_s is None else time.monotonic() - self._since_s)

    def run(self) -> None:
        with self._lock:
            self._since_s = time.monotonic() if self._since_s is None else self._since_s

    def skip(self, length_s: float) -> None:
        with self._lock:
            self._passed_s += length_s

    def hold(self) -> None:
        passed_s = self()
        with self._lock:
            self._passed_s, self._since_s = passed_s, None


class SimulatedService:
    """A simulated service on a held clock: `live` is what serves pages, `clock` is run and held by the test.

    It has counted for `head_start_s` (simulated s) already: counters from 0 are another matter, for Prometheus
    does not extrapolate their rate to before they began.
    """

    def __init__(self, scenario: str, *, speed: float, seed: int = 0, head_start_s: float = 60.0) -> None:
        self.simulation = Simulation(scenario, seed)
        self.clock = HeldClock()
        self.live = LiveSimulation(self.simulation, speed=speed, clock=self.clock)
        self.clock.skip(head_start_s / speed)
        self.address = ""

    @property
    def backends(self) -> tuple[str, ...]:
        return self.simulation.backends

    def snapshot(self) -> Snapshot:
        """What was counted up to now; exact while the clock is held."""
        self.live.page()
        return self.simulation.snapshot()


@contextmanager
def simulated_service(scenario: str, *, speed: float = 1.0, seed: int = 0) -> Iterator[SimulatedService]:
    """Serve a scenario as ``http://ADDRESS/metrics`` until the block ends; its clock is held at first."""
    service = SimulatedService(scenario, speed=speed, seed=seed)
    server = MetricsServer(("127.0.0.1", 0), service.live)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    service.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def totals(recording: Recording) -> dict[str, NDArray[np.float64]]:
    """Events of the whole recording by panel, shape (backends,), and latencies by band, shape (backends, bands)."""
    length_s = np.diff(recording.t, prepend=recording.t[0] - recording.layout.interval_s)[:, None]
    requests = recording.request_rate * length_s

    def total(column: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isfinite(column).any(axis=0), np.nansum(column, axis=0), np.nan)

    return {
        "requests": total(requests),
        # of no requests there is no share
        "errors": total(np.where(requests > 0.0, recording.error_ratio, 0.0) * requests),
        "fallbacks": total(np.where(requests > 0.0, recording.fallback_ratio, 0.0) * requests),
        "glitches": total(recording.glitch_rate * length_s),
        "latencies": total(recording.latency_rate * length_s[:, :, None]),
    }


def assert_agrees(
    recording: Recording,
    before: Snapshot,
    after: Snapshot,
    backends: Sequence[str],
    *,
    panels: Sequence[str] = ("requests", "errors", "fallbacks", "glitches", "latencies"),
    count_tolerance: float = COUNT_TOLERANCE,
    least_count: float = LEAST_COUNT,
) -> None:
    """Counts agree within 2 % (or `least_count` events, where they are few), p95 within one band.

    Parameters
    ----------
    recording : Recording
        Begins before the events that `after` counts and `before` does not, and ends after the last one left the
        window.
    before, after : Snapshot
        The simulation's own counters at both ends.
    backends : sequence of str
        Names of the simulation's backends, in its order.
    panels : sequence of str
        What is compared.
    """
    measured = totals(recording)
    answered = after.requests - before.requests
    bands = after.band_counts - before.band_counts
    truth = {
        "requests": answered.sum(axis=1),
        "errors": answered[:, _SERVER_ERRORS].sum(axis=1),
        "fallbacks": after.fallbacks - before.fallbacks,
        "glitches": after.glitches - before.glitches,
        "latencies": bands.sum(axis=1),
    }
    assert set(backends) <= set(recording.layout.backends)
    assert truth["requests"].sum() > 0
    edges_s, position = recording.layout.latency_edges_s, LatencyBands().position
    for index, backend in enumerate(backends):
        row = recording.layout.backends.index(backend)
        for panel in panels:
            found = float(measured[panel][row].sum())
            expected = float(truth[panel][index])
            off = abs(found - expected)
            assert off <= max(count_tolerance * expected, least_count), (
                f"{panel} of {backend}: {found:.1f}, truly {expected:.0f}"
            )
        if "latencies" in panels and truth["latencies"][index] >= LEAST_FOR_QUANTILE:
            p95_s = float(quantile_s(measured["latencies"][row], edges_s, 0.95))
            true_p95_s = float(quantile_s(bands[index], LatencyBands().edges_s, 0.95))
            off_bands = abs(float(position(p95_s) - position(true_p95_s)))
            assert off_bands <= 1.0, (
                f"p95 of {backend}: {p95_s:.4g} s, truly {true_p95_s:.4g} s ({off_bands:.2f} bands)"
            )


def agrees_in_one_of(tries: int, measure: Callable[[Path], None], folder: Path) -> None:
    """Measure against the truth, and again where it does not agree: on a busy machine a poll may come too late.

    Parameters
    ----------
    tries : int
        How often at most.
    measure : callable
        Raises AssertionError where it does not agree; told a fresh folder.
    folder : Path
        Where the folders are made.
    """
    for attempt in range(tries):
        own = folder / f"try-{attempt}"
        own.mkdir()
        try:
            measure(own)
        except AssertionError:
            if attempt == tries - 1:
                raise
        else:
            return
