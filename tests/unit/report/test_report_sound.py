"""Sound on its way into the page: read, resampled and compressed without seams; and what fits."""

import base64
import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from report_content import write_tone
from scipy.signal import resample_poly

from sonify.errors import RenderError
from sonify.report.audio_reading import blocks_at, length_s
from sonify.report.budget import embedded_bytes, plans
from sonify.report.compression import MIX_RATE_HZ, compress, density


@pytest.mark.parametrize(("rate_hz", "up", "down"), [(44_100, 160, 147), (96_000, 1, 2), (48_000, 1, 1)])
def test_blocks_are_seamless(tmp_path, rate_hz, up, down):
    path = tmp_path / "noise.wav"
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (round(9.3 * rate_hz), 2)).astype(np.float32)
    soundfile.write(path, noise, rate_hz, subtype="FLOAT")
    joined = np.concatenate(list(blocks_at(path, 48_000, mono=False)))
    whole = noise if up == down else resample_poly(noise, up, down, axis=0)
    assert joined.shape == whole.shape
    assert np.abs(joined - whole).max() < 1e-4


def test_mono_is_the_mean_of_the_channels(tmp_path):
    path = tmp_path / "wide.wav"
    soundfile.write(path, np.tile([[0.5, -0.25]], (4800, 1)), 48_000, subtype="FLOAT")
    (block,) = blocks_at(path, 48_000, mono=True)
    assert block.shape == (4800, 1)
    assert block == pytest.approx(0.125)


def test_a_file_that_is_none_is_a_render_error(tmp_path):
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    for read in (length_s, lambda file: list(blocks_at(file, 48_000, mono=True)), density):
        with pytest.raises(RenderError, match="cannot be read for the report"):
            read(path)


def test_a_compressed_copy_is_as_long_and_sounds_alike(tmp_path):
    path = write_tone(tmp_path / "tone.wav", 5.0)
    copy = compress(blocks_at(path, MIX_RATE_HZ, mono=False), MIX_RATE_HZ, 2, 0.5)
    heard, rate_hz = soundfile.read(io.BytesIO(copy.data))
    sound, _ = soundfile.read(path)
    assert (rate_hz, heard.shape) == (48_000, sound.shape)
    assert copy.length_s == pytest.approx(5.0)
    inner = slice(4800, -4800)
    noise_db = 10 * np.log10(np.mean((heard - sound)[inner] ** 2) / np.mean(sound[inner] ** 2))
    assert noise_db < -20.0


def test_noise_is_denser_than_a_tone(tmp_path):
    noise = tmp_path / "noise.wav"
    soundfile.write(noise, np.random.default_rng(1).uniform(-0.3, 0.3, (240_000, 2)), 48_000)
    assert density(noise) > 1.3 * density(write_tone(tmp_path / "tone.wav", 5.0))


lengths_s = st.floats(0.0, 3000.0)


@given(st.floats(1.0, 3000.0), lengths_s, lengths_s, st.floats(1e4, 5e6))
def test_the_bitrate_gives_way_before_the_stems_and_they_before_the_page(mix_s, stems_s, examples_s, room_bytes):
    found = list(plans(mix_s, stems_s, examples_s, room_bytes))
    forms = [(plan.has_stems, plan.has_examples) for plan in found]
    assert forms == sorted(forms, reverse=True)
    for before, after in pairwise(found):
        if (before.has_stems, before.has_examples) == (after.has_stems, after.has_examples):
            assert before.mix_level < after.mix_level
    assert all(plan.has_stems <= (stems_s > 0) and plan.has_examples <= (examples_s > 0) for plan in found)


def test_what_fits():
    five_minutes = next(plans(300.0, 0.0, 0.0, 4.5e6))
    assert five_minutes.mix_level <= 0.7
    assert next(plans(60.0, 360.0, 60.0, 4.5e6)).has_stems
    assert not next(plans(300.0, 1800.0, 60.0, 4.5e6)).has_stems
    assert not list(plans(3600.0, 0.0, 0.0, 4.5e6))


@given(st.integers(0, 10_000))
def test_base64_is_as_long_as_it_says(count):
    assert embedded_bytes(count) == len(base64.b64encode(b"x" * count))
