"""Text for small displays: untrusted names as printable ASCII, and values in the system's units."""

from __future__ import annotations

import math
import unicodedata

__all__ = ["fitted", "folded", "percent", "seconds", "signed_db"]

_MISSING = "-"


def folded(text: str) -> str:
    """Fold to what any display can show: accents go, what has no ASCII form becomes ``?``, control characters go."""
    plain = []
    for character in unicodedata.normalize("NFKD", text[:200]):
        if unicodedata.combining(character) or unicodedata.category(character) in ("Cc", "Cf"):
            continue
        plain.append(character if " " <= character <= "~" else "?")
    return "".join(plain)


def fitted(text: str, width: int) -> str:
    """Exactly `width` characters: vowels inside words go first where a name is too long, then its end."""
    short = folded(text).strip()
    if len(short) > width:
        kept = [short[0], *(letter for letter in short[1:] if letter.lower() not in "aeiou")]
        short = "".join(kept) if len(kept) >= width else short
    return short[:width].ljust(width)


def seconds(value_s: float) -> str:
    """At most 6 characters: ``240 ms``, ``1.4 s``, ``120 s``."""
    if not math.isfinite(value_s):
        return _MISSING
    if value_s < 0.9995:
        value_ms = value_s * 1e3
        return f"{value_ms:.1f} ms" if value_ms < 9.95 else f"{value_ms:.0f} ms"
    return f"{value_s:.1f} s" if value_s < 99.95 else f"{min(value_s, 9999.0):.0f} s"


def percent(ratio: float) -> str:
    """At most 5 characters: ``2.1%``, ``12%``, ``<.1%``."""
    if not math.isfinite(ratio):
        return _MISSING
    value = 100.0 * ratio
    if 0.0 < value < 0.095:
        return "<.1%"
    return f"{value:.1f}%" if 0.0 < value < 9.95 else f"{min(value, 999.0):.0f}%"


def signed_db(value_db: float) -> str:
    """Such as ``-3.5dB``."""
    return f"{value_db:+.1f}dB" if math.isfinite(value_db) else _MISSING
