"""PromQL that returns one small vector per panel, never raw series. Pure text: knows no server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from sonify.readers.signals import LabelMatcher

__all__ = ["any_of", "duration", "label_any_of", "present", "rate_by", "selector", "total"]

_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")  # in RE2; it refuses other escapes, such as that of a space
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _quote(text: str) -> str:
    """PromQL strings escape as JSON strings do."""
    return json.dumps(text, ensure_ascii=False)


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else _quote(name)


def duration(duration_s: float) -> str:
    """Write a duration in whole milliseconds."""
    return f"{round(duration_s * 1000)}ms"


def selector(metric: str, matchers: Iterable[LabelMatcher | str] = ()) -> str:
    """Select the series of one metric; a name with dots is matched through ``__name__``."""
    conditions = [str(matcher) for matcher in matchers]
    if _PLAIN_METRIC.fullmatch(metric):
        return metric + (f"{{{','.join(conditions)}}}" if conditions else "")
    return f"{{{','.join([f'__name__={_quote(metric)}', *conditions])}}}"


def label_any_of(label: str, values: Iterable[str], matchers: Iterable[LabelMatcher | str] = ()) -> str:
    """Select the series whose label has any of several values."""
    pattern = "|".join(_SPECIAL.sub(r"\\\g<0>", value) for value in values)
    return f"{{{','.join([f'{label}=~{_quote(pattern)}', *(str(matcher) for matcher in matchers)])}}}"


def any_of(metrics: Iterable[str], matchers: Iterable[LabelMatcher | str] = ()) -> str:
    """Select the series of any of several metrics."""
    return label_any_of("__name__", metrics, matchers)


def rate_by(
    metric: str, matchers: tuple[LabelMatcher, ...], window_s: float, labels: tuple[str, ...], *extra: str
) -> str:
    """Rate of a counter, summed by the label that names the backend (and by the labels in `extra`).

    Of several labels the first that a series carries counts: ``sum by (a) (… a!="") or sum by (b) (… a="", b!="")``.
    With no label it is the sum of all.
    """
    if not labels:
        by = f" by ({', '.join(extra)})" if extra else ""
        return f"sum{by} (rate({selector(metric, matchers)}[{duration(window_s)}]))"
    terms = []
    for index, label in enumerate(labels):
        conditions: list[LabelMatcher | str] = [
            *matchers,
            f'{_label(label)}!=""',
            *(f'{_label(earlier)}=""' for earlier in labels[:index]),
        ]
        by = ", ".join([_label(label), *extra])
        terms.append(f"sum by ({by}) (rate({selector(metric, conditions)}[{duration(window_s)}]))")
    return " or ".join(terms)


def total(metric: str, matchers: tuple[LabelMatcher, ...], window_s: float | None) -> str:
    """Sum of a gauge, each series averaged over the window where there is one."""
    series = selector(metric, matchers)
    return f"sum ({series})" if window_s is None else f"sum (avg_over_time({series}[{duration(window_s)}]))"


def present(metrics: Iterable[str], matchers: Iterable[LabelMatcher]) -> str:
    """How many series of these metrics there are: nothing as soon as their source is lost."""
    return f"count ({any_of(metrics, matchers)})"
