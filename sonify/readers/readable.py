"""Untrusted text in messages: names, labels and answers that others wrote."""

from __future__ import annotations

__all__ = ["readable"]

_SHOWN_CHARACTERS = 200


def readable(text: str, most: int = _SHOWN_CHARACTERS) -> str:
    """Make untrusted text fit one line of a message: control characters escaped, at most `most` characters."""
    cut = text[:most]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in cut)
    return shown + ("…" if len(text) > most else "")
