"""``sonify listen --config FILE``: everything that the command line says, in a file, for a service."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sonify.errors import UsageError

__all__ = ["ListenConfig", "SourceConfig", "load_config"]


class SourceConfig(NamedTuple):
    """A source as a person names it: spec, signals preset, options ``KEY=VALUE``."""

    spec: str
    signals: str = "auto"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """What is wanted, as text and numbers; None where the file says nothing.

    Attributes
    ----------
    sources : tuple of SourceConfig
        At least one.
    sound, device, channels, ahead, record, midi, midi_in, surface, metrics : str or None
        As after the options of these names; a path that is not absolute is taken from the file's folder.
    rate, block, seed : int or None
        Likewise.
    """

    sources: tuple[SourceConfig, ...]
    sound: str | None = None
    device: str | None = None
    channels: str | None = None
    ahead: str | None = None
    record: str | None = None
    midi: str | None = None
    midi_in: str | None = None
    surface: str | None = None
    metrics: str | None = None
    rate: int | None = None
    block: int | None = None
    seed: int | None = None


_TEXTS = ("sound", "device", "channels", "ahead", "record", "midi", "midi_in", "surface", "metrics")
_NUMBERS = ("rate", "block", "seed")
_OF_SOURCE = ("spec", "signals", "options")


def load_config(path: Path) -> ListenConfig:
    """Read a configuration.

    Raises
    ------
    UsageError
        It cannot be read, or holds a key or value that is not allowed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    _refuse_others(path, table, ("source", *_TEXTS, *_NUMBERS))
    values: dict[str, Any] = {}
    for key in _TEXTS:
        if key in table:
            values[key] = _text(f"{path}, {key}", table[key])
    for key in _NUMBERS:
        if key in table:
            if isinstance(table[key], bool) or not isinstance(table[key], int) or table[key] < 0:
                raise UsageError(f"{path}, {key}: {table[key]!r} is not allowed; it must be a whole number from 0 up")
            values[key] = table[key]
    for key in ("record", "sound"):
        if key in values and (key == "record" or values[key].endswith(".toml")):
            values[key] = str(path.parent / Path(values[key]).expanduser())
    return ListenConfig(sources=_sources(path, table.get("source")), **values)


def _sources(path: Path, tables: object) -> tuple[SourceConfig, ...]:
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{path}, source: missing; at least one [[source]] table is needed")
    sources = []
    for index, table in enumerate(tables):
        where = f"{path}, source[{index}]"
        if not isinstance(table, dict):
            raise UsageError(f"{where}: write each source as its own [[source]] table")
        _refuse_others(where, table, _OF_SOURCE)
        if "spec" not in table:
            raise UsageError(f'{where}.spec: missing; such as spec = "prometheus+http://127.0.0.1:9090"')
        signals = _text(f"{where}.signals", table.get("signals", "auto"))
        options = table.get("options", {})
        if not isinstance(options, dict) or not all(isinstance(value, (str, int, float)) for value in options.values()):
            raise UsageError(f'{where}.options: must be a table such as {{ interval = "1s" }}')
        given = tuple(f"{key}={value}" for key, value in options.items())
        sources.append(SourceConfig(_text(f"{where}.spec", table["spec"]), signals, given))
    return tuple(sources)


def _refuse_others(where: object, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: {key}: no such key; allowed: {' '.join(known)}")


def _text(where: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise UsageError(f"{where}: {value!r} is not allowed; it must be text")
    return str(value)
