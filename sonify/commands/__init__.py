"""The command line: one file a command. Command modules import only light things at the top, so that help is quick."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from sonify import __version__
from sonify.errors import EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_INTERRUPTED, SonifyError

__all__ = ["COMMANDS", "main", "printable"]

# each is the function of that name in sonify.commands.NAME
COMMANDS = (
    "render",
    "listen",
    "record",
    "verify",
    "diagnose",
    "calibrate",
    "legend",
    "quiz",
    "simulate",
    "presets",
    "surface",
    "devices",
    "midi",
)

_EPILOG = """\b
Examples:
  sonify render samples/incident.jsonl.gz -o incident.wav
  sonify render sim:overload -o overload.flac --length 30s
  sonify render prometheus+http://127.0.0.1:9090 -o last-hour.wav --since -1h
  sonify simulate busy --serve 127.0.0.1:9464
"""


class _Group(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"sonify.commands.{name}"), name)
        return command


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="sonify %(version)s")
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
def _sonify(debug: bool) -> None:
    """Hear production: metrics in, sound out.

    Low notes are fast requests and high notes slow ones, loud is busy; overtones are fallbacks, roughness is errors,
    noise bursts are glitches.
    """


def printable(text: str) -> str:
    """Replace what could steer a terminal: text from metrics and servers is not to be trusted."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _fail(message: str, exit_code: int) -> None:
    click.echo(f"sonify: {printable(message)}", err=True)
    sys.exit(exit_code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error that was foreseen is one line, with 2 for bad input and 1 for failure."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        result: Any = _sonify.main(args=given, prog_name="sonify", standalone_mode=False)
    except SonifyError as error:
        if "--debug" in given:
            raise
        _fail(" ".join(str(error).split()), error.exit_code)
    except click.Abort:
        _fail("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nothing is left to say
        sys.exit(EXIT_FAILURE)
    else:
        _leave(result if isinstance(result, int) else 0)


def _leave(exit_code: int) -> NoReturn:
    """End at once: everything is written, and taking compiler and kernels down in order takes another 0.2 s."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
