"""``--signals auto``: choose the signals preset that fits the names a source has, and say so."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sonify.errors import ReaderError
from sonify.readers.readable import readable
from sonify.readers.routes import Router, matches
from sonify.readers.signals import PANEL_TABLES, Signals, list_signals, load_signals

__all__ = ["Choice", "LabelNames", "choose_signals"]

LabelNames = Mapping[str, Collection[str]] | Callable[[str], Collection[str] | None]

# What a person wants to hear comes first: the application, then what stands before it, then what any program may
# have, then what is there whether or not anybody serves anything. Within a rank the panels that are found decide, and
# where these are the same, the order here. A shipped preset that is not listed ranks with the frameworks.
RANKS: tuple[tuple[str, ...], ...] = (
    ("code-live", "vllm", "sglang", "litellm"),
    ("istio", "linkerd", "envoy", "ingress-nginx", "traefik", "haproxy", "caddy"),
    (
        *("spring-boot", "otel-http", "aspnet-core", "otel-http-ms", "otel-spans"),
        *("promhttp", "fastapi", "grpc", "otel-genai", "nginx-log"),
    ),
    ("kube-apiserver",),
    ("prometheus-self",),
    ("node",),
)
_FRAMEWORKS = 2
_WEIGHTS = {"requests": 4.0, "latency": 4.0, "errors": 2.0}  # other panels weigh 1
_MARK_WEIGHT = 3.0  # a name that only this system has
_MAX_ALSO = 5
_MAX_LOOKALIKES = 2
_MAX_SEARCHED = 20_000
_LOOKS_LIKE = {
    "requests": re.compile(r".*(request|call|quer|message|rpc)[a-z_.]*(total|count)"),
    "latency": re.compile(r".*(duration|latency|time|seconds)[a-z_.]*_bucket"),
}
_NOT_ALIKE = re.compile(r"(go|process|promhttp|python|jvm)_.*")
_SERVES = re.compile(r"request|http|rpc|quer|handl")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which preset was taken.

    Attributes
    ----------
    signals : Signals
        The preset.
    said : str
        One line for a person: what was taken, which panels it has, which have no data, what else is there.
    found, missing : tuple of str
        Panels that have data and those that have none, by table.
    also : tuple of str
        Names of other presets that would fit, the best first.
    """

    signals: Signals
    said: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    also: tuple[str, ...] = ()


class _Fit(NamedTuple):
    rank: int
    score: float
    place: int
    name: str
    signals: Signals
    found: tuple[str, ...]


@functools.cache
def _shipped() -> tuple[Signals, ...]:
    return tuple(load_signals(name) for name in list_signals())


def _with_histograms(names: Collection[str]) -> set[str]:
    """Add the spelling ``NAME_bucket`` to names that stand alone, as those of native histograms do."""
    there = set(names)
    alone = (name for name in there if not name.endswith(("_bucket", "_sum", "_count", "_total")))
    return there | {f"{name}_bucket" for name in alone if f"{name}_count" not in there}


def _labels_of(labels: LabelNames | None, name: str) -> Collection[str] | None:
    if labels is None:
        return None
    return labels(name) if callable(labels) else labels.get(name)


def _selects_nothing(signals: Signals, table: str, name: str, labels: LabelNames | None) -> bool:
    """Whether a panel asks for values of labels that its samples do not have."""
    matchers = (*signals.matchers, *getattr(signals, table).matchers)
    needed = {matcher.label for matcher in matchers if not matches((matcher,), {})}
    known = _labels_of(labels, name) if needed else None  # asking may take a request
    return known is not None and not needed.issubset(known)


def _has_mark(signals: Signals, names: set[str]) -> bool:
    for mark in signals.marks:
        if mark in names or (mark.endswith("*") and any(name.startswith(mark[:-1]) for name in names)):
            return True
    return False


