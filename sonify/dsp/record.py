"""Records: what a compiled stage is told, and what it remembers, in one piece of memory.

Kernels read a record's fields as they read those of a named tuple. But every array of a tuple has to be taken apart at
each call from Python (17 µs for all stages of the mix, more than mixing a quantum takes), and passed on one by one from
kernel to kernel, which is also most of what the compiler has to work on. A record is one pointer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack"]


def pack(fields: Any) -> NDArray[np.void]:
    """Copy a named tuple of arrays, numbers and such tuples into a record, shape (1,); kernels take its element 0."""
    packed = np.zeros(1, _layout(fields))
    _fill(packed, fields)
    return packed


def _layout(fields: Any) -> np.dtype[np.void]:
    described: list[Any] = []
    for name, value in zip(fields._fields, fields, strict=True):
        if isinstance(value, tuple):
            described.append((name, _layout(value)))
        else:
            array = np.asarray(value)
            described.append((name, array.dtype, array.shape))
    return np.dtype(described, align=True)


def _fill(packed: NDArray[np.void], fields: Any) -> None:
    for name, value in zip(fields._fields, fields, strict=True):
        if isinstance(value, tuple):
            _fill(packed[name], value)
        else:
            packed[name] = value
