"""The picture of the sound: a note lies on the row of its latency band, at its level."""

import numpy as np
import pytest
import soundfile
from report_content import PRESET, write_tone

from sonify.mapping.mapper import partial_frequencies_hz
from sonify.report.picture import HIGHEST_DB, LOWEST_DB, draw_sound

NOTES_HZ = np.sort(partial_frequencies_hz(PRESET)[:-1])


def level_db(code):
    return LOWEST_DB + code / 255 * (HIGHEST_DB - LOWEST_DB)


@pytest.mark.parametrize("band", range(len(NOTES_HZ)))
def test_a_band_s_note_is_brightest_on_its_own_row(tmp_path, band):
    picture = draw_sound(write_tone(tmp_path / "tone.wav", 1.0, frequency_hz=NOTES_HZ[band]), NOTES_HZ)
    column = picture.level[:, picture.level.shape[1] // 2]
    rows = len(column) // len(NOTES_HZ)
    found = np.flatnonzero(column == column.max())
    assert np.all((len(column) - 1 - found) // rows == band)


@pytest.mark.parametrize("wanted_db", [-70.0, -50.0, -30.0])
def test_levels_are_calibrated(tmp_path, wanted_db):
    path = tmp_path / "tone.wav"
    tone = 10 ** (wanted_db / 20) * np.sin(2 * np.pi * NOTES_HZ[12] * np.arange(96_000) / 48_000)
    soundfile.write(path, np.stack([tone, tone], axis=1), 48_000, subtype="FLOAT")
    picture = draw_sound(path, NOTES_HZ)
    assert level_db(picture.level.max()) == pytest.approx(wanted_db, abs=1.5)


def test_silence_is_dark_and_a_short_burst_in_five_minutes_is_not_lost(tmp_path):
    audio = np.zeros((300 * 48_000, 1), np.float32)
    begin = 211 * 48_000
    audio[begin : begin + 2400, 0] = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(2400) / 48_000)
    path = tmp_path / "burst.flac"
    soundfile.write(path, audio, 48_000)
    picture = draw_sound(path, NOTES_HZ)
    heard = np.flatnonzero(picture.level.max(axis=0))
    assert 1 <= len(heard) <= 3
    assert heard[0] / picture.level.shape[1] * 300 == pytest.approx(211, abs=0.5)
    assert picture.length_s == 300.0


def test_the_outline_is_the_waveform(tmp_path):
    picture = draw_sound(write_tone(tmp_path / "tone.wav", 1.0, level=0.5), NOTES_HZ)
    low, high = picture.outline / 127.5 - 1.0
    assert np.median(low) == pytest.approx(-0.5, abs=0.02)
    assert np.median(high) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("frames", [1, 100, 481])
def test_a_very_short_sound_is_no_error(tmp_path, frames):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full((frames, 2), 0.1), 48_000)
    picture = draw_sound(path, NOTES_HZ)
    assert picture.level.shape[0] % len(NOTES_HZ) == 0
    assert picture.outline.shape[1] >= 1
