"""What fits into a page: bitrate first, then stems and examples give way, then the page is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BUDGET_BYTES", "Plan", "embedded_bytes", "plans"]

BUDGET_BYTES = 5_000_000
# compression level -> kbit/s of dense sound, as measured: the mix in stereo at 48 kHz …
_MIX_KBPS = {0.4: 150.0, 0.5: 125.0, 0.6: 100.0, 0.7: 90.0, 0.8: 72.0, 0.9: 52.0}
_SMALL_KBPS = {0.7: 23.0, 0.9: 18.0}  # … and what is beside it, in mono at 24 kHz
_LOWEST_BESIDE_STEMS = 0.8  # the mix is what a report is for: at 0.9 it is only to fit at all
_SMALL_FROM = 0.7  # of the mix: from here on stems get smaller too
_HOPE = 1.25  # estimates err: what is this much too large is tried


@dataclass(frozen=True, slots=True)
class Plan:
    """How the audio goes into the page.

    Attributes
    ----------
    mix_level, small_level : float
        Compression of the mix, and of stems and examples.
    has_stems, has_examples : bool
        Whether they are in the page.
    """

    mix_level: float
    small_level: float
    has_stems: bool
    has_examples: bool


def embedded_bytes(num_bytes: int) -> int:
    """Size of binary data as text in the page (base64)."""
    return -(-num_bytes // 3) * 4


def plans(
    mix_s: float, stems_s: float, examples_s: float, room_bytes: float, *, density: float = 1.0
) -> Iterator[Plan]:
    """Plans that are likely to fit into `room_bytes`, the best first; none: it cannot fit.

    Parameters
    ----------
    mix_s, stems_s, examples_s : float
        Length of the mix, of all stems together and of the examples; 0: there are none.
    room_bytes : float
        What the rest of the page leaves.
    density : float
        Of the mix: bits that it needs, against dense sound.
    """
    for has_stems, has_examples in ((True, True), (True, False), (False, True), (False, False)):
        if (has_stems and not stems_s) or (has_examples and not examples_s):
            continue
        for mix_level, mix_kbps in _MIX_KBPS.items():
            if (has_stems or has_examples) and mix_level > _LOWEST_BESIDE_STEMS:
                continue
            small_level = 0.7 if mix_level < _SMALL_FROM else 0.9
            small_s = stems_s * has_stems + examples_s * has_examples
            kilobits = mix_s * mix_kbps * density + small_s * _SMALL_KBPS[small_level]
            last = mix_level == max(_MIX_KBPS)
            if kilobits * 1000.0 / 8.0 * 4.0 / 3.0 <= room_bytes * (_HOPE if last else 1.0):
                yield Plan(mix_level, small_level, has_stems, has_examples)
