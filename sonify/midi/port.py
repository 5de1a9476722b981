"""Names of MIDI ports, and the small language between this program and the process that holds a port.

Only the standard library is imported: the process of a port (`sonify.midi.port_process`) starts quickly.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import IO, NamedTuple

__all__ = [
    "AT_END",
    "EVENT",
    "VIRTUAL",
    "WHAT_IS_MISSING",
    "Command",
    "PortWish",
    "encode",
    "find_port",
    "parse_wish",
    "plain_name",
    "read_command",
]

VIRTUAL = "virtual"
SYSTEMS = ("alsa", "jack", "core", "windows")  # MIDI systems that a name may begin with, as in jack:virtual
WHAT_IS_MISSING = "the Python package python-rtmidi is not installed: pip install 'sonify[midi]'"

_ALSA_NUMBERS = re.compile(r"\s+\d+:\d+$")
_WINDOWS_PREFIX, _WINDOWS_NUMBER = re.compile(r"^\d+\s*-\s+"), re.compile(r"\s+\d+$")


class PortWish(NamedTuple):
    """Which port is wanted. `system` is one of `SYSTEMS`, or empty: whichever has it."""

    name: str
    system: str = ""

    @property
    def is_virtual(self) -> bool:
        """Whether it is to be made, rather than found."""
        return self.name == VIRTUAL


def parse_wish(text: str) -> PortWish:
    """Split what a person typed, such as ``virtual``, ``jack:virtual``, ``nanoKONTROL2`` or ``alsa:Midi Through``."""
    system, colon, rest = text.strip().partition(":")
    if colon and system.lower() in SYSTEMS and rest.strip():
        return PortWish(rest.strip(), system.lower())
    return PortWish(text.strip())


def plain_name(name: str) -> str:
    """Strip a port's name of what changes when it is plugged in again, such as ALSA's numbers; for comparisons."""
    return " ".join(_ALSA_NUMBERS.sub("", name.strip()).casefold().split())


def _plainest_name(name: str) -> str:
    """Also without the numbers that Windows puts around names."""
    return _WINDOWS_NUMBER.sub("", _WINDOWS_PREFIX.sub("", plain_name(name)))


def find_port(wanted: str, names: Sequence[str]) -> int | None:
    """Find a port by its name, as exactly as there is one; then without numbers; then by a part of it.

    Parameters
    ----------
    wanted : str
        What a person typed, or the name that a port had before.
    names : sequence of str
        Of the ports there are.

    Returns
    -------
    int or None
        Index of the first that fits best.
    """
    if not wanted.strip():
        return None
    for same in (str.strip, plain_name, _plainest_name):
        for index, name in enumerate(names):
            if same(name) == same(wanted):
                return index
    part = plain_name(wanted)
    return next((index for index, name in enumerate(names) if part in plain_name(name)), None)


# -- what is said to the process of a port ---------------------------------------------------------------------------

EVENT, AT_END = 1, 2
_HEAD = struct.Struct("<BdI")
_LONGEST = 1 << 16


class Command(NamedTuple):
    """One thing told.

    `EVENT`: a message to be sent at a time of the monotonic clock. `AT_END`: one more message to be sent at the very
    end; an empty one forgets them all.
    """

    kind: int
    at_s: float
    message: bytes


def encode(command: Command) -> bytes:
    """Bytes of a command."""
    if len(command.message) > _LONGEST:
        raise ValueError(f"a message of {len(command.message)} bytes is longer than {_LONGEST}")
    return _HEAD.pack(command.kind, command.at_s, len(command.message)) + command.message


def read_command(stream: IO[bytes]) -> Command | None:
    """Read the next command; None at the end of the stream."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, at_s, size = _HEAD.unpack(head)
    message = stream.read(size)
    return Command(kind, at_s, message) if len(message) == size else None
