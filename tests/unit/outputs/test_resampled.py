import numpy as np
import pytest

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.errors import DeviceError
from sonify.outputs.resampled import Resampler


def resampled(rate_hz, frequency_hz, quanta=(1, 2, 3)):
    """A sine through a resampler in blocks of changing size, and where its time begins."""
    t = np.arange(QUANTUM_FRAMES * 120) / SAMPLE_RATE_HZ
    audio = np.repeat(np.sin(2.0 * np.pi * frequency_hz * t)[:, None], 2, axis=1).astype(np.float32)
    resampler, parts, at, index = Resampler(rate_hz), [], 0, 0
    while at < len(audio):
        size = QUANTUM_FRAMES * quanta[index % len(quanta)]
        parts.append(resampler.process(audio[at : at + size]))
        at, index = at + size, index + 1
    return np.concatenate(parts), resampler.latency_frames / SAMPLE_RATE_HZ


@pytest.mark.parametrize("rate_hz", [44_100, 88_200, 96_000, 192_000, 32_000])
@pytest.mark.parametrize("frequency_hz", [50.0, 997.0, 12_000.0])
def test_a_sine_stays_the_same_sine(rate_hz, frequency_hz):
    audio, delay_s = resampled(rate_hz, frequency_hz)
    time = np.arange(len(audio)) / rate_hz - delay_s
    middle = slice(rate_hz // 20, -rate_hz // 20)
    wrong = audio[:, 0] - np.sin(2.0 * np.pi * frequency_hz * time)
    assert 20.0 * np.log10(np.abs(wrong[middle]).max()) < -90.0


def test_what_the_lower_rate_cannot_hold_is_gone():
    audio, _ = resampled(32_000, 18_000.0)
    assert np.abs(audio[4000:-4000]).max() < 1e-4


def test_at_48_khz_nothing_is_touched():
    audio = np.random.default_rng(0).random((960, 2)).astype(np.float32)
    assert Resampler(48_000).process(audio) is audio


def test_a_rate_that_does_not_fit_a_quantum_is_refused():
    with pytest.raises(DeviceError, match="multiple of 100"):
        Resampler(11_025)
