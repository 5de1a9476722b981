"""One grammar for every source of metrics, and the protocol that each reader fulfils."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from threading import Event
from typing import Any, Protocol, cast

from sonify.errors import ReaderError
from sonify.metrics.frame import MetricFrame
from sonify.metrics.recording import Recording
from sonify.readers.options import parse_options

__all__ = ["ALL", "SOURCES", "Source", "SourceKind", "Update", "open_source"]

ALL = "all"  # name of the only backend where no label names one


@dataclass(frozen=True, slots=True)
class Update:
    """What a source that is followed hands over, about once an interval, whether it is well or lost.

    Attributes
    ----------
    frame : MetricFrame
        The newest panels; unmeasured and not fresh while the source is lost. A backend that appears changes its layout.
    lag_s : float
        How far behind the clock its newest data were when it was handed over, in s; NaN while there are none.
    panel_age_s : mapping of str to float
        Age of each panel's newest data in s, by table of the signals preset; a panel that never came is left out.
    problem : str
        Why the source is lost, in one line; empty while all is well.
    notices : tuple of str
        What a person should know; each is said once in the life of the source.
    """

    frame: MetricFrame
    lag_s: float
    panel_age_s: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    notices: tuple[str, ...] = ()


class Source(Protocol):
    """A place metrics come from.

    Attributes
    ----------
    warnings : list of str
        What the last `read` could not be sure of; a line each, for a person.
    """

    warnings: list[str]

    @property
    def title(self) -> str:
        """What it is called where a person watches: kind and place, no secrets ("Prometheus 127.0.0.1:9090")."""
        ...

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read a range of time (Unix s; None: as the source thinks best) and raise ReaderError where it cannot."""
        ...

    def follow(self, stop: Event) -> Iterator[Update]:
        """Hand over updates as time passes, until `stop` is set or nothing more can come.

        It waits by itself, and never longer than a tenth of a second after `stop` is set. A source that is lost is no
        error: updates say so, and it recovers by itself. ReaderError is raised only by what no waiting can mend: an
        address that cannot be bound, a preset that is not there, a source that has no live side.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A row of the registry.

    Attributes
    ----------
    spelling : str
        How a person writes it, for help and messages.
    prefixes, suffixes : tuple of str
        What a spec of this kind begins or ends with.
    opener : str
        ``module:function``, imported when needed; called with the spec, the name of the signals preset, and the options
        that were given as keywords.
    options : tuple of str
        Names of the options it takes, out of `sonify.readers.options.OPTIONS`.
    """

    spelling: str
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    opener: str
    options: tuple[str, ...] = ()

    def matches(self, spec: str) -> bool:
        """Whether a spec is of this kind."""
        return spec.startswith(self.prefixes) or spec.lower().endswith(self.suffixes)


_HTTP_OPTIONS = (
    "header", "bearer", "bearer-file", "bearer-env", "tenant", "ca", "cert", "key", "timeout", "retries",
)  # fmt: skip

_TABLE_OPTIONS = ("interval", "window", "format", "field", "unit", "engine")

SOURCES: tuple[SourceKind, ...] = (
    SourceKind(
        "sim:SCENARIO", ("sim:",), (), "sonify.readers.simulation:open_simulation_source", ("interval", "speed")
    ),
    SourceKind(
        "prometheus+http(s)://HOST:PORT[/PREFIX]",
        ("prometheus+http://", "prometheus+https://"),
        (),
        "sonify.readers.prometheus:open_prometheus_source",
        ("step", "interval", "window", *_HTTP_OPTIONS),
    ),
    SourceKind(
        "scrape+http(s)://HOST:PORT/metrics",
        ("scrape+http://", "scrape+https://"),
        (),
        "sonify.readers.scrape:open_scrape_source",
        ("target", "interval", "window", *_HTTP_OPTIONS),
    ),
    SourceKind(
        "otlp://HOST:4318",
        ("otlp://", "otlp+grpc://"),
        (),
        "sonify.readers.otlp:open_otlp_source",
        ("interval", "window", "stale-after"),
    ),
    SourceKind(
        "statsd://HOST:8125",
        ("statsd://",),
        (),
        "sonify.readers.statsd:open_statsd_source",
        ("interval", "window", "stale-after"),
    ),
    SourceKind(
        "FILE.jsonl[.gz]",
        (),
        (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
        "sonify.readers.recording_file:open_jsonl_source",
        ("speed", *_TABLE_OPTIONS),
    ),
    SourceKind(
        "FILE.log|.csv|.parquet[.gz]",
        ("log:",),
        (".log", ".log.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet"),
        "sonify.readers.table_file:open_table_source",
        _TABLE_OPTIONS,
    ),
    SourceKind("FILE.hlog", (), (".hlog", ".hlog.gz"), "sonify.readers.hlog:open_hlog_source", ("interval", "unit")),
    SourceKind(
        "FILE.jtl, k6:FILE.json|.csv, jmeter:FILE, locust:FILE_stats_history.csv",
        ("k6:", "jmeter:", "locust:"),
        (".jtl", ".jtl.gz", ".json", ".json.gz"),
        "sonify.readers.load_test:open_load_test_source",
        ("interval", "field"),
    ),
)


def open_source(spec: str, signals: str = "auto", options: Sequence[str] = ()) -> Source:
    """Open what a person named.

    Parameters
    ----------
    spec : str
        A source in the grammar of `SOURCES`.
    signals : str
        Name or file of the signals preset, for the kinds that need one; ``auto`` lets the source choose.
    options : sequence of str
        ``KEY=VALUE`` each, as after ``--option``.

    Raises
    ------
    ReaderError
        No kind of source is written like this, or it does not take an option; the message lists what is allowed.
    """
    kind = next((kind for kind in SOURCES if kind.prefixes and spec.startswith(kind.prefixes)), None)
    kind = kind or next((kind for kind in SOURCES if kind.matches(spec)), None)
    if kind is None:
        raise ReaderError(f"{spec!r} is not a source; allowed: {', '.join(kind.spelling for kind in SOURCES)}")
    values: dict[str, Any] = parse_options(kind.spelling, options, kind.options)
    module, _, attribute = kind.opener.partition(":")
    opener = cast("Callable[..., Source]", getattr(import_module(module), attribute))
    return opener(spec, signals, **values)
