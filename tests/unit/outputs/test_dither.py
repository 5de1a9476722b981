import numpy as np

from sonify.dsp.dither import dither_to_int16


def dithered(audio, first_frame=0):
    out = np.empty(audio.shape, np.int16)
    dither_to_int16(audio, first_frame, out)
    return out


def test_a_level_between_two_steps_is_kept_on_average():
    audio = np.full((200_000, 2), 100.3 / 32767.0, np.float32)
    values = dithered(audio)
    assert abs(values.mean() - 100.3) < 0.01
    assert set(np.unique(values)) == {99, 100, 101}


def test_the_error_is_triangular_white_and_does_not_follow_the_signal():
    t = np.arange(96_000) / 48_000
    audio = np.column_stack([3.0 / 32767.0 * np.sin(2 * np.pi * 1000.0 * t)] * 2).astype(np.float32)
    error = dithered(audio) - audio * 32767.0
    assert abs(np.std(error) - np.sqrt(3.0 / 12.0)) < 0.01  # rounding 1/12 and two uniform variables of 1/12 each
    assert abs(np.corrcoef(error[:, 0], audio[:, 0])[0, 1]) < 0.02
    assert abs(np.corrcoef(error[:, 0], error[:, 1])[0, 1]) < 0.02
    assert abs(np.corrcoef(error[1:, 0], error[:-1, 0])[0, 1]) < 0.02


def test_digital_silence_stays_silent_and_full_scale_does_not_wrap():
    assert not dithered(np.zeros((1000, 2), np.float32)).any()
    assert (dithered(np.ones((1000, 2), np.float32)) > 32_000).all()
    assert (dithered(-np.ones((1000, 2), np.float32)) < -32_000).all()


def test_pieces_give_the_same_bits_as_the_whole():
    audio = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    whole = dithered(audio)
    assert np.array_equal(np.concatenate([dithered(audio[:333]), dithered(audio[333:], 333)]), whole)