def _fit(signals: Signals, names: set[str], labels: LabelNames | None) -> _Fit:
    chosen = Router(signals, names).chosen
    found = tuple(
        table
        for table in PANEL_TABLES
        if table in chosen and not _selects_nothing(signals, table, chosen[table], labels)
    )
    score = sum(_WEIGHTS.get(table, 1.0) for table in found)
    score += _MARK_WEIGHT * (bool(found) and _has_mark(signals, names))
    for rank, row in enumerate(RANKS):
        if signals.name in row:
            return _Fit(rank, -score, row.index(signals.name), signals.name, signals, found)
    return _Fit(_FRAMEWORKS, -score, len(RANKS[_FRAMEWORKS]), signals.name, signals, found)


def choose_signals(names: Collection[str], labels: LabelNames | None = None) -> Choice:
    """Choose among the shipped presets.

    A preset fits where its requests or its latency are there. Of those that fit, the most specific one wins (see
    `RANKS`), then the one with more panels; requests, latency and errors weigh most.

    Parameters
    ----------
    names : collection of str
        Names of the samples that the source has, as Prometheus shows them (``x_bucket``, ``x_count``, ``x_total``; a
        native histogram as ``x``).
    labels : mapping or callable, optional
        Names of the labels that the samples of a name have (None: not known). It tells systems apart that share names:
        an error selector on a label that is not there counts as no data.

    Raises
    ------
    ReaderError
        No preset fits; the message says how many names there were, which of them look right, and what to do.
    """
    there = _with_histograms(names)
    fits = sorted((_fit(signals, there, labels) for signals in _shipped()), key=lambda fit: fit[:4])
    good = [fit for fit in fits if "requests" in fit.found or "latency" in fit.found]
    if not good:
        raise ReaderError(_nothing(names, [fit for fit in fits if fit.found]))
    best = good[0]
    missing = tuple(table for table in PANEL_TABLES if table not in best.found)
    also = tuple(fit.signals.name for fit in good[1:] if not _is_same(fit, best))
    said = f"signals: {best.signals.name} ({' '.join(best.found)})"
    said += f"; no data for {' '.join(missing)}" if missing else ""
    said += f"; also there: {' '.join(also[:_MAX_ALSO])}{' …' if len(also) > _MAX_ALSO else ''}" if also else ""
    return Choice(best.signals, said, best.found, missing, also)


def _is_same(one: _Fit, other: _Fit) -> bool:
    """Whether two presets read the same series, so that the second is nothing that is there as well."""
    names = [
        {name for signal in (fit.signals.requests, fit.signals.latency) if signal for name in signal.metrics}
        for fit in (one, other)
    ]
    return bool(names[0] & names[1])


def _alike(pattern: re.Pattern[str], names: Collection[str]) -> list[str]:
    """Names that may be what somebody looks for, those of served requests first, then the shortest."""
    plain = {name for name in islice(names, _MAX_SEARCHED) if len(name) <= 100 and not _NOT_ALIKE.fullmatch(name)}
    found = [name for name in plain if pattern.fullmatch(name)]
    return sorted(found, key=lambda name: (_SERVES.search(name) is None, len(name), name))[:_MAX_LOOKALIKES]


def _nothing(names: Collection[str], partly: list[_Fit]) -> str:
    """Say that no preset fits, and what comes nearest."""
    if not names:
        return "--signals auto: the source has no metrics yet; choose a preset with --signals NAME|FILE"
    near = [f"{fit.signals.name} has only {' '.join(fit.found)}" for fit in partly[:2]]
    for table, pattern in _LOOKS_LIKE.items():
        alike = _alike(pattern, names)
        near += [f"{readable(' '.join(alike))} may be {table}"] if alike else []
    guesses = f"; nearest: {', '.join(near)}" if near else ""
    return (
        f"--signals auto: no preset fits the {len(names)} metrics that are there{guesses}; choose one with "
        "--signals NAME, or write one: sonify presets show promhttp > mine.toml, then --signals mine.toml"
    )
