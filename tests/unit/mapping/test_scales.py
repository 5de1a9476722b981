import numpy as np
import pytest

from sonify.errors import PresetError
from sonify.mapping.equal_loudness import equal_loudness_level_db
from sonify.mapping.scales import FREE_SCALES, SCALES, band_frequencies_hz, erb_rate, note_of_frequency_hz

DESIGN_NOTES = [48, 52, 57, 60, 64, 67, 69, 72, 74, 76, 79, 81, 84, 86, 88, 91, 93, 96, 98, 100, 103, 105, 108, 110]


def test_the_default_scale_is_the_one_of_the_design():
    notes = note_of_frequency_hz(band_frequencies_hz("major pentatonic", 0, 48, 110, 24))
    assert notes == pytest.approx(DESIGN_NOTES)


def test_its_bands_are_about_one_critical_band_apart():
    gaps = np.diff(erb_rate(band_frequencies_hz("major pentatonic", 0, 48, 110, 24)))
    assert gaps.min() == pytest.approx(0.69, abs=0.01)
    assert gaps.max() == pytest.approx(1.52, abs=0.01)
    assert np.median(gaps) == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize("scale", [*SCALES, *FREE_SCALES])
def test_every_scale_rises_and_stays_in_range(scale):
    frequencies = band_frequencies_hz(scale, 9, 40, 110, 22)
    assert np.all(np.diff(frequencies) > 0.0)
    notes = note_of_frequency_hz(frequencies)
    assert notes.min() >= 39.4
    assert notes.max() <= 110.6


@pytest.mark.parametrize("scale", ["major pentatonic", "minor pentatonic", "whole tone", "chromatic"])
@pytest.mark.parametrize("root", range(12))
def test_snapped_notes_are_of_the_scale(scale, root):
    notes = note_of_frequency_hz(band_frequencies_hz(scale, root, 40, 110, 20))
    steps = np.round(notes - root, 9) % 12
    assert set(steps) <= set(SCALES[scale])


def test_too_many_bands_for_a_scale_is_said():
    with pytest.raises(PresetError, match="at most"):
        band_frequencies_hz("major pentatonic", 0, 48, 72, 24)


@pytest.mark.parametrize(
    ("frequency_hz", "phon", "level_db"),
    [(20, 40, 99.85), (100, 40, 64.37), (1000, 40, 40.01), (1000, 80, 80.01), (4000, 60, 57.57)],
)
def test_equal_loudness_contours_match_the_standard(frequency_hz, phon, level_db):
    """Values of ISO 226:2003, annex B, within the rounding of its tables."""
    assert equal_loudness_level_db(frequency_hz, phon) == pytest.approx(level_db, abs=0.1)
