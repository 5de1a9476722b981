"""Signals presets: which metrics of a system make which panel. TOML in, frozen dataclasses out."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sonify.errors import PresetError, UsageError
from sonify.paths import presets_dir
from sonify.readers.log_fields import LogFields
from sonify.units import parse_duration_s

__all__ = [
    "LATENCY_UNITS_S",
    "PANEL_TABLES",
    "VERIFIED",
    "LabelMatcher",
    "Signal",
    "Signals",
    "list_signals",
    "load_signals",
    "parse_matchers",
]

LATENCY_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
VERIFIED = ("live", "page", "source", "docs")
LATENCY_MODES = ("histogram", "average", "gauge")
PANEL_TABLES = ("requests", "errors", "fallbacks", "glitches", "latency", "batch", "queue", "active")
_MAX_FILE_BYTES = 1_000_000

_MATCHER = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\\n]|\\.)*")\s*(,|$)')


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """One condition on a label; `quoted` is the value as PromQL writes it, with its quotes."""

    label: str
    operator: str
    quoted: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{self.quoted}"


@dataclass(frozen=True, slots=True)
class Signal:
    """Where one panel comes from.

    Attributes
    ----------
    metrics : tuple of str
        Names, in the order they are tried. Of a histogram the base name, without ``_bucket``.
    matchers : tuple of LabelMatcher
        Which of its series count.
    unit_s : float
        Seconds in one unit of its buckets; only a latency has one.
    mode : str
        How a latency is told: ``histogram``; ``average``, the quotient of the counters ``NAME_sum`` and ``NAME_count``
        (or of those in `sum` and `count`); ``gauge``, a gauge that is an average already.
    sum, count : tuple of str
        Names of the two counters of an average, in the order they are tried, where they are not made of `metrics`.
    plus, minus : tuple of str
        Names of metrics that are added, or taken away, as far as there are any.
    """

    metrics: tuple[str, ...]
    matchers: tuple[LabelMatcher, ...] = ()
    unit_s: float = 1.0
    mode: str = "histogram"
    sum: tuple[str, ...] = ()
    count: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signals:
    """A whole signals preset. A panel that is None is not measured.

    Attributes
    ----------
    name, title, description : str
        The file's name without its ending, and what it says of itself.
    verified : str
        Where its names come from and of which version, ``live: Envoy 1.40``: seen on a running system (``live``), on a
        page that somebody recorded (``page``), in the program's source (``source``) or its documentation (``docs``).
    marks : tuple of str
        Names that only this system has, one that ends in ``*`` by its beginning; they count when presets are chosen.
    matchers : tuple of LabelMatcher
        Conditions on every series.
    scrape_interval_s : float or None
        How often the metrics are collected; None asks the server.
    backend_labels : tuple of str
        Labels that may name the backend, in the order they are tried.
    backend_order : tuple of str
        Backends that come first, in this order.
    requests, errors, fallbacks, glitches : Signal or None
        Counters.
    latency, batch : Signal or None
        Histograms.
    queue, active : Signal or None
        Gauges.
    log : LogFields or None
        Where the values stand in a line of a log.
    """

    name: str
    title: str = ""
    description: str = ""
    verified: str = ""
    marks: tuple[str, ...] = ()
    matchers: tuple[LabelMatcher, ...] = ()
    scrape_interval_s: float | None = None
    backend_labels: tuple[str, ...] = ("backend",)
    backend_order: tuple[str, ...] = ()
    requests: Signal | None = None
    errors: Signal | None = None
    fallbacks: Signal | None = None
    glitches: Signal | None = None
    latency: Signal | None = None
    batch: Signal | None = None
    queue: Signal | None = None
    active: Signal | None = None
    log: LogFields | None = None

    @property
    def state(self) -> str:
        """How its names were verified, in one word of `VERIFIED`; empty where the preset does not say."""
        return self.verified.partition(":")[0]

    def panels(self) -> Iterator[tuple[str, Signal]]:
        """Go through the panels that the preset has, by the name of their table."""
        for table in PANEL_TABLES:
            signal: Signal | None = getattr(self, table)
            if signal is not None:
                yield table, signal

    def order_backends(self, names: set[str]) -> tuple[str, ...]:
        """Sort backends: those of `backend_order` first, the others by name."""
        first = [name for name in self.backend_order if name in names]
        return (*first, *sorted(names.difference(first)))


# -- values of keys: each parser returns what the dataclass holds, or raises ValueError -----------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError
    return value.strip()


def _names(value: Any) -> tuple[str, ...]:
    names = tuple(_name(item) for item in (value if isinstance(value, list) else [value]))
    if not names or len(set(names)) != len(names):
        raise ValueError
    return names


def _order(value: Any) -> tuple[str, ...]:
    return () if value == [] else _names(value)


def parse_matchers(text: Any) -> tuple[LabelMatcher, ...]:
    """Read label matchers as PromQL writes them between braces, ``job="api", status=~"5.."``; ValueError if not."""
    stripped = _text(text).strip()
    matchers = []
    position = 0
    while position < len(stripped):
        match = _MATCHER.match(stripped, position)
        if match is None:
            raise ValueError(f"no label matcher at character {position + 1}")
        matchers.append(LabelMatcher(match[1], match[2], match[3]))
        position = match.end()
    return tuple(matchers)


def _duration_s(value: Any) -> float:
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError
    try:
        return parse_duration_s(value)
    except UsageError:
        raise ValueError from None


def _unit_s(value: Any) -> float:
    if not isinstance(value, str) or value not in LATENCY_UNITS_S:
        raise ValueError
    return LATENCY_UNITS_S[value]


def _mode(value: Any) -> str:
    if value not in LATENCY_MODES:
        raise ValueError
    return str(value)


def _verified(value: Any) -> str:
    if _text(value).partition(":")[0] not in VERIFIED:
        raise ValueError
    return str(value)


def _pattern(value: Any) -> str:
    try:
        re.compile(_text(value))
    except re.error:
        raise ValueError from None
    return str(value)


class _Key(NamedTuple):
    field: str
    parse: Callable[[Any], Any]
    allowed: str


_HISTOGRAMS = ("latency", "batch")
_LOG_FIELDS = ("time", "latency", "status", "backend", "fallback", "glitch", "batch")
_METRICS_TEXT = "the name of a metric, or a list of names"
_METRIC = _Key("metrics", _names, "the name of a metric, or a list of names that are tried in order")
_MATCHERS = _Key("matchers", parse_matchers, """label matchers as in PromQL, such as 'job="api", status=~"5.."'""")

_KEYS: dict[str, _Key] = {
    "title": _Key("title", _text, "text"),
    "description": _Key("description", _text, "text"),
    "verified": _Key("verified", _verified, f"{', '.join(VERIFIED)}, a colon and of what, as in 'live: Envoy 1.40'"),
    "marks": _Key("marks", _names, "a list of names of metrics; one that ends in * stands for all that begin so"),
    "matchers": _MATCHERS,
    "scrape_interval": _Key("scrape_interval_s", _duration_s, "a duration such as 15s"),
    "backend.labels": _Key("backend_labels", _names, "the name of a label, or a list of names that are tried in order"),
    "backend.order": _Key("backend_order", _order, "a list of backends that differ"),
    **{f"{table}.metric": _METRIC for table in PANEL_TABLES},
    **{f"{table}.matchers": _MATCHERS for table in PANEL_TABLES},
    **{f"{table}.plus": _Key("plus", _names, _METRICS_TEXT) for table in PANEL_TABLES if table not in _HISTOGRAMS},
    **{f"{table}.minus": _Key("minus", _names, _METRICS_TEXT) for table in ("queue", "active")},
    "latency.unit": _Key("unit_s", _unit_s, " or ".join(LATENCY_UNITS_S)),
    "latency.mode": _Key("mode", _mode, " or ".join(LATENCY_MODES)),
    "latency.sum": _Key("sum", _names, _METRICS_TEXT),
    "latency.count": _Key("count", _names, _METRICS_TEXT),
    "log.format": _Key("format", _text, "combined, json, csv, or an nginx log_format"),
    **{f"log.{field}": _Key(field, _name, "the name of a field") for field in _LOG_FIELDS},
    "log.unit": _Key("unit_s", _unit_s, " or ".join(LATENCY_UNITS_S)),
    "log.error": _Key("error", _pattern, "a regular expression such as 5.."),
}
_TABLES = ("backend", *PANEL_TABLES, "log")


def list_signals() -> list[str]:
    """Names of the shipped signals presets."""
    return sorted(path.stem for path in (presets_dir() / "signals").glob("*.toml"))


def load_signals(name_or_path: str) -> Signals:
    """Load a signals preset.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped preset (``code-live``), or a file: what ends in ``.toml`` or holds a path separator.

    Raises
    ------
    PresetError
        No such preset, not TOML, or a key or value that is not allowed. The message names file, key, value, what is
        allowed, and the nearest key.
    """
    path = _find(name_or_path)
    values: dict[str, Any] = {}
    panels: dict[str, dict[str, Any]] = {}
    log: dict[str, Any] = {}
    for key, value in _flatten(path, _read_toml(path)):
        row = _KEYS.get(key)
        if row is None:
            raise PresetError(f"{path}, {key} = {_shown(value)}: no such key; {_known_keys(key)}")
        try:
            parsed = row.parse(value)
        except ValueError:
            raise PresetError(f"{path}, {key}: {_shown(value)} is not allowed; it must be {row.allowed}") from None
        table = key.partition(".")[0]
        target = panels.setdefault(table, {}) if table in PANEL_TABLES else log if table == "log" else values
        target[row.field] = parsed
    for table, fields in panels.items():
        if "metrics" not in fields and fields.get("mode") == "average" and "sum" in fields and "count" in fields:
            fields["metrics"] = ()
        if "metrics" not in fields:
            raise PresetError(f"{path}, {table}.metric: missing; it must be {_METRIC.allowed}")
        values[table] = Signal(**fields)
    if log:
        values["log"] = LogFields(**log)
    if not panels and not log:
        raise PresetError(f"{path}: no panel; at least one of these tables is needed: {' '.join(PANEL_TABLES)}")
    return Signals(name=path.stem, **values)


def _find(name_or_path: str) -> Path:
    if name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path:
        return Path(name_or_path).expanduser()
    shipped = {name: presets_dir() / "signals" / f"{name}.toml" for name in list_signals()}
    if name_or_path not in shipped:
        near = difflib.get_close_matches(name_or_path, shipped, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise PresetError(
            f"--signals {name_or_path!r}: no such signals preset; {hint}"
            f"allowed: {' '.join(shipped)}, or a file that ends in .toml"
        )
    return shipped[name_or_path]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise PresetError(f"{str(path)!r}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(text) > _MAX_FILE_BYTES:
        raise PresetError(f"{path}: larger than the {_MAX_FILE_BYTES} bytes allowed for a preset")
    try:
        return tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PresetError(f"{path}: not valid TOML: {str(error).splitlines()[0]}") from None


def _flatten(path: Path, tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Go through dotted keys and their values; only the known tables are opened."""
    for key, value in tables.items():
        if key not in _TABLES:
            yield key, value
        elif isinstance(value, dict):
            yield from ((f"{key}.{inner}", inner_value) for inner, inner_value in value.items())
        else:
            raise PresetError(f"{path}, {key}: {_shown(value)} is not allowed; it must be a table, written [{key}]")


def _known_keys(key: str) -> str:
    """Say which key was likely meant, and which are allowed where it stands."""
    near = difflib.get_close_matches(key, [*_KEYS, *_TABLES], 1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    prefix = key.rpartition(".")[0]
    tables = () if prefix else (f"[{table}]" for table in _TABLES)
    return f"{hint}allowed: {' '.join([*(known for known in _KEYS if known.rpartition('.')[0] == prefix), *tables])}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
