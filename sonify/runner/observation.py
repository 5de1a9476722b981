"""How hard the live engine works, and how quickly what arrives is heard."""

from __future__ import annotations

import math
import time

from sonify.dsp.quantum import SAMPLE_RATE_HZ

__all__ = ["Observation"]

_SMOOTHING_S = 2.0


class Observation:
    """Figures about the running process.

    Attributes
    ----------
    frame_to_ear_s : float
        From the newest frame's arrival to its sound at the card; NaN before there was any.
    render_load_ratio : float
        Share of real time that rendering takes, over the last seconds.
    """

    def __init__(self) -> None:
        self.frame_to_ear_s = math.nan
        self.render_load_ratio = 0.0
        self._cpu_ratio = 0.0
        self._cpu_s, self._wall_s = time.process_time(), time.monotonic()

    def rendered(self, num_frames: int, took_s: float) -> None:
        """Note how long a block took."""
        length_s = num_frames / SAMPLE_RATE_HZ
        share = min(length_s / _SMOOTHING_S, 1.0)
        self.render_load_ratio += share * (took_s / length_s - self.render_load_ratio)

    def cpu_ratio(self) -> float:
        """Share of one core that this process took over the last second or longer."""
        cpu_s, wall_s = time.process_time(), time.monotonic()
        if wall_s - self._wall_s >= 1.0:
            self._cpu_ratio = (cpu_s - self._cpu_s) / (wall_s - self._wall_s)
            self._cpu_s, self._wall_s = cpu_s, wall_s
        return self._cpu_ratio
