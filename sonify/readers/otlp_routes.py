"""Which OTLP metrics a signals preset wants, and where each of their series goes."""

from __future__ import annotations

import math
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers.otlp_model import Attributes, Metric, Number, Point
from sonify.readers.otlp_names import labels_of, spellings, unit_s
from sonify.readers.otlp_series import Counted, Series
from sonify.readers.routes import Route, Router
from sonify.readers.signals import Signals

__all__ = ["MAX_METRICS", "Kind", "OtlpRouter", "Routed"]

MAX_METRICS = 20_000  # different ones


class Kind(NamedTuple):
    """What tells one metric from another, whoever sends it."""

    name: str
    unit: str
    kind: str
    is_monotonic: bool

    @classmethod
    def of(cls, metric: Metric) -> Kind:
        """Kind of a metric."""
        return cls(metric.name, metric.unit, metric.kind, metric.is_monotonic)


class Routed:
    """A series, and where it goes.

    Attributes
    ----------
    routes : tuple of (Route, str)
        Each with what it takes of the metric: ``value``, ``bucket``, ``count`` or ``sum``.
    counts : bool
        Whether any of them counts.
    is_level : bool
        Whether it is part of a gauge that is set.
    level, level_s : float
        Where that gauge stands, and since when, on the monotonic clock; NaN before.
    """

    __slots__ = ("_memory", "_time_ns", "counts", "is_level", "level", "level_s", "routes")

    def __init__(self, routes: tuple[tuple[Route, str], ...]) -> None:
        self.routes = routes
        self.counts = any(route.part not in ("gauge", "mean") for route, _ in routes)
        self.is_level = any(route.part == "gauge" for route, _ in routes)
        self.level = self.level_s = math.nan
        self._time_ns = (0, 0)
        self._memory = Series()

    def set_level(self, metric: Metric, point: Number, now_s: float) -> bool:
        """Note where a number stands; False where the point is old or, of a counter, is no number."""
        times_ns = (point.start_ns, point.time_ns)
        is_old = times_ns == self._time_ns if metric.temporality == "delta" else point.time_ns < self._time_ns[1]
        if is_old or (self.counts and not math.isfinite(point.value)):
            return False
        self._time_ns = times_ns
        adds = metric.temporality == "delta" and not math.isnan(self.level)
        self.level = self.level + point.value if adds else point.value
        self.level_s = now_s
        return True

    def count(self, metric: Metric, point: Point, from_zero_ns: float) -> Counted | None:
        """Say what was counted since the point before; see `Series.advance`."""
        if metric.temporality != "delta":
            return self._memory.advance(point, from_zero_ns=from_zero_ns)
        if isinstance(point, Number):
            return Counted(point, _covered_ns(point)) if point.value >= 0.0 else None
        times_ns = (point.start_ns, point.time_ns)
        if times_ns == self._time_ns:
            return None  # a copy: it was sent again
        self._time_ns = times_ns
        return Counted(point, _covered_ns(point))


def _covered_ns(point: Point) -> int:
    return max(point.time_ns - point.start_ns, 0) if point.start_ns else 0


class OtlpRouter:
    """Matches the names of a signals preset, as Prometheus or OpenTelemetry spells them, with metrics as they come.

    Parameters
    ----------
    signals : Signals or None
        None: chosen by the names that come (``auto``), and anew as long as none fits.

    Attributes
    ----------
    signals : Signals or None
        The preset; None while none was chosen.
    problem : str
        Why nothing is wanted; empty while something is, or before anything came.
    said : str
        What was chosen; empty before.
    generation : int
        Rises when series may go elsewhere than before.
    chosen : dict of str to str
        Name taken for each table.
    """

    def __init__(self, signals: Signals | None) -> None:
        self.signals = signals
        self._is_auto = signals is None
        self.problem = ""
        self.said = ""
        self.generation = 0
        self.chosen: dict[str, str] = {}
        self._spellings: dict[Kind, dict[str, str]] = {}
        self._wanted: dict[Kind, tuple[tuple[str, str], ...]] = {}
        self._router: Router | None = None
        self.num_refused = 0

    def learn(self, metrics: list[Metric]) -> None:
        """Take notice of metrics that were not there before."""
        fresh = False
        for metric in metrics:
            kind = Kind.of(metric)
            if kind not in self._spellings:
                if len(self._spellings) >= MAX_METRICS:
                    self.num_refused += 1
                    continue
                self._spellings[kind] = spellings(kind.name, kind.unit, kind.kind, is_monotonic=kind.is_monotonic)
                fresh = True
        if fresh:
            self._choose()

    def _choose(self) -> None:
        names = {name for found in self._spellings.values() for name in found}
        if self._is_auto and not self.chosen:
            self._choose_signals(names)
        if self.signals is None:
            return
        router = Router(self.signals, names)
        if not router.chosen and not self._is_auto:
            kinds = len(self._spellings)
            self.problem = f"none of the {kinds} metrics that arrive is of the signals preset {self.signals.name}"
        if router.chosen:
            self.problem = ""
        if any(router.chosen.get(table) != name for table, name in self.chosen.items()):
            self.generation += 1  # a panel that is new changes nothing for the others
        self._router, self.chosen = router, router.chosen
        self._wanted = {
            kind: wanted
            for kind, found in self._spellings.items()
            if (wanted := tuple((name, part) for name, part in found.items() if router.wants(name)))
        }

    def _choose_signals(self, names: set[str]) -> None:
        from sonify.readers.auto_signals import choose_signals

        try:
            choice = choose_signals(names)
        except ReaderError as error:
            self.problem = str(error)
            return
        self.signals, self.said, self.problem = choice.signals, choice.said, ""

    def wants(self, metric: Metric) -> bool:
        """Whether points of this metric go anywhere."""
        return Kind.of(metric) in self._wanted

    def of(self, metric: Metric, attributes: Attributes) -> Routed:
        """Where a series goes; worth keeping."""
        if self._router is None:
            return Routed(())
        labels = labels_of(attributes, metric.resource)
        wanted = self._wanted.get(Kind.of(metric), ())
        # two spellings of one name must not count twice
        routes = dict.fromkeys((route, part) for name, part in wanted for route in self._router.of(name, labels))
        return Routed(tuple(routes))

    def unit_s(self, metric: Metric) -> float:
        """Seconds in one unit of a latency: what OTLP says, or else the preset."""
        told = unit_s(metric.unit)
        if told is not None:
            return told
        latency = self.signals.latency if self.signals else None
        return latency.unit_s if latency else 1.0
