"""Equal loudness: how much a tone must be raised to sound as loud as one at 1 kHz (ISO 226:2003)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PHON_RANGE", "compensation_db", "equal_loudness_level_db"]

PHON_RANGE = (20.0, 90.0)  # where the standard's formula holds over most of the range

# ISO 226:2003, table 1: frequency in Hz, exponent of loudness perception, magnitude of the linear transfer function
# normalised at 1 kHz in dB, threshold of hearing in dB
_TABLE = np.array(
    [
        (20, 0.532, -31.6, 78.5), (25, 0.506, -27.2, 68.7), (31.5, 0.480, -23.0, 59.5), (40, 0.455, -19.1, 51.1),
        (50, 0.432, -15.9, 44.0), (63, 0.409, -13.0, 37.5), (80, 0.387, -10.3, 31.5), (100, 0.367, -8.1, 26.5),
        (125, 0.349, -6.2, 22.1), (160, 0.330, -4.5, 17.9), (200, 0.315, -3.1, 14.4), (250, 0.301, -2.0, 11.4),
        (315, 0.288, -1.1, 8.6), (400, 0.276, -0.4, 6.2), (500, 0.267, 0.0, 4.4), (630, 0.259, 0.3, 3.0),
        (800, 0.253, 0.5, 2.2), (1000, 0.250, 0.0, 2.4), (1250, 0.246, -2.7, 3.5), (1600, 0.244, -4.1, 1.7),
        (2000, 0.243, -1.0, -1.3), (2500, 0.243, 1.7, -4.2), (3150, 0.243, 2.5, -6.0), (4000, 0.242, 1.2, -5.4),
        (5000, 0.242, -2.1, -1.5), (6300, 0.245, -7.1, 6.0), (8000, 0.254, -11.2, 12.6), (10000, 0.271, -10.7, 13.9),
        (12500, 0.301, -3.1, 12.3),
    ]
)  # fmt: skip


def equal_loudness_level_db(frequency_hz: ArrayLike, loudness_phon: float) -> NDArray[np.float64]:
    """Sound pressure level in dB at which a pure tone has a loudness level (ISO 226:2003, equation 1).

    Frequencies between those of the standard are interpolated over log frequency; outside 20 Hz to 12.5 kHz the nearest
    counts.
    """
    frequency, exponent, transfer_db, threshold_db = _TABLE.T
    reference = 0.4 * 10.0 ** ((threshold_db + transfer_db) / 10.0 - 9.0)
    raised = 4.47e-3 * (10.0 ** (0.025 * loudness_phon) - 1.15) + reference**exponent
    level_db = (10.0 / exponent) * np.log10(raised) - transfer_db + 94.0
    wanted = np.log(np.asarray(frequency_hz, dtype=np.float64))
    return np.asarray(np.interp(wanted, np.log(frequency), level_db))


def compensation_db(frequency_hz: ArrayLike, loudness_phon: float) -> NDArray[np.float64]:
    """How many dB more than a tone at 1 kHz a tone needs to be as loud."""
    return np.asarray(equal_loudness_level_db(frequency_hz, loudness_phon) - loudness_phon)
