"""A signals preset as PromQL that a person can paste: one query for each panel and each name that it may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sonify.readers import promql
from sonify.readers.readable import readable
from sonify.readers.signals import LabelMatcher, Signal, Signals
from sonify.units import parse_duration_s

__all__ = ["PanelQuery", "panel_queries", "queries_text"]

_COUNTERS = ("requests", "errors", "fallbacks", "glitches")
_PROMQL_DURATION = re.compile(r"[1-9][0-9]*(ms|s|m|h|d)")
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Matchers = tuple[LabelMatcher, ...]


class PanelQuery(NamedTuple):
    """One query.

    Attributes
    ----------
    table : str
        Panel, by table of the preset.
    what : str
        What the query gives, for a person.
    query : str
        PromQL, one line.
    is_alternative : bool
        Whether it stands in for the query before it, for systems that have this name instead.
    """

    table: str
    what: str
    query: str
    is_alternative: bool = False


def _rate(name: str, matchers: Matchers, window_s: float, labels: tuple[str, ...], *extra: str) -> str:
    """Rate by backend, and of what no label gives a backend."""
    rate = promql.rate_by(name, matchers, window_s, labels, *extra)
    if not all(_PLAIN_LABEL.fullmatch(label) for label in labels):
        return rate
    nobody = tuple(LabelMatcher(label, "=", '""') for label in labels)
    return f"{rate} or {promql.rate_by(name, (*matchers, *nobody), window_s, (), *extra)}"


def _each(table: str, what: str, queries: list[str]) -> Iterator[PanelQuery]:
    for index, query in enumerate(queries):
        yield PanelQuery(table, what, query, is_alternative=index > 0)


def _latency(signals: Signals, signal: Signal, window_s: float) -> Iterator[PanelQuery]:
    labels = signals.backend_labels
    matchers = (*signals.matchers, *signal.matchers)
    unit = {1.0: "s", 1e-3: "ms", 1e-6: "us", 1e-9: "ns"}[signal.unit_s]
    if signal.mode == "gauge":
        what = f"average latency in {unit}"
        yield from _each("latency", what, [promql.mean_by(name, matchers, None, labels) for name in signal.metrics])
    elif signal.mode == "average":
        for end, given in (("sum", signal.sum), ("count", signal.count)):
            names = given or tuple(f"{name}_{end}" for name in signal.metrics)
            what = f"time spent, in {unit} per s" if end == "sum" else "how often, 1/s: the average is the quotient"
            yield from _each("latency", what, [_rate(name, matchers, window_s, labels) for name in names])
    else:
        names = tuple(f"{name}_bucket" for name in signal.metrics)
        queries = [_rate(name, matchers, window_s, labels, "le") for name in names]
        yield from _each("latency", f"requests up to each bound in {unit}, 1/s", queries)


def _panel(signals: Signals, table: str, signal: Signal, window_s: float) -> Iterator[PanelQuery]:
    labels = signals.backend_labels
    matchers = (*signals.matchers, *signal.matchers)
    if table == "latency":
        yield from _latency(signals, signal, window_s)
    elif table == "batch":
        queries = [_rate(f"{name}_bucket", matchers, window_s, (), "le") for name in signal.metrics]
        yield from _each(table, "batches up to each size, 1/s", queries)
    elif table in _COUNTERS:
        yield from _each(table, "rate, 1/s", [_rate(name, matchers, window_s, labels) for name in signal.metrics])
        for name in signal.plus:
            query = _rate(name, matchers, window_s, labels)
            yield PanelQuery(table, "added to it where it is there", query)
    else:
        yield from _each(table, "number now", [promql.total(name, matchers, None) for name in signal.metrics])
        for what, names in (("added to it", signal.plus), ("taken away from it", signal.minus)):
            for name in names:
                yield PanelQuery(table, f"{what} where it is there", promql.total(name, matchers, None))


def panel_queries(signals: Signals, window_s: float = 60.0) -> list[PanelQuery]:
    """List the queries of all panels of a preset, rates over `window_s`."""
    return [query for table, signal in signals.panels() for query in _panel(signals, table, signal, window_s)]


def queries_text(signals: Signals, window: str = "1m") -> str:
    """Write the queries with a comment before each, ready to be pasted one by one.

    Parameters
    ----------
    signals : Signals
        The preset.
    window : str
        What rates are taken over; a duration.

    Raises
    ------
    UsageError
        Not a duration.
    """
    window_s = parse_duration_s(window)
    written = window if _PROMQL_DURATION.fullmatch(window) else promql.duration(window_s)
    voices = " or ".join(signals.backend_labels)
    lines = [
        f"# {readable(signals.title or signals.name)}: a query for each panel, by {voices}.",
        f"# Rates are over {written}, which should be about four times the scrape interval (--window).",
        "# Of several names the first that is there counts.",
    ]
    last = ""
    for one in panel_queries(signals, window_s):
        if one.is_alternative:
            lines.append("# or, where that is not there:")
        else:
            lines += [""] if one.table != last else []
            lines.append(f"# {one.table}: {one.what}")
        last = one.table
        lines.append(one.query.replace(f"[{promql.duration(window_s)}]", f"[{written}]"))
    return "\n".join(lines) + "\n"
