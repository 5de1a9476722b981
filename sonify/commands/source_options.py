"""Options that every command with a source has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["SOURCE_HELP", "source_options"]

SOURCE_HELP = """\b
Sources: FILE.jsonl[.gz], FILE.log|.csv|.parquet|.hlog|.jtl, prometheus+http(s)://HOST:PORT[/PREFIX],
scrape+http(s)://HOST:PORT/metrics, otlp://127.0.0.1:4318, statsd://127.0.0.1:8125, sim:SCENARIO.
"""


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add SOURCE, ``--signals`` and ``--option`` to a command: parameters `source`, `signals` and `options`."""
    command = click.option(
        "-O",
        "--option",
        "options",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the source, such as interval=250ms or bearer-file=token; may be repeated.",
    )(command)
    command = click.option(
        "--signals",
        default="auto",
        show_default=True,
        help="Signals preset: a name, a .toml file, or auto, which asks the source.",
    )(command)
    return click.argument("source")(command)
