"""Write SuperCollider's SynthDef files (version 2) and OSC scores, so that the benchmark needs only scsynth.

Formats: "Synth Definition File Format" and "Non-Realtime Synthesis" in SuperCollider's help; Open Sound Control 1.0.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

SCALAR, CONTROL, AUDIO = 0, 1, 2

_BINARY = {"+": 0, "-": 1, "*": 2, "max": 13}
_UNARY_ABS = 5


class Signal(NamedTuple):
    """One output of one unit generator."""

    unit: int
    output: int
    rate: int


Input = Signal | float


class _Unit(NamedTuple):
    name: str
    rate: int
    inputs: tuple[Input, ...]
    num_outputs: int
    special: int


class SynthDef:
    """A graph of unit generators in the order in which they run.

    Create units close to where they are used: scsynth frees a wire buffer after its last reader, so a sum that is
    built up term by term stays in the processor's cache.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._units: list[_Unit] = []

    def unit(self, name: str, rate: int, *inputs: Input, num_outputs: int = 1, special: int = 0) -> list[Signal]:
        """Append a unit generator and return its outputs."""
        self._units.append(_Unit(name, rate, inputs, num_outputs, special))
        return [Signal(len(self._units) - 1, output, rate) for output in range(num_outputs)]

    def audio(self, name: str, *inputs: Input) -> Signal:
        """Append an audio-rate unit with one output."""
        return self.unit(name, AUDIO, *inputs)[0]

    def operator(self, sign: str, left: Input, right: Input) -> Signal:
        """Append ``+ - *`` or ``max`` of two signals; the faster rate of the two decides."""
        rate = max(signal.rate for signal in (left, right) if isinstance(signal, Signal))
        return self.unit("BinaryOpUGen", rate, left, right, special=_BINARY[sign])[0]

    def absolute(self, signal: Signal) -> Signal:
        """Append the absolute value."""
        return self.unit("UnaryOpUGen", signal.rate, signal, special=_UNARY_ABS)[0]

    def add_scaled(self, total: Signal | None, signal: Signal, gain: Input) -> Signal:
        """Append ``total + signal × gain`` in one unit; a control-rate gain is ramped over the block."""
        if total is None:
            return self.operator("*", signal, gain)
        return self.audio("MulAdd", signal, gain, total)

    def encode(self) -> bytes:
        """Return the definition as a file of its own (``SCgf``), ready for ``/d_recv``."""
        constants: dict[float, int] = {}
        units = b"".join(self._encode_unit(unit, constants) for unit in self._units)
        values = b"".join(struct.pack(">f", value) for value in constants)
        return b"".join(
            [
                struct.pack(">4sih", b"SCgf", 2, 1),
                _pascal(self.name),
                struct.pack(">i", len(constants)),
                values,
                struct.pack(">ii", 0, 0),  # no parameters, no names of parameters
                struct.pack(">i", len(self._units)),
                units,
                struct.pack(">h", 0),  # no variants
            ]
        )

    @staticmethod
    def _encode_unit(unit: _Unit, constants: dict[float, int]) -> bytes:
        parts = [_pascal(unit.name), struct.pack(">biih", unit.rate, len(unit.inputs), unit.num_outputs, unit.special)]
        for signal in unit.inputs:
            if isinstance(signal, Signal):
                parts.append(struct.pack(">ii", signal.unit, signal.output))
            else:
                parts.append(struct.pack(">ii", -1, constants.setdefault(float(signal), len(constants))))
        parts.append(struct.pack(">b", unit.rate) * unit.num_outputs)
        return b"".join(parts)


def _pascal(text: str) -> bytes:
    return struct.pack(">B", len(text)) + text.encode("ascii")


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def message(address: str, *arguments: int | float | str | bytes) -> bytes:
    """Encode one OSC message."""
    tags, body = ",", b""
    for argument in arguments:
        if isinstance(argument, bytes):
            tags, body = tags + "b", body + struct.pack(">i", len(argument)) + _padded(argument)
        elif isinstance(argument, str):
            tags, body = tags + "s", body + _padded(argument.encode() + b"\0")
        elif isinstance(argument, int):
            tags, body = tags + "i", body + struct.pack(">i", argument)
        else:
            tags, body = tags + "f", body + struct.pack(">f", argument)
    return _padded(address.encode() + b"\0") + _padded(tags.encode() + b"\0") + body


def bundle(time_s: float, *messages: bytes) -> bytes:
    """Encode one entry of a score: its size, its time from the start, its messages."""
    time_tag = struct.pack(">Q", round(time_s * 2**32))
    packet = b"#bundle\0" + time_tag + b"".join(struct.pack(">i", len(text)) + text for text in messages)
    return struct.pack(">i", len(packet)) + packet
