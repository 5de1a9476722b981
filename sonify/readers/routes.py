"""Which panel a sample belongs to: a signals preset applied to names and labels, without a server's help."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from sonify.readers.signals import LabelMatcher, Signal, Signals
from sonify.readers.source import ALL

__all__ = ["Route", "Router", "matches"]

HISTOGRAMS = ("latency", "batch")
GAUGES = ("queue", "active")


class Route(NamedTuple):
    """Where a sample goes.

    Attributes
    ----------
    table : str
        Of the signals preset.
    part : str
        ``count`` (a counter), ``gauge``, ``bucket`` (of a histogram, its bound is the label ``le``), ``sum`` and
        ``number`` (of what an average is made), or ``mean`` (a gauge that is an average already).
    backend : str
        Whose it is; `ALL` where no label says.
    sign : int
        −1 where it is taken away.
    """

    table: str
    part: str
    backend: str
    sign: int = 1


def _test(matcher: LabelMatcher) -> Callable[[str], bool]:
    """Build a condition on a label's value; a label that is missing counts as empty, as in PromQL."""
    value = json.loads(matcher.quoted)
    if matcher.operator in ("=", "!="):
        return lambda text: (text == value) is (matcher.operator == "=")
    pattern = re.compile(value)
    return lambda text: (pattern.fullmatch(text) is not None) is (matcher.operator == "=~")


def matches(matchers: Collection[LabelMatcher], labels: Mapping[str, str]) -> bool:
    """Whether labels meet all conditions."""
    return all(_test(matcher)(labels.get(matcher.label, "")) for matcher in matchers)


class _Rule(NamedTuple):
    table: str
    part: str
    sign: int
    tests: tuple[tuple[str, Callable[[str], bool]], ...]


def _parts(table: str, signal: Signal, names: Collection[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Parts that a panel is made of, each with the names it may have, in the order they are tried.

    A latency that is told as a histogram, and has no buckets here, is an average: clients may leave buckets out, and
    a summary has none.
    """
    buckets = tuple(f"{name}_bucket" for name in signal.metrics)
    is_average = signal.mode == "average" or not any(name in names for name in buckets)
    if table == "batch" or (table == "latency" and signal.mode == "histogram" and not is_average):
        return [("bucket", buckets)]
    if table == "latency" and signal.mode != "gauge":
        sums = signal.sum or tuple(f"{name}_sum" for name in signal.metrics)
        return [("sum", sums), ("number", signal.count or tuple(f"{name}_count" for name in signal.metrics))]
    if table == "latency":
        return [("mean", signal.metrics)]
    return [("gauge" if table in GAUGES else "count", signal.metrics)]


class Router:
    """Choose among the names of a preset those that there are, and sort samples by panel and backend.

    Parameters
    ----------
    signals : Signals
        The preset.
    names : collection of str
        Names of the samples that the source has (of a histogram ``NAME_bucket``, ``NAME_sum``, ``NAME_count``).

    Attributes
    ----------
    chosen : dict of str to str
        Name that was taken for each panel there is, by table.
    missing : tuple of str
        Tables of the preset that the source has no name for.
    """

    def __init__(self, signals: Signals, names: Collection[str]) -> None:
        self._labels = signals.backend_labels
        self._rules: dict[str, list[_Rule]] = {}
        self.chosen: dict[str, str] = {}
        common = signals.matchers
        for table, signal in signals.panels():
            tests = tuple((matcher.label, _test(matcher)) for matcher in (*common, *signal.matchers))
            parts = [
                (part, next((name for name in candidates if name in names), None))
                for part, candidates in _parts(table, signal, names)
            ]
            if all(name is not None for _, name in parts):  # half of an average is none
                for part, name in parts:
                    self.chosen.setdefault(table, str(name))
                    self._rules.setdefault(str(name), []).append(_Rule(table, part, 1, tests))
            part = "gauge" if table in GAUGES else "count"
            for sign, extra in ((1, signal.plus), (-1, signal.minus)):
                for name in extra:
                    if name in names and (sign > 0 or table in self.chosen):  # from nothing nothing is taken
                        self.chosen.setdefault(table, name)
                        self._rules.setdefault(name, []).append(_Rule(table, part, sign, tests))
        self.missing = tuple(table for table, _ in signals.panels() if table not in self.chosen)

    def wants(self, name: str) -> bool:
        """Whether samples of this name go anywhere."""
        return name in self._rules

    def of(self, name: str, labels: Mapping[str, str]) -> tuple[Route, ...]:
        """Where a sample goes; empty where no panel wants it. Worth keeping for each series."""
        rules = self._rules.get(name)
        if rules is None:
            return ()
        backend = next((labels[label] for label in self._labels if labels.get(label)), ALL)
        return tuple(
            Route(rule.table, rule.part, backend, rule.sign)
            for rule in rules
            if all(test(labels.get(label, "")) for label, test in rule.tests)
        )
