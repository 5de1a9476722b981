"""MIDI learn: which knob or button of any controller turns what, asked once and kept in a file.

Knobs and faders take over softly (`sonify.midi.surfaces.takeover`): nothing jumps.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sonify.errors import PresetError
from sonify.midi.port import find_port, plain_name
from sonify.midi.surfaces.scene import STAGES, TRIM_RANGE_DB, Action
from sonify.midi.surfaces.takeover import Takeover

__all__ = [
    "TARGETS",
    "Binding",
    "Bindings",
    "Learned",
    "Listener",
    "Standing",
    "find_bindings",
    "load_bindings",
    "save_bindings",
]

Bindings = Mapping[str, "Binding"]

_NUM_STRIPS = 8
_HIGHEST_AMOUNT = 2.0
_HALF = 64
_LEAST_TRAVEL = 6  # of 127: a knob that was touched by accident is not the one that is meant
_KINDS = {0xB0: "control", 0x90: "note", 0xE0: "pitch"}

# what can be learned, in the order in which it is asked: how it is called, and whether it is a knob
TARGETS: dict[str, tuple[str, bool]] = {
    "level": ("level of everything (knob or fader)", True),
    "eq": ("amount of the EQ (knob or fader)", True),
    "compressor": ("amount of the compressor (knob or fader)", True),
    "reverb": ("amount of the reverb (knob or fader)", True),
    "mute": ("mute everything (button)", False),
    "acknowledge": ("acknowledge alarms (button)", False),
    "next-preset": ("next sound preset (button)", False),
    "previous-preset": ("previous sound preset (button)", False),
    **{f"trim-{n}": (f"level of backend {n} (knob or fader)", True) for n in range(1, _NUM_STRIPS + 1)},
    **{f"solo-{n}": (f"solo of backend {n} (button)", False) for n in range(1, _NUM_STRIPS + 1)},
    **{f"mute-{n}": (f"mute of backend {n} (button)", False) for n in range(1, _NUM_STRIPS + 1)},
}


class Binding(NamedTuple):
    """A knob or button: `kind` is ``control``, ``note`` or ``pitch`` (whose number is 0); channels count from 1."""

    kind: str
    channel: int
    number: int = 0

    @property
    def words(self) -> str:
        """As a person reads it."""
        what = {"control": f"controller {self.number}", "note": f"note {self.number}", "pitch": "pitch bend"}
        return f"{what[self.kind]}, channel {self.channel}"


def _read(message: bytes) -> tuple[Binding, float] | None:
    """Which knob or button a message is from, and its place, 0–1; None where it is neither."""
    if len(message) != 3 or message[0] >= 0xF0:
        return None
    kind, channel = message[0] & 0xF0, (message[0] & 0x0F) + 1
    if kind == 0x80:
        return Binding("note", channel, message[1]), 0.0
    if kind == 0xE0:
        return Binding("pitch", channel), (message[1] + 128 * message[2]) / 16383.0
    return (Binding(_KINDS[kind], channel, message[1]), message[2] / 127.0) if kind in _KINDS else None


class Listener:
    """Hear out which knob or button somebody means.

    Parameters
    ----------
    is_knob : bool
        What is asked for: something that is moved, or something that is pressed.
    """

    def __init__(self, *, is_knob: bool) -> None:
        self._is_knob = is_knob
        self._first: dict[Binding, float] = {}

    def hear(self, message: bytes) -> Binding | None:
        """Take a message; what is meant, as soon as that is clear."""
        read = _read(message)
        if read is None:
            return None
        binding, place = read
        if not self._is_knob:
            return binding if binding.kind != "pitch" and place > 0.0 else None
        first = self._first.setdefault(binding, place)
        return binding if binding.kind != "note" and abs(place - first) * 127.0 >= _LEAST_TRAVEL else None


class Standing(NamedTuple):
    """Where everything stands that a knob can turn: levels in dB, amounts 0–2, and the backends in order."""

    level_db: float
    amounts: Mapping[str, float]
    backends: Sequence[str]
    trim_db: Mapping[str, float]


class Learned:
    """Turn messages into actions.

    Parameters
    ----------
    bindings : mapping of str to Binding
        By the names of `TARGETS`.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._targets: dict[Binding, list[str]] = {}
        for target, binding in bindings.items():
            self._targets.setdefault(binding, []).append(target)
        self._takeovers = {target: Takeover() for target in bindings}
        self._places: dict[Binding, float] = {}

    def lose(self) -> None:
        """Forget where the knobs are: they may have been turned while nobody looked."""
        for takeover in self._takeovers.values():
            takeover.lose()
        self._places.clear()

    def handle(self, message: bytes, standing: Standing) -> list[Action]:
        """List what a message asks for."""
        read = _read(message)
        if read is None:
            return []
        binding, place = read
        before, self._places[binding] = self._places.get(binding, 0.0), place
        is_pressed = place > 0.0 if binding.kind == "note" else place * 127.0 >= _HALF > before * 127.0
        actions = []
        for target in self._targets.get(binding, []):
            if TARGETS[target][1]:
                actions += self._turned(target, place, standing)
            elif is_pressed:
                actions += _pressed(target, standing.backends)
        return actions

    def _turned(self, target: str, place: float, standing: Standing) -> list[Action]:
        low, high = (0.0, _HIGHEST_AMOUNT) if target in STAGES else TRIM_RANGE_DB
        if target in STAGES:
            action, value = Action("amount", target), standing.amounts[target]
        elif target == "level":
            action, value = Action("level"), standing.level_db
        else:
            backend = _backend(target, standing.backends)
            if backend is None:
                return []
            action, value = Action("trim", backend), standing.trim_db.get(backend, 0.0)
        taken = self._takeovers[target].move(place, (value - low) / (high - low))
        return [] if taken is None else [action._replace(value=low + taken * (high - low))]


