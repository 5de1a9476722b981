"""Speech engines: found, run without a shell, and what they say is what is asked for."""

import shutil
import sys

import numpy as np
import pytest
from conftest import missing_tool

from sonify.errors import RenderError, UsageError
from sonify.lessons.speech import ENGINES, find_engine, speak

RATE_HZ = 48_000


def fake(folder, body, name="espeak-ng"):
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    path.chmod(0o755)
    return path


def test_no_engine_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="install espeak-ng or espeak"):
        find_engine()


def test_the_first_engine_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    second = fake(tmp_path, "", "espeak")
    assert find_engine() == str(second)
    first = fake(tmp_path, "")
    assert find_engine() == str(first)


def test_text_is_one_argument_and_never_an_option(tmp_path):
    seen = tmp_path / "seen"
    engine = fake(tmp_path, f"open({str(seen)!r}, 'w').write(repr(sys.argv[1:])); sys.exit(3)")
    with pytest.raises(RenderError, match="exit code 3"):
        speak(str(engine), ['-f /etc/passwd; $(touch x) "\x1b[2J'], RATE_HZ)
    arguments = eval(seen.read_text())
    assert arguments[-2:] == ["--", '-f /etc/passwd; $(touch x) " [2J']


@pytest.mark.parametrize(
    ("body", "problem"),
    [("print('no voice', file=sys.stderr); sys.exit(1)", "no voice"), ("", "exit code 0"), ("x", "NameError")],
)
def test_an_engine_that_fails_is_one_line(tmp_path, body, problem):
    with pytest.raises(RenderError, match=problem):
        speak(str(fake(tmp_path, body)), ["hello"], RATE_HZ)


def test_what_is_not_sound_is_one_line(tmp_path):
    engine = fake(tmp_path, "open(sys.argv[sys.argv.index('-w') + 1], 'w').write('no sound')")
    with pytest.raises(RenderError, match="cannot be read"):
        speak(str(engine), ["hello"], RATE_HZ)


def test_an_installed_engine_speaks():
    engine = next((path for name in ENGINES if (path := shutil.which(name))), None)
    if engine is None:
        missing_tool("espeak-ng")
    short, long = speak(engine, ["Errors", "Errors are roughness, and glitches are bursts of noise"], RATE_HZ)
    assert 0.2 * RATE_HZ < len(short) < len(long) < 8.0 * RATE_HZ
    for sound in (short, long):
        power = np.abs(np.fft.rfft(sound)) ** 2
        bins = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
        assert power[(bins > 80.0) & (bins < 5000.0)].sum() > 0.8 * power.sum()
