"""Sound presets as TOML files: the shipped ones by name, others by path; what is not allowed is one line of error."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

from sonify.errors import PresetError
from sonify.mapping.preset import SECTIONS, Eq, SoundPreset, default_limits
from sonify.mapping.schema import build_section, suggest
from sonify.metrics.panels import PANELS, Limits
from sonify.paths import presets_dir
from sonify.units import parse_quantity

__all__ = ["list_sound_presets", "load_sound_preset", "parse_sound_preset", "preset_path"]

_OTHER_KEYS = ("title", "purpose", "limits", "eq", "baseline")


def list_sound_presets() -> list[str]:
    """Names of the shipped sound presets."""
    return sorted(path.stem for path in (presets_dir() / "sound").glob("*.toml"))


def preset_path(name_or_path: str) -> Path:
    """File of a shipped preset by name, or of one's own by path (anything with a slash or ``.toml``).

    Raises
    ------
    PresetError
        No preset is shipped under this name.
    """
    is_path = _is_path(name_or_path)
    path = Path(name_or_path).expanduser() if is_path else presets_dir() / "sound" / f"{name_or_path}.toml"
    if not is_path and not path.is_file():
        known = list_sound_presets()
        raise PresetError(
            f"no sound preset named {name_or_path!r}{suggest(name_or_path, known)} (or the path of a .toml file)"
        )
    return path


def _is_path(name_or_path: str) -> bool:
    return name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path


def load_sound_preset(name_or_path: str) -> SoundPreset:
    """Load a preset; see `preset_path` for how it is named.

    Raises
    ------
    PresetError
        No such preset, not TOML, or a key that is not allowed.
    """
    path = preset_path(name_or_path)
    where = str(path) if _is_path(name_or_path) else path.name
    try:
        return parse_sound_preset(path.read_text(encoding="utf-8"), where, path.stem)
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def parse_sound_preset(toml: str, where: str, name: str) -> SoundPreset:
    """Make a preset from TOML text; `where` names the file in messages."""
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{where}: not valid TOML: {error}") from None
    known = [*_OTHER_KEYS[:2], *SECTIONS, *_OTHER_KEYS[2:]]
    for key in table:
        if key not in known:
            raise PresetError(f"{where}: {key}: no such key{suggest(key, known)}")
    for key in ("title", "purpose"):
        if not isinstance(table.get(key, ""), str):
            raise PresetError(f"{where}: {key} = {table[key]!r}: not allowed; it must be text in quotes")
    sections: dict[str, Any] = {
        key: build_section(kind, table[key], f"{where}: {key}") for key, kind in SECTIONS.items() if key in table
    }
    preset = SoundPreset(
        name=name,
        title=table.get("title", ""),
        purpose=table.get("purpose", ""),
        limits=_parse_limits(table.get("limits", {}), where),
        eq=_parse_eq(table.get("eq", []), where),
        **sections,
    )
    _check_ranges(preset, where)
    return dataclasses.replace(preset, baseline=_parse_baseline(table.get("baseline"), preset, where))


def _parse_limits(table: object, where: str) -> dict[str, Limits]:
    limits = default_limits()
    units = {panel.name: panel.unit for panel in PANELS}
    if not isinstance(table, dict):
        raise PresetError(f'{where}: limits: must be a table such as error_ratio = ["1%", "5%"]')
    for panel, pair in table.items():
        if panel not in limits:
            raise PresetError(f"{where}: limits.{panel}: no such panel{suggest(panel, list(limits))}")
        try:
            yellow, red = (parse_quantity(value, units[panel])[0] for value in pair)
        except Exception:
            yellow, red = 1.0, 0.0
        if not 0.0 <= yellow <= red < float("inf"):
            raise PresetError(
                f"{where}: limits.{panel} = {pair!r}: not allowed; it must be [yellow, red], rising, "
                f"from 0 up{' in ' + units[panel] if units[panel] else ''}"
            )
        limits[panel] = Limits(yellow, red)
    return limits


def _parse_eq(tables: object, where: str) -> tuple[Eq, ...]:
    if not isinstance(tables, list):
        raise PresetError(f"{where}: eq: write each EQ band as its own [[eq]] table")
    return tuple(build_section(Eq, table, f"{where}: eq[{index}]") for index, table in enumerate(tables))


def _check_ranges(preset: SoundPreset, where: str) -> None:
    for section, low, high in (
        ("bands", preset.bands.low, preset.bands.high),
        ("pitch", preset.pitch.low_note, preset.pitch.high_note),
    ):
        names = ("low", "high") if section == "bands" else ("low_note", "high_note")
        if not low < high:
            raise PresetError(
                f"{where}: {section}.{names[1]} = {high:g}: not allowed; it must be over {names[0]} ({low:g})"
            )


def _parse_baseline(table: object, preset: SoundPreset, where: str) -> dict[str, tuple[float, ...]] | None:
    if table is None:
        return None
    count = preset.bands.count
    allowed = f"not allowed; it must be {count} rates from 0 up in 1/s, one a latency band"
    if not isinstance(table, dict):
        raise PresetError(f"{where}: baseline: must be a table of backends")
    for backend, rates in table.items():
        good = isinstance(rates, list) and len(rates) == count
        if not good or not all(isinstance(rate, (int, float)) and 0.0 <= rate < float("inf") for rate in rates):
            raise PresetError(f"{where}: baseline.{backend}: {allowed}")
    return {backend: tuple(float(rate) for rate in rates) for backend, rates in table.items()}
