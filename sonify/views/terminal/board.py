"""`Board`: all that a picture is drawn from. It takes snapshots and keys; it knows no terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sonify.errors import PresetError
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import SoundPreset
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.panels import Limits
from sonify.runner.snapshot import Snapshot
from sonify.views.summary import Condition, Summary, condition, summarise
from sonify.views.terminal.analyzer import FLOOR_DB, spectrum_db
from sonify.views.terminal.ballistics import Ballistics
from sonify.views.terminal.history import History
from sonify.views.terminal.palette import Palette

__all__ = ["METER_FLOOR_DB", "Board", "SoundOf", "shipped_sound"]

SoundOf = Callable[[Snapshot], SoundPreset | None]

METER_FLOOR_DB = -60.0


@lru_cache(maxsize=32)
def _shipped(name: str) -> SoundPreset | None:
    try:
        return load_sound_preset(name)
    except PresetError:
        return None


def shipped_sound(snapshot: Snapshot) -> SoundPreset | None:
    """Find the preset by its name among the shipped ones; None where it is none of them."""
    return _shipped(snapshot.preset)


@dataclass(slots=True)
class _Cached:
    preset: SoundPreset | None = None
    mapper: Mapper | None = None


class Board:
    """State of the view.

    Parameters
    ----------
    palette : Palette
        Styles.
    sound_of : callable
        The sound preset that plays: its limits, and which latency is which note. None: neither is shown.

    Attributes
    ----------
    snapshot : Snapshot
        The newest one; `summary` and `condition` are of its frame.
    spectrum, meters : Ballistics
        Levels of the columns of the spectrum, and of the backends.
    history : History
        Columns of the heatmap.
    selected : int
        Which backend; `amount` which tuning filter + and − turn.
    """

    def __init__(self, palette: Palette, snapshot: Snapshot, sound_of: SoundOf = shipped_sound) -> None:
        self.palette = palette
        self.snapshot = snapshot
        self.summary: Summary = summarise(snapshot.frame)
        self.condition: Condition = condition(snapshot, self.summary)
        self.spectrum = Ballistics(FLOOR_DB)
        self.meters = Ballistics(METER_FLOOR_DB, gravity_db=60.0)
        self.history = History()
        self.selected = 0
        self.amount = "eq"
        self.shows_help = False
        self.num_columns = 60
        self._sound_of = sound_of
        self._cached = _Cached()
        self._now_s = float("nan")

    @property
    def preset(self) -> SoundPreset | None:
        """The sound preset that plays."""
        return self._cached.preset

    @property
    def mapper(self) -> Mapper | None:
        """Which latency is which note."""
        return self._cached.mapper

    @property
    def backends(self) -> tuple[str, ...]:
        """Names, untrusted."""
        return self.snapshot.frame.layout.backends

    def limits(self, panel: str) -> Limits | None:
        """Limits of a panel, where they are known."""
        return None if self.preset is None else self.preset.limits.get(panel)

    def update(self, snapshot: Snapshot, now_s: float) -> None:
        """Take a new snapshot; `now_s` is any clock that only rises."""
        elapsed_s = 0.0 if np.isnan(self._now_s) else min(max(now_s - self._now_s, 0.0), 1.0)
        self._now_s = now_s
        if snapshot.frame is not self.snapshot.frame:
            self.summary = summarise(snapshot.frame)
        self.snapshot = snapshot
        self.condition = condition(snapshot, self.summary)
        preset = self._sound_of(snapshot)
        if preset is not self._cached.preset:
            self._cached = _Cached(preset, None if preset is None else Mapper(preset, ()))
        self.history.update(snapshot.frame, now_s)
        self.meters.update(np.asarray(snapshot.backend_level_db, dtype=np.float64), elapsed_s)
        self.spectrum.update(spectrum_db(snapshot.audio, self.num_columns), elapsed_s)
        self.selected = min(self.selected, max(len(self.backends) - 1, 0))

    def select(self, step: int) -> None:
        """Select the next backend, or the one before."""
        if self.backends:
            self.selected = (self.selected + step) % len(self.backends)
