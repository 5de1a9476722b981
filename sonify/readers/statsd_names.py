"""Which panel a StatsD metric belongs to: a signals preset, whose names are Prometheus's, read for StatsD's names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sonify.readers.routes import matches
from sonify.readers.signals import LATENCY_UNITS_S, LabelMatcher, Signal, Signals
from sonify.readers.source import ALL
from sonify.readers.statsd_lines import TIMERS

__all__ = ["StatsdNames", "Target", "spellings"]

GAUGES = ("queue", "active")
DISTRIBUTIONS = ("latency", "batch")
_UNIT_SUFFIXES = {
    "_seconds": "s", "_second": "s", "_s": "s", "_sec": "s",
    "_milliseconds": "ms", "_millis": "ms", "_ms": "ms", "_msec": "ms",
    "_microseconds": "us", "_micros": "us", "_us": "us",
    "_nanoseconds": "ns", "_nanos": "ns", "_ns": "ns",
}  # fmt: skip
_COUNT_SUFFIXES = ("_total", "_count", "_bucket")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_]")
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Target(NamedTuple):
    """Where the values of a metric go.

    Attributes
    ----------
    table : str
        Of the signals preset.
    backend : str
        Whose they are; `ALL` where nothing says.
    sign : int
        1; −1 where they are taken away; 0 where they only show that the table is measured.
    unit_s : float
        Seconds in one unit of a latency.
    """

    table: str
    backend: str
    sign: int = 1
    unit_s: float = 1.0


class _Rule(NamedTuple):
    table: str
    rank: int  # place among the names that are tried in order; −1 where all add up
    sign: int
    matchers: tuple[LabelMatcher, ...]
    unit_s: float


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("_", name)


def _base(name: str) -> tuple[str, str]:
    """Name without the suffix of its unit, and the unit; empty where it has none."""
    suffix = next((suffix for suffix in _UNIT_SUFFIXES if name.endswith(suffix) and name != suffix), "")
    return name.removesuffix(suffix), _UNIT_SUFFIXES.get(suffix, "")


def _wanted(table: str, metric: str) -> str:
    """Key under which a metric of the preset is found: as StatsD senders call it, without suffixes."""
    name = _plain(metric)
    if table in GAUGES:
        return name
    for suffix in _COUNT_SUFFIXES:
        name = name.removesuffix(suffix)
    return _base(name)[0]


def spellings(name: str, kind: str) -> set[str]:
    """Names that a metric sent over StatsD might have in Prometheus, for choosing a preset."""
    plain = _plain(name)
    if kind == "g":
        return {plain}
    if kind == "c":
        return {plain, f"{plain.removesuffix('_total')}_total"}
    names = {_base(plain)[0] + suffix for suffix in ("", *_UNIT_SUFFIXES)}
    return {spelled + part for spelled in names for part in ("_bucket", "_sum", "_count")}


class StatsdNames:
    """A preset read for StatsD.

    Dots and other separators of a sent name count as ``_``, and the suffixes ``_total``, ``_count`` and those of units
    need not be there. A name of the preset may hold fields such as ``app.{backend}.latency``: each stands for one part
    between dots and becomes a tag.

    Parameters
    ----------
    signals : Signals
        The preset.
    """

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self._rules: dict[str, list[_Rule]] = {}
        self._patterns: list[tuple[re.Pattern[str], _Rule]] = []
        self._best: dict[str, int] = {}  # lowest rank that was seen, by table
        self.num_better = 0  # how often a name was seen that goes before one that was taken
        for table, signal in signals.panels():
            for metric, rule in _rules_of(table, signal):
                if _FIELD.search(metric):
                    self._patterns.append((_pattern(metric), rule))
                else:
                    self._rules.setdefault(_wanted(table, metric), []).append(rule)

    def _found(self, name: str) -> Iterator[tuple[_Rule, dict[str, str]]]:
        plain = _plain(name)
        keys = dict.fromkeys((plain, _wanted("", plain)))
        for key in keys:
            for rule in self._rules.get(key, ()):
                yield rule, {}
        for pattern, rule in self._patterns:
            match = pattern.fullmatch(name)
            if match is not None:
                yield rule, match.groupdict()

    def wants(self, name: str) -> bool:
        """Whether any panel has this name."""
        return next(self._found(name), None) is not None

    def targets(self, name: str, kind: str, tags: Mapping[str, str]) -> tuple[Target, ...]:
        """Where values of a metric go. Of several names of a panel only the one that comes first in the preset counts.

        A counter counts as what it says, a timer as one event a value (and as a latency or batch size); a gauge is a
        queue or active requests. Other kinds go nowhere.
        """
        targets: dict[str, Target] = {}
        for rule, fields in self._found(name):
            if not _fits(rule.table, kind) or rule.table in targets:
                continue
            labels = {**tags, **fields}
            if not matches(self.signals.matchers, labels):
                continue
            sign = rule.sign
            if not matches(rule.matchers, labels):
                if rule.table in DISTRIBUTIONS or not any(matcher.label in labels for matcher in rule.matchers):
                    continue
                sign = 0  # a request that is no error shows that errors are measured
            if not self._is_best(rule):
                continue
            named = (fields.get("backend", ""), *(labels.get(label, "") for label in self.signals.backend_labels))
            backend = next(filter(None, named), ALL)
            targets[rule.table] = Target(rule.table, backend, sign, _unit_s(name, kind, rule))
        return tuple(targets.values())

    def event_target(self, tags: Mapping[str, str]) -> Target | None:
        """Where an event counts: as a glitch of the backend that its tags name."""
        if not matches(self.signals.matchers, tags):
            return None
        named = (tags.get(label, "") for label in self.signals.backend_labels)
        return Target("glitches", next(filter(None, named), ALL))

    def _is_best(self, rule: _Rule) -> bool:
        if rule.rank < 0:
            return True
        best = self._best.get(rule.table)
        if best is None or rule.rank < best:
            self._best[rule.table] = rule.rank
            self.num_better += best is not None
        return rule.rank == self._best[rule.table]


def _rules_of(table: str, signal: Signal) -> Iterator[tuple[str, _Rule]]:
    for rank, metric in enumerate(signal.metrics):
        yield metric, _Rule(table, rank, 1, signal.matchers, signal.unit_s)
    for sign, names in ((1, signal.plus), (-1, signal.minus)):
        for metric in names:
            yield metric, _Rule(table, -1, sign, signal.matchers, signal.unit_s)


def _pattern(metric: str) -> re.Pattern[str]:
    """Build the expression of a name with fields; separators may be written as dots or as ``_``."""
    parts = []
    seen: set[str] = set()
    for index, part in enumerate(_FIELD.split(metric)):
        if index % 2 == 0:
            parts.append(re.sub(r"[._]", "[._]", "".join(c if c in "._" else re.escape(c) for c in part)))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>[^.]+)")
            seen.add(part)
    return re.compile("".join(parts))


def _fits(table: str, kind: str) -> bool:
    if table in GAUGES:
        return kind == "g"
    return kind in TIMERS or (kind == "c" and table not in DISTRIBUTIONS)


def _unit_s(name: str, kind: str, rule: _Rule) -> float:
    """Timers are in ms by definition; a histogram or distribution in what its name says, else in the preset's unit."""
    if kind == "ms":
        return LATENCY_UNITS_S["ms"]
    return LATENCY_UNITS_S.get(_base(_plain(name))[1], rule.unit_s)
