"""Excitation patterns against what is published about hearing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.lint.excitation import (
    CHANNELS_HZ,
    FULL_SCALE_DB_SPL,
    AuditoryFilters,
    erb_hz,
    frequency_hz_of_cams,
    margins_db,
    threshold_in_quiet_db,
)
from sonify.mapping.scales import erb_rate


def power(level_db_spl):
    return 10.0 ** ((level_db_spl - FULL_SCALE_DB_SPL) / 10.0)


def excitations(*tones):
    """Of each (Hz, dB SPL) alone, in the filters that all of them set."""
    hz, levels = np.array(tones, float).T
    filters = AuditoryFilters(hz, power(levels))
    return [filters.excitation(np.where(np.arange(len(tones)) == i, power(levels), 0.0)) for i in range(len(tones))]


def over_db(signal, masker):
    """How far a tone is over its threshold beside another; both are (Hz, dB SPL)."""
    one, other = excitations(signal, masker)
    return margins_db(one, other).max()


def test_erb_of_the_paper():
    assert erb_hz([100.0, 1000.0, 10_000.0]) == pytest.approx([35.5, 132.6, 1104.0], rel=0.01)


def test_cams_are_the_inverse_of_the_erb_rate():
    assert erb_rate(frequency_hz_of_cams([3.0, 15.0, 33.0])) == pytest.approx([3.0, 15.0, 33.0])


@pytest.mark.parametrize(("hz", "threshold_db"), [(63, 37.5), (125, 22.1), (1000, 2.4), (4000, -5.4), (8000, 12.6)])
def test_the_threshold_in_quiet_is_that_of_iso_226(hz, threshold_db):
    assert float(threshold_in_quiet_db(hz)) == pytest.approx(threshold_db, abs=0.1)


@pytest.mark.parametrize("hz", [63.0, 250.0, 1000.0, 3000.0, 8000.0])
def test_a_lone_tone_is_heard_from_its_threshold_in_quiet_on(hz):
    threshold_db = float(threshold_in_quiet_db(hz))
    (above,) = excitations((hz, threshold_db + 2.0))
    (below,) = excitations((hz, threshold_db - 3.0))
    assert margins_db(above, 0.0 * above).max() > 0.0
    assert margins_db(below, 0.0 * below).max() < 0.0


@pytest.mark.parametrize("hz", [200.0, 1000.0, 4000.0])
def test_a_tone_excites_its_own_place_most(hz):
    (pattern,) = excitations((hz, 60.0))
    assert abs(erb_rate(CHANNELS_HZ[pattern.argmax()]) - erb_rate(hz)) <= 0.51


def test_masking_spreads_upward_and_more_so_when_loud():
    """A masker at 1 kHz: three critical bands above it more is hidden than below, the more the louder it is."""
    down, up = (float(frequency_hz_of_cams(erb_rate(1000.0) + apart)) for apart in (-3.0, 3.0))
    hidden = {
        level_db: [over_db((hz, level_db - 25.0), (1000.0, level_db)) for hz in (down, up)] for level_db in (50.0, 80.0)
    }
    assert hidden[80.0][1] < 0.0 < hidden[80.0][0] - 20.0
    assert hidden[80.0][1] < hidden[50.0][1] - 10.0


def test_a_tone_beside_noise_of_its_own_band_needs_about_its_level():
    """1 kHz in noise one ERB wide: heard from about 3 dB under the noise's level in that band (Moore et al. 1997)."""
    noise_hz = np.linspace(1000.0 - 66.0, 1000.0 + 66.0, 41)
    hz = np.append(noise_hz, 1000.0)
    levels = np.append(np.full(41, 60.0 - 10 * np.log10(41)), 0.0)
    for tone_db, heard in ((60.0, True), (54.0, False)):
        levels[-1] = tone_db
        filters = AuditoryFilters(hz, power(levels))
        tone = filters.excitation(np.where(np.arange(42) == 41, power(levels), 0.0))
        noise = filters.excitation(np.where(np.arange(42) < 41, power(levels), 0.0))
        assert (margins_db(tone, noise).max() > 0.0) == heard


@given(
    st.floats(80.0, 8000.0),
    st.floats(80.0, 8000.0),
    st.floats(10.0, 80.0),
    st.floats(10.0, 80.0),
    st.floats(0.5, 20.0),
)
def test_a_louder_masker_never_hides_less(signal_hz, masker_hz, signal_db, masker_db, more_db):
    soft = over_db((signal_hz, signal_db), (masker_hz, masker_db))
    loud = over_db((signal_hz, signal_db), (masker_hz, masker_db + more_db))
    assert loud <= soft + 0.5  # a louder masker widens the filters, through which a signal just below it gains a little
