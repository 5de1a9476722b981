"""From signs to episodes: since when something is not well, until when, and how bad it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonify.diagnosis.evidence import SURE
from sonify.diagnosis.signs import Sign

__all__ = ["Episode", "find_episodes"]

_CALM_FRAMES = 3  # so many frames in a row under the limit end an episode


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch in which one panel of one backend was past a limit.

    Attributes
    ----------
    panel, backend, grade : str
        As of a `Sign`.
    first, last : int
        Frames that it begins and ends with.
    known : int
        Frame in which it became sure.
    worst, limit : float
        Most extreme value, and the limit there, in the panel's unit.
    chance : float
        Smallest chance that it is accident.
    """

    panel: str
    backend: str
    grade: str
    first: int
    last: int
    known: int
    worst: float
    limit: float
    chance: float


def find_episodes(sign: Sign) -> list[Episode]:
    """Cut a sign into episodes; in each it is sure at least once that the limit was passed."""
    over = sign.is_over
    episodes = []
    for first, last in _runs(over, np.isfinite(sign.values)):
        # the proof may come some frames later, as long as it looks back into the run
        reach = np.arange(first, min(last + 1, len(over)))
        sure = reach[(sign.chance[reach] < SURE) & over[reach]]
        if len(sure):
            episodes.append(_episode(sign, first, last, int(sure[0])))
    return episodes


def _runs(over: NDArray[np.bool_], measured: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last frame of each run of values past the limit, with fewer than `_CALM_FRAMES` calm ones within."""
    runs: list[tuple[int, int]] = []
    calm = _CALM_FRAMES
    for index in range(len(over)):
        if over[index]:
            if calm >= _CALM_FRAMES:
                runs.append((index, index))
            else:
                runs[-1] = (runs[-1][0], index)
            calm = 0
        elif measured[index]:
            calm += 1
    return runs


def _episode(sign: Sign, first: int, last: int, known: int) -> Episode:
    values = sign.values[first : last + 1]
    limits = np.broadcast_to(np.asarray(sign.limit, dtype=np.float64), sign.values.shape)[first : last + 1]
    place = int(np.nanargmin(values) if sign.panel == "traffic" else np.nanargmax(values))
    return Episode(
        panel=sign.panel,
        backend=sign.backend,
        grade=sign.grade,
        first=first,
        last=last,
        known=known,
        worst=float(values[place]),
        limit=float(limits[place]),
        chance=float(sign.chance[first : last + 1].min()),
    )
