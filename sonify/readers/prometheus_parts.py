"""Which queries make the panels of a signals preset, given what the server has: one small aggregated query each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sonify.readers import promql
from sonify.readers.prometheus_discovery import COUNTER_TABLES, HISTOGRAM_TABLES, Found
from sonify.readers.signals import Signal, Signals

__all__ = ["Part", "choose_parts", "tag_parts"]


class Part(NamedTuple):
    """One query.

    Attributes
    ----------
    table : str
        Of the signals preset.
    kind : str
        ``count`` (a rate), ``gauge`` (a sum), ``buckets`` (rates by ``le`` or ``vmrange``), ``native`` (a native
        histogram), ``sum``, ``number`` and ``mean`` (of a latency that is told as an average), ``time`` (when the
        newest sample was taken, Unix s).
    name : str
        Series name.
    query : str
        PromQL.
    labels : tuple of str
        Labels that may name the backend; empty where there is one for all.
    sign : int
        −1 where it is taken away.
    """

    table: str
    kind: str
    name: str
    query: str
    labels: tuple[str, ...] = ()
    sign: int = 1

    @property
    def what(self) -> str:
        """What is asked for, in words."""
        words = {"time": "newest samples of", "gauge": "sum of", "mean": "average of"}.get(self.kind, "rate of")
        return f"{words} {self.table}" + (f" by {' or '.join(self.labels)}" if self.labels else "")


def tag_parts(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Give each query a tag; parts that ask the same share one."""
    by_query: dict[str, list[Part]] = {}
    for part in parts:
        by_query.setdefault(part.query, []).append(part)
    return {str(index): same for index, same in enumerate(by_query.values())}


def choose_parts(
    signals: Signals,
    found: Found,
    *,
    window_s: float,
    gauge_window_s: float | None = None,
    is_victoria: bool = False,
) -> tuple[Part, ...]:
    """Choose names and write queries.

    Parameters
    ----------
    signals : Signals
        The preset.
    found : Found
        What the server has.
    window_s : float
        What rates are taken over.
    gauge_window_s : float, optional
        What gauges are averaged over; None takes the newest value.
    is_victoria : bool
        Whether VictoriaMetrics reads the queries.
    """
    writer = _Writer(signals, found, window_s, gauge_window_s, promql.escaped_label if is_victoria else None)
    for table, signal in signals.panels():
        if table in COUNTER_TABLES:
            writer.counters(table, signal)
        elif table in HISTOGRAM_TABLES and signal.mode == "histogram":
            writer.histogram(table, signal)
        elif table in HISTOGRAM_TABLES:
            writer.average(table, signal)
        else:
            writer.gauges(table, signal)
    return tuple(writer.parts)


class _Writer:
    def __init__(
        self,
        signals: Signals,
        found: Found,
        window_s: float,
        gauge_window_s: float | None,
        spell: Callable[[str], str] | None,
    ) -> None:
        self._spell = spell or promql.quoted_label
        self._signals = signals
        self._found = found
        self._window_s = window_s
        self._gauge_window_s = gauge_window_s
        self._timed: set[tuple[str, str]] = set()
        self.parts: list[Part] = []

    def _first(self, names: Sequence[str]) -> str | None:
        return next((name for name in names if name in self._found.names), None)

    def _labels(self, table: str, name: str) -> tuple[str, ...]:
        """Labels that may name the backend of this series; batches and gauges belong to all."""
        if table not in (*COUNTER_TABLES, "latency"):
            return ()
        return tuple(label for label in self._signals.backend_labels if self._found.has_label(name, label))

    def _rate(self, table: str, signal: Signal, kind: str, name: str, *, sign: int = 1, unless: str = "") -> None:
        matchers = (*self._signals.matchers, *signal.matchers)
        labels = self._labels(table, name)
        extra: tuple[str, ...] = ()
        if kind == "buckets":
            # without its labels known it is asked for both
            extra = tuple(label for label in ("le", "vmrange") if self._found.has_label(name, label))
        query = promql.rate_by(name, matchers, self._window_s, labels, *extra, unless=unless, spell=self._spell)
        self.parts.append(Part(table, kind, name, query, labels, sign))

    def _time(self, table: str, name: str) -> None:
        """Ask how old the samples are: of all of a name, for an error that never happened has no series of its own."""
        if (table, name) not in self._timed:
            self._timed.add((table, name))
            labels = self._labels(table, name)
            query = promql.newest_by(name, self._signals.matchers, labels, spell=self._spell)
            self.parts.append(Part(table, "time", name, query, labels))

    def counters(self, table: str, signal: Signal) -> None:
        names = [self._first(signal.metrics), *(name for name in signal.plus if name in self._found.names)]
        for name in dict.fromkeys(filter(None, names)):
            self._rate(table, signal, "count", name)
            self._time(table, name)

    def histogram(self, table: str, signal: Signal) -> None:
        names = self._found.names
        classic = self._first([f"{name}_bucket" for name in signal.metrics])
        natives = [name for name in signal.metrics if f"{name}_count" not in names]
        native = self._first([classic.removesuffix("_bucket")] if classic else natives)
        if classic:
            self._rate(table, signal, "buckets", classic, unless=native or "")
            count = f"{classic.removesuffix('_bucket')}_count"
            self._time(table, count if count in names else classic)  # a tenth of the series
        if native:
            self._rate(table, signal, "native", native)
            self._time(table, native)
        if not classic and not native and table == "latency":  # a summary, or a client that leaves buckets out
            self.average(table, signal)

    def average(self, table: str, signal: Signal) -> None:
        if signal.mode == "gauge":
            name = self._first(signal.metrics)
            if name:
                matchers = (*self._signals.matchers, *signal.matchers)
                labels = self._labels(table, name)
                query = promql.mean_by(name, matchers, self._gauge_window_s, labels, spell=self._spell)
                self.parts.append(Part(table, "mean", name, query, labels))
                self._time(table, name)
            return
        total = self._first(signal.sum or [f"{name}_sum" for name in signal.metrics])
        number = self._first(signal.count or [f"{name}_count" for name in signal.metrics])
        if total and number:
            self._rate(table, signal, "sum", total)
            self._rate(table, signal, "number", number)
            self._time(table, number)

    def gauges(self, table: str, signal: Signal) -> None:
        matchers = (*self._signals.matchers, *signal.matchers)
        added = [self._first(signal.metrics), *(name for name in signal.plus if name in self._found.names)]
        taken = [name for name in signal.minus if name in self._found.names]
        for sign, names in ((1, added), (-1, taken)):
            for name in dict.fromkeys(filter(None, names)):
                query = promql.total(name, matchers, self._gauge_window_s)
                self.parts.append(Part(table, "gauge", name, query, (), sign))
                if sign > 0:
                    self._time(table, name)
