"""``sonify presets``: list them, show one, check one, explain the keys."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sonify.errors import EXIT_FAILURE

if TYPE_CHECKING:
    from sonify.lint.masking import Hidden
    from sonify.lint.steps import Step

__all__ = ["presets"]

_EPILOG = """\b
Examples:
  sonify presets list
  sonify presets show code-live > mine.toml
  sonify presets check mine.toml
  sonify presets check code-live --strict
  sonify presets check mine.toml --signals
  sonify presets show envoy --queries
  sonify presets keys
"""


@click.group(epilog=_EPILOG)
def presets() -> None:
    """Work with sound presets (how panels become sound) and signals presets (which metrics make the panels)."""


@presets.command("list")
def list_() -> None:
    """List the shipped presets and what each is for.

    Of a signals preset also how its names were verified: live (seen on a running system), page (on a page that somebody
    recorded), source (in the program's source) or docs (in its documentation); the preset itself says of which version.
    """
    from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
    from sonify.readers.signals import list_signals, load_signals

    click.echo("sound")
    for name in list_sound_presets():
        click.echo(f"  {name:<16}{load_sound_preset(name).purpose}")
    click.echo("signals")
    for name in list_signals():
        signals = load_signals(name)
        click.echo(f"  {name:<16}{signals.state:<8}{signals.description}")


@presets.command()
@click.argument("name")
@click.option("--signals", is_flag=True, help="The signals preset of that name, where a sound preset has it too.")
@click.option("--queries", is_flag=True, help="The PromQL of each panel of a signals preset (NAME may be a file).")
@click.option("--window", default="1m", show_default=True, help="What the rates of --queries are taken over.")
def show(name: str, signals: bool, queries: bool, window: str) -> None:
    """Print a shipped preset, ready to be copied and changed; or what it asks a Prometheus server."""
    if queries:
        from sonify.readers.preset_queries import queries_text
        from sonify.readers.signals import load_signals

        click.echo(queries_text(load_signals(_name_or_path(name)), window), nl=False)
        return
    from sonify.errors import PresetError
    from sonify.mapping.schema import suggest
    from sonify.paths import presets_dir

    folders = ("signals",) if signals else ("sound", "signals")
    found = [path for folder in folders if (path := presets_dir() / folder / f"{name}.toml").is_file()]
    if not found:
        known = sorted({path.stem for folder in folders for path in (presets_dir() / folder).glob("*.toml")})
        raise PresetError(f"no preset named {name!r}{suggest(name, known)}")
    click.echo(found[0].read_text(encoding="utf-8"), nl=False)


@presets.command()
@click.argument("preset")
@click.option("--signals", is_flag=True, help="PRESET is a signals preset.")
@click.option(
    "--strict", is_flag=True, help="Exit with 1 where a voice is hidden or a step is too small to be noticed."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def check(preset: str, signals: bool, strict: bool, as_json: bool) -> None:
    """Check PRESET, a file or the name of a shipped one; the exit code is 2 where something is not allowed.

    Of a sound preset it also says which voices hide each other (from a model of the ear, when all is well and when all
    is in the red), what would free them, and by how many just-noticeable differences each panel's sound changes from
    green to yellow to red.
    """
    if signals:
        from sonify.readers.signals import load_signals

        load_signals(_name_or_path(preset))
        click.echo(json.dumps({"preset": preset, "kind": "signals"}) if as_json else f"{preset}: good")
        return
    from sonify.mapping.mapper import Mapper
    from sonify.mapping.preset_file import load_sound_preset

    sound = load_sound_preset(_name_or_path(preset))
    Mapper(sound, ("backend",))  # finds a scale with too few notes

    from sonify.lint.masking import find_hidden
    from sonify.lint.steps import steps_of

    hidden, steps = find_hidden(sound), steps_of(sound)
    if as_json:
        click.echo(json.dumps(_as_json(preset, hidden, steps), indent=2))
    else:
        click.echo(f"{preset}: good")
        for one in hidden:
            click.echo(str(one))
        click.echo("heard in green, yellow and red, and the just-noticeable differences between them:")
        for step in steps:
            click.echo(f"  {step}")
    if strict and (hidden or not all(step.is_clear for step in steps)):
        click.get_current_context().exit(EXIT_FAILURE)


def _as_json(preset: str, hidden: list[Hidden], steps: list[Step]) -> dict[str, object]:
    return {
        "preset": preset,
        "kind": "sound",
        "hidden": [dataclasses.asdict(one) for one in hidden],
        "steps": [{**dataclasses.asdict(step), "clear": step.is_clear} for step in steps],
    }


def _name_or_path(preset: str) -> str:
    """Spell a file so that it cannot be taken for the name of a shipped preset."""
    return str(Path.cwd() / preset) if Path(preset).is_file() and "/" not in preset else preset


@presets.command()
def keys() -> None:
    """List every key of a sound preset: its default, what is allowed, what it does."""
    from sonify.mapping.preset import SECTIONS, Eq
    from sonify.mapping.schema import key_of

    for section, kind in [*SECTIONS.items(), ("[eq]", Eq)]:
        click.echo(f"[{section}]")
        for field in dataclasses.fields(kind):
            key = key_of(field)
            default = f'"{field.default}"' if isinstance(field.default, str) else f"{field.default}"
            click.echo(f"  {field.name} = {default}")
            click.echo(f"      {key.help}; {key.allowed()}")
