"""What a person may change while listening. Views and surfaces write it, the render thread reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

__all__ = ["Controls", "Knobs"]

_TRIM_RANGE_DB = (-40.0, 6.0)
_AMOUNT_RANGE = (0.0, 2.0)
AMOUNTS = ("eq", "compressor", "reverb")


@dataclass(frozen=True, slots=True)
class Knobs:
    """Where all controls stand. `preset_steps` and `acknowledged` count how often they were asked for.

    Attributes
    ----------
    is_muted : bool
        No sound at all.
    trim_db : float
        Level of everything, −40 to +6 dB.
    soloed, muted : frozenset of str
        Backends; where any is soloed only those are heard.
    backend_trim_db : mapping of str to float
        Level of backends, −40 to +6 dB; of those that are not in it 0.
    eq, compressor, reverb : float
        Amount of each tuning filter: 1 as the preset has it, 0 off, at most 2.
    acknowledged : int
        How often the standing alarms were acknowledged.
    preset_steps : int
        Presets forward (+) or back (−) from the first.
    """

    is_muted: bool = False
    trim_db: float = 0.0
    soloed: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()
    eq: float = 1.0
    compressor: float = 1.0
    reverb: float = 1.0
    acknowledged: int = 0
    preset_steps: int = 0
    backend_trim_db: Mapping[str, float] = field(default_factory=dict)


class Controls:
    """Thread-safe: any thread may turn, any thread may look."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._knobs = Knobs()

    @property
    def knobs(self) -> Knobs:
        """Where all controls stand now."""
        return self._knobs

    def toggle_mute(self) -> None:
        """Mute everything, or not any more."""
        with self._lock:
            self._knobs = replace(self._knobs, is_muted=not self._knobs.is_muted)

    def trim(self, step_db: float) -> None:
        """Make everything louder or quieter."""
        with self._lock:
            self._knobs = replace(self._knobs, trim_db=_clamped(self._knobs.trim_db + step_db, _TRIM_RANGE_DB))

    def toggle_solo(self, backend: str) -> None:
        """Hear only this backend (and others that are soloed), or not any more."""
        with self._lock:
            self._knobs = replace(self._knobs, soloed=self._knobs.soloed ^ {backend})

    def toggle_backend_mute(self, backend: str) -> None:
        """Do not hear this backend, or again."""
        with self._lock:
            self._knobs = replace(self._knobs, muted=self._knobs.muted ^ {backend})

    def set_backend_trim(self, backend: str, trim_db: float) -> None:
        """Set the level of one backend."""
        with self._lock:
            trims = {**self._knobs.backend_trim_db, backend: _clamped(trim_db, _TRIM_RANGE_DB)}
            self._knobs = replace(self._knobs, backend_trim_db=trims)

    def set_amount(self, stage: str, amount: float) -> None:
        """Set how much of ``eq``, ``compressor`` or ``reverb`` is heard."""
        if stage not in AMOUNTS:
            raise ValueError(f"{stage!r} is no tuning filter; allowed: {' '.join(AMOUNTS)}")
        clamped = _clamped(amount, _AMOUNT_RANGE)
        with self._lock:
            knobs = self._knobs
            self._knobs = replace(
                knobs,
                eq=clamped if stage == "eq" else knobs.eq,
                compressor=clamped if stage == "compressor" else knobs.compressor,
                reverb=clamped if stage == "reverb" else knobs.reverb,
            )

    def acknowledge(self) -> None:
        """Stop repeating the alarms that stand."""
        with self._lock:
            self._knobs = replace(self._knobs, acknowledged=self._knobs.acknowledged + 1)

    def step_preset(self, steps: int) -> None:
        """Go to the next preset (1) or the one before (−1)."""
        with self._lock:
            self._knobs = replace(self._knobs, preset_steps=self._knobs.preset_steps + steps)


def _clamped(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
