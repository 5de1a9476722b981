"""Checking TOML against dataclasses: each field of a section states its unit, range and meaning, once.

A section is a frozen dataclass whose fields are made with `quantity`, `choice`, `text` or `curve`. `build_section`
makes a TOML table into it. Anything else is one line of error: file, key, value, what is allowed, and the nearest key.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sonify.errors import PresetError, UsageError
from sonify.units import parse_quantity

__all__ = ["Key", "build_section", "choice", "curve", "key_of", "quantity", "suggest", "text"]

Section = TypeVar("Section")
Points = tuple[tuple[float, float], ...]

_KEY = "sonify.key"


@dataclass(frozen=True, slots=True)
class Key:
    """What a preset key may hold.

    Attributes
    ----------
    kind : str
        ``quantity``, ``choice``, ``text`` or ``curve``.
    units : tuple of str
        Dimensions of a quantity, its own first; of a curve, those of its input.
    low, high : float
        Allowed range, in the first unit. For a curve: of its output.
    choices : tuple of str
        Allowed words.
    help : str
        What it does, for a person.
    """

    kind: str
    help: str
    units: tuple[str, ...] = ("",)
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    whole: bool = False

    def allowed(self) -> str:
        """Describe what is allowed."""
        if self.kind == "choice":
            return "one of " + ", ".join(f'"{word}"' for word in self.choices)
        if self.kind == "text":
            return "text in quotes"
        if self.kind == "curve":
            return f"rising pairs [value, output] with outputs from {self.low:g} to {self.high:g}"
        number = "a whole number" if self.whole else "a number"
        unit, *others = self.units
        own = f"{number} from {self.low:g} to {self.high:g}{f' {unit}' if unit not in ('', 'ratio') else ''}"
        return " or ".join([own, *(f"over 0 {other}" for other in others)])


def quantity(default: float, low: float, high: float, *units: str, help: str, whole: bool = False) -> Any:  # noqa: A002
    """Declare a number with a unit; `low` and `high` are in the first unit."""
    key = Key("quantity", help, units or ("",), low, high, whole=whole)
    return dataclasses.field(default=default, metadata={_KEY: key})


def choice(default: str, *choices: str, help: str) -> Any:  # noqa: A002
    """Declare one word out of several."""
    return dataclasses.field(default=default, metadata={_KEY: Key("choice", help, choices=choices)})


def text(default: str, *, help: str) -> Any:  # noqa: A002
    """Declare free text."""
    return dataclasses.field(default=default, metadata={_KEY: Key("text", help)})


def curve(default: Points, unit: str, low: float, high: float, *, help: str) -> Any:  # noqa: A002
    """Declare a curve: pairs of an input in `unit` and an output from `low` to `high`, both rising."""
    return dataclasses.field(default=default, metadata={_KEY: Key("curve", help, (unit,), low, high)})


def key_of(field: dataclasses.Field[Any]) -> Key:
    """Return the key that a field was declared with."""
    return cast("Key", field.metadata[_KEY])


def suggest(word: str, known: list[str]) -> str:
    """``; did you mean …?`` for the nearest known word, or what there is."""
    near = difflib.get_close_matches(word, known, 1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; allowed: {', '.join(known)}"


def build_section(kind: type[Section], table: object, where: str) -> Section:
    """Make a section from a TOML table.

    Parameters
    ----------
    kind : type
        A dataclass of declared keys.
    table : object
        What TOML held there.
    where : str
        File and section, for messages: ``my.toml: compressor``.

    Raises
    ------
    PresetError
        An unknown key, a wrong type, a value out of range.
    """
    if not isinstance(table, Mapping):
        raise PresetError(f"{where}: must be a table of keys, not {table!r}")
    fields = {field.name: field for field in dataclasses.fields(cast("Any", kind))}
    values = {}
    for name, value in table.items():
        if name not in fields:
            raise PresetError(f"{where}.{name} = {value!r}: no such key{suggest(name, list(fields))}")
        values[name] = _checked(key_of(fields[name]), value, f"{where}.{name}")
    return kind(**values)


def _checked(key: Key, value: object, where: str) -> object:
    problem = PresetError(f"{where} = {value!r}: not allowed; it must be {key.allowed()}")
    if key.kind in ("choice", "text"):
        if not isinstance(value, str) or (key.choices and value not in key.choices):
            raise problem
        return value
    if key.kind == "curve":
        return _checked_curve(key, value, problem)
    return _checked_number(key, value, problem)


def _checked_number(key: Key, value: object, problem: PresetError) -> float | str:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise problem
    try:
        number, unit = parse_quantity(value, *key.units)
    except UsageError:
        raise problem from None
    if unit != key.units[0]:
        if not 0.0 < number < math.inf:
            raise problem
        return str(value)  # in another unit than the key's own: whoever uses it translates it
    if not key.low <= number <= key.high or (key.whole and not number.is_integer()):
        raise problem
    return int(number) if key.whole else number


def _checked_curve(key: Key, value: object, problem: PresetError) -> Points:
    if not isinstance(value, list) or len(value) < 2:
        raise problem
    points = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], (int, float)):
            raise problem
        try:
            points.append((parse_quantity(pair[0], *key.units)[0], float(pair[1])))
        except UsageError:
            raise problem from None
    inputs, outputs = [p[0] for p in points], [p[1] for p in points]
    rising = all(a < b for a, b in itertools.pairwise(inputs)) and outputs == sorted(outputs)
    if not rising or outputs[0] < key.low or outputs[-1] > key.high or not all(map(math.isfinite, inputs)):
        raise problem
    return tuple(points)
