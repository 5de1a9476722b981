"""``sonify presets``: list them, show one, check a file, explain the keys."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["presets"]

_EPILOG = """\b
Examples:
  sonify presets list
  sonify presets show code-live > mine.toml
  sonify presets check mine.toml
  sonify presets keys
"""


@click.group(epilog=_EPILOG)
def presets() -> None:
    """Work with sound presets (how panels become sound) and signals presets (which metrics make the panels)."""


@presets.command("list")
def list_() -> None:
    """List the shipped presets and what each is for."""
    from sonify.mapping.preset import list_sound_presets, load_sound_preset
    from sonify.readers.signals import list_signals, load_signals

    click.echo("sound")
    for name in list_sound_presets():
        click.echo(f"  {name:<16}{load_sound_preset(name).purpose}")
    click.echo("signals")
    for name in list_signals():
        click.echo(f"  {name:<16}{load_signals(name).description}")


@presets.command()
@click.argument("name")
@click.option("--signals", is_flag=True, help="The signals preset of that name, where a sound preset has it too.")
def show(name: str, signals: bool) -> None:
    """Print a shipped preset, ready to be copied and changed."""
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
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--signals", is_flag=True, help="FILE is a signals preset.")
def check(file: Path, signals: bool) -> None:
    """Check a preset file; the exit code is 2 where something is not allowed."""
    if signals:
        from sonify.readers.signals import load_signals

        load_signals(str(_as_path(file)))
    else:
        from sonify.mapping.mapper import Mapper
        from sonify.mapping.preset import load_sound_preset

        Mapper(load_sound_preset(str(_as_path(file))), ("backend",))  # also finds a scale with too few notes
    click.echo(f"{file}: good")


def _as_path(file: Path) -> Path:
    """Spell a file so that it cannot be taken for the name of a shipped preset."""
    return file if file.suffix == ".toml" else Path.cwd() / file


@presets.command()
def keys() -> None:
    """List every key of a sound preset: its default, what is allowed, what it does."""
    import dataclasses

    from sonify.mapping.preset import SECTIONS, Eq
    from sonify.mapping.schema import key_of

    for section, kind in [*SECTIONS.items(), ("[eq]", Eq)]:
        click.echo(f"[{section}]")
        for field in dataclasses.fields(kind):
            key = key_of(field)
            default = f'"{field.default}"' if isinstance(field.default, str) else f"{field.default}"
            click.echo(f"  {field.name} = {default}")
            click.echo(f"      {key.help}; {key.allowed()}")
