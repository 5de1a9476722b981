"""HdrHistogram's compressed histograms, encoding V2: values and their counts.

The layout is that of HdrHistogram's ``AbstractHistogram.encodeIntoCompressedByteBuffer``: a cookie, a length, then
zlib data; in it a header of 40 bytes and the counts as ZigZag LEB128 numbers, of which a negative one stands for as
many zeros.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_COUNTS", "Histogram", "decode_histogram"]

MAX_COUNTS = 4_000_000  # 5 digits over the widest range take 3.1 million
_MAX_PAYLOAD_BYTES = 9 * MAX_COUNTS
_COMPRESSED_V2, _V2 = 0x1C849304, 0x1C849303
_OLDER = {0x1C849308: "V0", 0x1C849309: "V0", 0x1C849301: "V1", 0x1C849302: "V1"}
_COMPRESSED_HEADER = struct.Struct(">ii")
_HEADER = struct.Struct(">iiiiqqd")
_WORD_SIZE_BITS = 0xF0
_MAX_EXPONENT = 62  # of values of 64 bits


class Histogram(NamedTuple):
    """Values (the middle of what they stand for, in the unit they were recorded in) and how often each was recorded."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]


def decode_histogram(text: str) -> Histogram:
    """Decode the base64 text of a histogram.

    Raises
    ------
    ValueError
        It is damaged, of an older encoding, or larger than any sensible one; the message says which.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    if len(data) < _COMPRESSED_HEADER.size:
        raise ValueError("too short")
    cookie, length = _COMPRESSED_HEADER.unpack_from(data)
    _check_cookie(cookie, _COMPRESSED_V2)
    body = data[_COMPRESSED_HEADER.size :]
    if not 0 <= length <= len(body):
        raise ValueError(f"{len(body)} bytes where {length} should follow")
    return _decode_payload(_inflate(body[:length]))


def _check_cookie(cookie: int, wanted: int) -> None:
    base = cookie & ~_WORD_SIZE_BITS & 0xFFFFFFFF
    if base in _OLDER:
        raise ValueError(f"encoding {_OLDER[base]}, which is not supported; write the log anew with encoding V2")
    if base != wanted & ~_WORD_SIZE_BITS:
        raise ValueError(f"no histogram: it begins with {cookie & 0xFFFFFFFF:#010x}")


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        payload = inflater.decompress(data, _MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged zlib data: {error}") from None
    if inflater.unconsumed_tail:
        raise ValueError(f"larger than the {_MAX_PAYLOAD_BYTES} bytes allowed when inflated")
    if not inflater.eof:
        raise ValueError("the zlib data end too early")
    return payload


def _decode_payload(payload: bytes) -> Histogram:
    if len(payload) < _HEADER.size:
        raise ValueError("too short when inflated")
    cookie, length, offset, digits, lowest, highest, ratio = _HEADER.unpack_from(payload)
    _check_cookie(cookie, _V2)
    if not (0 <= digits <= 5 and 1 <= lowest <= highest // 2):
        raise ValueError(f"{digits} digits from {lowest} to {highest} are no range of values")
    if offset != 0:
        raise ValueError("a shifted histogram (normalizing index offset), which is not supported")
    if not (1e-30 < ratio < 1e30):
        raise ValueError(f"a conversion ratio of {ratio}")
    body = payload[_HEADER.size :]
    if not 0 <= length <= len(body):
        raise ValueError(f"{len(body)} bytes of counts where {length} should follow")
    index, counts = _decode_counts(body[:length])
    values = _values_of(index, digits, lowest)
    if len(values) and values[-1] > 4.0 * float(highest) + 1.0:
        raise ValueError("counts beyond the highest value")
    return Histogram(values * ratio, counts)


def _decode_counts(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the counts over 0, and these."""
    indices, counts = [], []
    index, position, end = 0, 0, len(data)
    while position < end:
        number, shift = 0, 0
        while True:
            if position >= end:
                raise ValueError("the counts end within a number")
            byte = data[position]
            position += 1
            if shift == 56:  # the ninth byte is whole
                number |= byte << shift
                break
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        value = (number >> 1) ^ -(number & 1)
        if value < 0:
            index -= value
        else:
            if value:
                indices.append(index)
                counts.append(value)
            index += 1
        if index > MAX_COUNTS:
            raise ValueError(f"more than the {MAX_COUNTS} counts allowed")
    if sum(counts) >= 1 << 63:
        raise ValueError("counts too large to add up")
    return np.asarray(indices, dtype=np.int64), np.asarray(counts, dtype=np.int64)


def _values_of(index: NDArray[np.int64], digits: int, lowest: int) -> NDArray[np.float64]:
    """Find the middle of the values that are counted at each place."""
    magnitude = math.ceil(math.log2(2 * 10**digits))
    half_magnitude = max(magnitude, 1) - 1
    unit_magnitude = int(math.log2(lowest))
    half_count = 1 << half_magnitude
    bucket = (index >> half_magnitude) - 1
    sub = (index & (half_count - 1)) + half_count
    sub = np.where(bucket < 0, sub - half_count, sub)
    exponent = np.maximum(bucket, 0) + unit_magnitude
    if len(index) and int(exponent[-1]) > _MAX_EXPONENT:
        raise ValueError("counts beyond the highest value")
    size = np.ldexp(1.0, exponent.astype(np.int32))
    middle = np.where(size > 1.0, size / 2.0, 0.0)
    return np.asarray(sub * size + middle, dtype=np.float64)
