"""Soft takeover: a control without a motor does nothing until it passes the value that holds, so that nothing jumps."""

from __future__ import annotations

__all__ = ["Takeover"]

_NEAR = 0.02


class Takeover:
    """One control that sends places, 0–1."""

    def __init__(self) -> None:
        self._place: float | None = None  # where the hand left it
        self._set: float | None = None  # what it set last, while it is in charge

    def move(self, place: float, value: float) -> float | None:
        """Take a new place while `value` (0–1) holds; the value to set, or None while it is not in charge."""
        before, self._place = self._place, place
        if self._set is not None and abs(self._set - value) > _NEAR:
            self._set = None  # somebody else changed it
        if self._set is None:
            passed = before is not None and (before - value) * (place - value) <= 0.0
            if not passed and abs(place - value) > _NEAR:
                return None
        self._set = place
        return place

    def lose(self) -> None:
        """Forget where it was: it may have been moved while nobody looked."""
        self._place = self._set = None
