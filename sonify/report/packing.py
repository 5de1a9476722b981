"""Arrays and text on their way into a page: compact, and harmless whatever names the metrics have."""

from __future__ import annotations

import base64
import json
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pack", "base64_text", "finite", "harmless_json"]

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def finite(value: float, digits: int = 6) -> float | None:
    """Round a number for JSON; None where it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def harmless_json(document: Any) -> str:
    r"""JSON that stays data inside a script element: no markup, ASCII only, so also no U+2028 and no bidi controls."""
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def base64_text(data: bytes) -> str:
    """Binary data as text."""
    return base64.b64encode(data).decode("ascii")


class Pack:
    """Arrays one after the other, deflated; the page finds them by name."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._offset = 0
        self.sections: dict[str, dict[str, Any]] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Add an array of float32, int32 or uint8."""
        kind = {"float32": "f", "int32": "i", "uint8": "b"}[array.dtype.name]
        data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        self.sections[name] = {"kind": kind, "shape": list(array.shape), "at": self._offset}
        padding = -len(data) % 4
        self._parts.append(data + b"\0" * padding)
        self._offset += len(data) + padding

    def text(self) -> str:
        """All of it as text."""
        return base64_text(zlib.compress(b"".join(self._parts), 6))