def _backend(target: str, backends: Sequence[str]) -> str | None:
    """Backend of a target such as ``solo-2``."""
    index = int(target.rpartition("-")[2]) - 1
    return backends[index] if index < len(backends) else None


def _pressed(target: str, backends: Sequence[str]) -> list[Action]:
    whole = {
        "mute": Action("mute_all"),
        "acknowledge": Action("acknowledge"),
        "next-preset": Action("preset", value=1.0),
        "previous-preset": Action("preset", value=-1.0),
    }
    if target in whole:
        return [whole[target]]
    backend = _backend(target, backends)
    return [] if backend is None else [Action(target.partition("-")[0], backend)]


# -- the file ----------------------------------------------------------------------------------------------------------


def _folder() -> Path:
    """Folder of the user's own settings."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", "~"))
    elif sys.platform == "darwin":
        base = Path("~/Library/Application Support")
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return base.expanduser() / "sonify" / "midi"


def save_bindings(port: str, bindings: Bindings) -> Path:
    """Keep what was learned of a port, beside what was learned before; the file.

    Raises
    ------
    PresetError
        It cannot be written, or what is there cannot be read.
    """
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in plain_name(port)).strip("-")
    path = _folder() / f"{name or 'port'}.toml"
    known = {**(load_bindings(path)[1] if path.is_file() else {}), **bindings}
    lines = ["# written by: sonify midi learn", f"port = {_quoted(port)}", "", "[controls]"]
    lines += [f"{target} = {_table(known[target])}" for target in TARGETS if target in known]
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise PresetError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def _quoted(text: str) -> str:
    return json.dumps("".join(char if char.isprintable() else "?" for char in text), ensure_ascii=False)


def _table(binding: Binding) -> str:
    number = f"number = {binding.number}, " if binding.kind != "pitch" else ""
    return f'{{ kind = "{binding.kind}", {number}channel = {binding.channel} }}'


def load_bindings(path: Path) -> tuple[str, dict[str, Binding]]:
    """Read a file: the port it is for, and what each target is bound to.

    Raises
    ------
    PresetError
        It cannot be read, or holds what is not allowed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{path}: not valid TOML: {error}") from None
    port, controls = table.get("port"), table.get("controls")
    if not isinstance(port, str) or not isinstance(controls, dict):
        raise PresetError(f'{path}: needs port = "NAME" and a table [controls]')
    bindings = {}
    for target, value in controls.items():
        if target not in TARGETS:
            raise PresetError(f"{path}, controls.{target}: no such control; allowed: {' '.join(TARGETS)}")
        bindings[target] = _binding(f"{path}, controls.{target}", value)
    return port, bindings


def _binding(where: str, value: Any) -> Binding:
    table = value if isinstance(value, dict) else {}
    kind, channel, number = table.get("kind"), _whole(table.get("channel")), _whole(table.get("number", 0))
    if kind not in _KINDS.values() or not 1 <= channel <= 16 or not 0 <= number <= 127:
        raise PresetError(
            f'{where}: must be such as {{ kind = "control", number = 7, channel = 1 }}; '
            "kinds are control, note and pitch, numbers 0 to 127, channels 1 to 16"
        )
    return Binding(str(kind), channel, number)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def find_bindings(port: str) -> dict[str, Binding]:
    """Find what was learned of a port, by its name or a part of it.

    Raises
    ------
    PresetError
        Nothing was learned of it, or its file is not valid.
    """
    folder = _folder()
    files: Iterable[Path] = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    known = [load_bindings(path) for path in files]
    index = find_port(port, [name for name, _ in known])
    if index is None:
        learned = ", ".join(name for name, _ in known) or "none"
        raise PresetError(f"nothing is learned of {port!r}: run sonify midi learn --port {port!r}; learned: {learned}")
    return known[index][1]
