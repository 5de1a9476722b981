"""PromQL that returns one small vector per panel, never raw series. Pure text: knows no server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping

from sonify.readers.signals import LabelMatcher

__all__ = [
    "TAG",
    "any_of",
    "duration",
    "escaped_label",
    "label_any_of",
    "live_names",
    "mean_by",
    "newest_by",
    "quoted_label",
    "rate_by",
    "selector",
    "tagged",
    "total",
]

TAG = "sonify_part"  # label that says which part of a query of many parts a series answers

_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")  # in RE2; it refuses other escapes, such as that of a space
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Matchers = Iterable[LabelMatcher | str]
Spelling = Callable[[str], str]


def _quote(text: str) -> str:
    """PromQL strings escape as JSON strings do."""
    return json.dumps(text, ensure_ascii=False)


def quoted_label(name: str) -> str:
    """Spell the name of a label as Prometheus reads it: what is no plain word in quotes."""
    return name if _PLAIN_LABEL.fullmatch(name) else _quote(name)


def escaped_label(name: str) -> str:
    """Spell the name of a label as VictoriaMetrics reads it: what is no letter or digit after a backslash."""
    return re.sub(r"[^a-zA-Z0-9_]", r"\\\g<0>", name)


def duration(duration_s: float) -> str:
    """Write a duration in whole milliseconds."""
    return f"{round(duration_s * 1000)}ms"


def selector(metric: str, matchers: Matchers = ()) -> str:
    """Select the series of one metric; a name with dots is matched through ``__name__``."""
    conditions = [str(matcher) for matcher in matchers]
    if _PLAIN_METRIC.fullmatch(metric):
        return metric + (f"{{{','.join(conditions)}}}" if conditions else "")
    return f"{{{','.join([f'__name__={_quote(metric)}', *conditions])}}}"


def label_any_of(label: str, values: Iterable[str], matchers: Matchers = ()) -> str:
    """Select the series whose label has any of several values."""
    pattern = "|".join(_SPECIAL.sub(r"\\\g<0>", value) for value in values)
    return f"{{{','.join([f'{label}=~{_quote(pattern)}', *(str(matcher) for matcher in matchers)])}}}"


def any_of(metrics: Iterable[str], matchers: Matchers = ()) -> str:
    """Select the series of any of several metrics."""
    return label_any_of("__name__", metrics, matchers)


def _grouped(
    aggregate: str,
    inner: Callable[[list[LabelMatcher | str]], str],
    matchers: Matchers,
    labels: tuple[str, ...],
    extra: tuple[str, ...] = (),
    *,
    spell: Spelling,
) -> str:
    """Aggregate by the label that names the backend (and by the labels in `extra`).

    Of several labels the first that a series carries counts: ``sum by (a) (… a!="") or sum by (b) (… a="", b!="")``.
    With no label it is the aggregate of all.
    """
    common = list(matchers)
    if not labels:
        by = f" by ({', '.join(extra)})" if extra else ""
        return f"{aggregate}{by} ({inner(common)})"
    terms = []
    for index, label in enumerate(labels):
        own = [f'{spell(label)}!=""', *(f'{spell(earlier)}=""' for earlier in labels[:index])]
        by = ", ".join([spell(label), *extra])
        terms.append(f"{aggregate} by ({by}) ({inner([*common, *own])})")
    return " or ".join(terms)


def rate_by(
    metric: str,
    matchers: Matchers,
    window_s: float,
    labels: tuple[str, ...],
    *extra: str,
    unless: str = "",
    spell: Spelling = quoted_label,
) -> str:
    """Rate of a counter or histogram, summed by the label that names the backend (and by the labels in `extra`).

    Parameters
    ----------
    metric : str
        Its name.
    matchers : iterable of LabelMatcher or str
        Which series count.
    window_s : float
        What the rate is taken over.
    labels : tuple of str
        Any of which names the backend; the first that a series carries counts.
    *extra : str
        More labels that are kept, such as ``le``.
    unless : str
        Name of a native histogram: a classic series beside which there is a native one is left out, for it counts the
        same events.
    spell : callable
        Spells the name of a label as the server reads it.
    """

    def inner(conditions: list[LabelMatcher | str]) -> str:
        rate = f"rate({selector(metric, conditions)}[{duration(window_s)}])"
        return f"{rate} unless ignoring (le) {selector(unless, conditions)}" if unless else rate

    return _grouped("sum", inner, matchers, labels, extra, spell=spell)


def mean_by(
    metric: str,
    matchers: Matchers,
    window_s: float | None,
    labels: tuple[str, ...],
    *,
    spell: Spelling = quoted_label,
) -> str:
    """Average of a gauge over all series of a backend, each averaged over the window where there is one."""
    return _grouped("avg", lambda conditions: _over_time(metric, conditions, window_s), matchers, labels, spell=spell)


def newest_by(metric: str, matchers: Matchers, labels: tuple[str, ...], *, spell: Spelling = quoted_label) -> str:
    """When the newest sample of each backend was taken, Unix s.

    An instant query finds samples that are up to 5 min old: only their own time tells whether somebody still sends.
    """

    def inner(conditions: list[LabelMatcher | str]) -> str:
        return f"timestamp({selector(metric, conditions)})"

    return _grouped("max", inner, matchers, labels, spell=spell)


def total(metric: str, matchers: Matchers, window_s: float | None) -> str:
    """Sum of a gauge, each series averaged over the window where there is one."""
    return f"sum ({_over_time(metric, matchers, window_s)})"


def _over_time(metric: str, matchers: Matchers, window_s: float | None) -> str:
    series = selector(metric, matchers)
    return series if window_s is None else f"avg_over_time({series}[{duration(window_s)}])"


def live_names(metrics: Iterable[str], matchers: Matchers) -> str:
    """Which of these metrics have a sample now."""
    return f"count by (__name__) ({any_of(metrics, matchers)})"


def tagged(queries: Mapping[str, str]) -> str:
    """Ask several queries at once; a label `TAG` of each series says which one it answers; an empty tag gives none.

    The first servers with native histograms lose them in ``label_replace``: one query of a histogram may stay untagged.
    """
    return " or ".join(
        f'label_replace({query}, {_quote(TAG)}, {_quote(tag)}, "", "")' if tag else query
        for tag, query in queries.items()
    )
