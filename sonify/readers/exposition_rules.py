"""What OpenMetrics 1.0 demands of a page beyond the grammar of its lines: families, their samples, and their values.

Written after the specification (https://prometheus.io/docs/specs/om/open_metrics_spec/).
"""

from __future__ import annotations

import math

from sonify.readers.exposition_lines import LineProblem, Meta, Sample
from sonify.readers.readable import readable

__all__ = ["Family", "FamilyRules", "sample_names"]

_SUFFIXES = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "info": ("_info",),
    "stateset": ("",),
    "summary": ("", "_count", "_sum", "_created"),
    "unknown": ("",),
}
_COUNTING = {
    "counter": ("_total",),
    "gaugehistogram": ("_bucket", "_gcount"),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}
_WITH_EXEMPLARS = {"counter": ("_total",), "gaugehistogram": ("_bucket",), "histogram": ("_bucket",)}


class Family:
    """A metric family of a page.

    Attributes
    ----------
    name : str
        As ``# TYPE`` gives it; of samples without one, their own name.
    kind : str
        One of `KINDS`.
    help, unit : str
        Empty where the page has none.
    samples : list of Sample
        In the order of the page.
    """

    __slots__ = ("help", "kind", "name", "samples", "unit")

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = "unknown"
        self.help = ""
        self.unit = ""
        self.samples: list[Sample] = []


def sample_names(family: str, kind: str) -> tuple[str, ...]:
    """Names that the samples of a family may have."""
    return tuple(family + suffix for suffix in _SUFFIXES[kind])


class _Point:
    """The samples of one histogram at one time, as far as they have come."""

    __slots__ = ("count", "last_count", "last_le", "last_le_text", "negative", "sum")

    def __init__(self) -> None:
        self.last_le = -math.inf
        self.last_le_text = ""
        self.last_count = 0.0
        self.negative = False
        self.count: float | None = None
        self.sum: float | None = None

    def bucket(self, le_text: str | None, value: float) -> None:
        try:
            le = float(le_text or "nan")
        except ValueError:
            le = math.nan
        if le_text is None or math.isnan(le):
            raise LineProblem('a bucket without its upper bound; it must have a label le="NUMBER"')
        if self.last_le_text and le <= self.last_le:
            raise LineProblem(f'bucket le="{readable(le_text)}" is out of order; bounds must rise')
        if value < self.last_count:
            raise LineProblem(f'bucket le="{readable(le_text)}" is less than the one before; counts must be cumulative')
        self.negative |= le < 0.0
        self.last_le, self.last_le_text, self.last_count = le, le_text, value

    def close(self, *, gauge: bool) -> None:
        if not self.last_le_text and self.count is None and self.sum is None:
            return  # only _created
        if self.last_le_text != "+Inf":
            raise LineProblem('a histogram without a last bucket le="+Inf", which it must have')
        if self.count is not None and self.count != self.last_count:
            raise LineProblem('the count of a histogram differs from its bucket le="+Inf"; they must be the same')
        if self.sum is not None and (self.count is None or (self.negative and not gauge)):
            raise LineProblem("the sum of a histogram must have a count beside it, and no bounds below 0")
        if self.sum is None and self.count is not None and (gauge or not self.negative):
            raise LineProblem("the count of a histogram must have a sum beside it")
        if gauge and self.sum is not None and self.sum < 0.0 and not self.negative:
            raise LineProblem("the sum of a gaugehistogram is below 0; without bounds below 0 it must not be")


