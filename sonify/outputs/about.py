"""What a file says about the sound in it: where it comes from, what was found when, how loud it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

__all__ = ["About", "Loudness", "Marker", "one_line"]

_LONGEST_TEXT = 200
_MIDNIGHT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened, in s of the sound; `length_s` 0 for a moment. The text is untrusted."""

    time_s: float
    length_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Loudness:
    """As measured on what is written; NaN where it was too short to be measured."""

    integrated_lufs: float = math.nan
    highest_momentary_lufs: float = math.nan
    true_peak_dbtp: float = math.nan


@dataclass(frozen=True, slots=True)
class About:
    """All of it.

    Attributes
    ----------
    title, description : str
        Untrusted text.
    version : str
        Of sonify.
    begin_s : float
        When what is heard first happened, Unix s.
    gain_db : float
        By which the calibrated level was changed.
    markers : tuple of Marker
        In order of time.
    loudness : Loudness
        Known once all has been written.
    """

    title: str = ""
    description: str = ""
    version: str = ""
    begin_s: float = 0.0
    gain_db: float = 0.0
    markers: tuple[Marker, ...] = ()
    loudness: Loudness = Loudness()

    def measured(self, loudness: Loudness) -> About:
        """Say the same with its loudness."""
        return replace(self, loudness=loudness)

    @property
    def begin(self) -> datetime:
        """When what is heard first happened, UTC; the epoch where a calendar has no such time."""
        try:
            return datetime.fromtimestamp(self.begin_s, UTC)
        except (OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(0.0, UTC)

    @property
    def time_of_day_s(self) -> float:
        """Seconds from midnight, UTC."""
        return self.begin_s % _MIDNIGHT_S if math.isfinite(self.begin_s) else 0.0

    def fields(self) -> dict[str, str]:
        """Pairs of upper-case names and texts, as comments of FLAC and Opus have them."""
        pairs = {
            "TITLE": one_line(self.title),
            "DESCRIPTION": one_line(self.description),
            "DATE": self.begin.strftime("%Y-%m-%d"),
            "ENCODED_BY": f"sonify {self.version}",
            "SONIFY_BEGIN": self.begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "SONIFY_GAIN_DB": f"{self.gain_db:+.2f}",
        }
        loudness = self.loudness
        if math.isfinite(loudness.integrated_lufs):
            pairs["SONIFY_LOUDNESS_LUFS"] = f"{loudness.integrated_lufs:.2f}"
        if math.isfinite(loudness.true_peak_dbtp):
            pairs["SONIFY_TRUE_PEAK_DBTP"] = f"{loudness.true_peak_dbtp:.2f}"
        return {name: text for name, text in pairs.items() if text}


def one_line(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Make untrusted text one printable line, not too long."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