class FamilyRules:
    """Takes metadata and samples in the order of a page, gathers families, and refuses what does not belong.

    Attributes
    ----------
    families : list of Family
        Those that are complete.
    """

    def __init__(self) -> None:
        self.families: list[Family] = []
        self._claimed: set[str] = set()
        self._family: Family | None = None
        self._given: set[str] = set()  # words of metadata that came for the family
        self._names: tuple[str, ...] = ()
        self._groups: set[frozenset[tuple[str, str]]] = set()
        self._group: frozenset[tuple[str, str]] | None = None
        self._time_s: float | None = None
        self._at_time: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        self._point = _Point()

    def meta(self, meta: Meta) -> None:
        """Take ``# TYPE``, ``# HELP`` or ``# UNIT``."""
        family = self._family
        if family is None or family.name != meta.name:
            family = self._open(meta.name)
        elif family.samples:
            raise LineProblem(f"# {meta.word} {readable(meta.name)} after its samples; it must stand before them")
        if meta.word in self._given:
            raise LineProblem(f"# {meta.word} {readable(meta.name)} a second time; it may stand there once")
        self._given.add(meta.word)
        setattr(family, {"TYPE": "kind", "HELP": "help", "UNIT": "unit"}[meta.word], meta.text)
        if family.unit and family.kind in ("info", "stateset"):
            raise LineProblem(f"# UNIT {readable(meta.name)}: {family.kind} must not have a unit")

    def sample(self, sample: Sample) -> None:
        """Take a sample."""
        family = self._family
        if family is None or sample.name not in (self._names or sample_names(family.name, family.kind)):
            family = self._open(sample.name)
        if not family.samples:
            self._claim(family)
        suffix = sample.name[len(family.name) :]
        group = self._place(family, suffix, sample)
        self._follow(sample, group)
        self._check_value(family.kind, suffix, sample)
        if family.kind in ("histogram", "gaugehistogram"):
            self._check_histogram(suffix, sample)
        family.samples.append(sample)

    def close(self) -> None:
        """End the family that is open, as the page does."""
        family, self._family = self._family, None
        if family is None:
            return
        if not family.samples:
            self._claim(family)
        self._close_point(family)
        self.families.append(family)

    def _open(self, name: str) -> Family:
        self.close()
        self._family = Family(name)
        self._given.clear()
        self._groups.clear()
        self._names, self._group, self._time_s = (), None, None
        self._at_time.clear()
        if name in self._claimed:
            raise LineProblem(f"{readable(name)} belongs to a family that came before; a family must be in one piece")
        return self._family

    def _claim(self, family: Family) -> None:
        self._names = sample_names(family.name, family.kind)
        names = {family.name, *self._names}
        clash = names & self._claimed
        if clash:
            raise LineProblem(f"{readable(family.name)} clashes with {readable(min(clash))}, which came before")
        self._claimed |= names

    def _place(self, family: Family, suffix: str, sample: Sample) -> frozenset[tuple[str, str]]:
        """Labels that name the metric inside the family: without those that name a bucket, quantile or state."""
        own = ""
        if family.kind == "stateset":
            own = family.name
        elif family.kind == "summary" and not suffix:
            own = "quantile"
        elif suffix == "_bucket" and family.kind in ("histogram", "gaugehistogram"):
            own = "le"
        if own and own not in sample.labels:
            raise LineProblem(f"{readable(sample.name)} of a {family.kind} must have the label {readable(own)}")
        if own == "quantile":
            self._check_quantile(sample.labels["quantile"])
        return frozenset(item for item in sample.labels.items() if item[0] != own)

    def _follow(self, sample: Sample, group: frozenset[tuple[str, str]]) -> None:
        """Metrics come in one piece each, and their times rise."""
        family = self._family
        assert family is not None
        time_s = sample.timestamp_s
        if group != self._group:
            if group in self._groups:
                raise LineProblem(f"{readable(sample.name)}: these labels came before; a metric must be in one piece")
            self._close_point(family)
            self._groups.add(group)
            self._group, self._time_s = group, time_s
            self._at_time.clear()
        elif (time_s is None) is not (self._time_s is None):
            raise LineProblem(f"{readable(sample.name)}: either all or none of a metric's samples must have timestamps")
        elif time_s is not None and self._time_s is not None and time_s != self._time_s:
            if time_s < self._time_s:
                raise LineProblem(f"{readable(sample.name)}: the timestamp is before the last one; they must rise")
            self._close_point(family)
            self._time_s = time_s
            self._at_time.clear()
        series = (sample.name, frozenset(sample.labels.items()))
        if time_s is None and series in self._at_time:
            raise LineProblem(f"{readable(sample.name)} with the same labels a second time; it may stand there once")
        self._at_time.add(series)

    @staticmethod
    def _check_quantile(text: str) -> None:
        try:
            good = 0.0 <= float(text) <= 1.0
        except ValueError:
            good = False
        if not good:
            raise LineProblem(f'quantile="{readable(text)}" is not allowed; it must be a number from 0 to 1')

    @staticmethod
    def _check_value(kind: str, suffix: str, sample: Sample) -> None:
        value, name = sample.value, readable(sample.name)
        if suffix in _COUNTING.get(kind, ()) and not value >= 0.0:
            raise LineProblem(f"{name}: {value:g} is not allowed in a {kind}; it must be a number from 0 up")
        if suffix == "_gsum" and math.isnan(value):
            raise LineProblem(f"{name}: NaN is not allowed in a gaugehistogram; it must be a number")
        if kind == "summary" and not suffix and value < 0.0:
            raise LineProblem(f"{name}: {value:g} is not allowed in a summary; it must be a number from 0 up, or NaN")
        if (kind == "info" and value != 1.0) or (kind == "stateset" and value not in (0.0, 1.0)):
            raise LineProblem(f"{name}: {value:g} is not allowed in {kind}; it must be {'0 or ' * (kind != 'info')}1")
        if sample.exemplar is not None and suffix not in _WITH_EXEMPLARS.get(kind, ()):
            raise LineProblem(f"{name}: an exemplar is not allowed here, only on a counter's total and on buckets")

    def _check_histogram(self, suffix: str, sample: Sample) -> None:
        if suffix == "_bucket":
            self._point.bucket(sample.labels.get("le"), sample.value)
        elif suffix in ("_count", "_gcount"):
            self._point.count = sample.value
        elif suffix in ("_sum", "_gsum"):
            self._point.sum = sample.value

    def _close_point(self, family: Family) -> None:
        point, self._point = self._point, _Point()
        if self._group is not None and family.kind in ("histogram", "gaugehistogram"):
            point.close(gauge=family.kind == "gaugehistogram")
