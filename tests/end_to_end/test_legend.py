"""``sonify legend`` as a person runs it."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import missing_tool


def legend(*arguments, **environment):
    asked = [sys.executable, "-m", "sonify", "legend", *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def seconds(text):
    hours, minutes, rest = text.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def test_a_minute_of_sound_with_captions_and_subtitles_in_step(tmp_path):
    path = tmp_path / "legend.wav"
    done = legend("-o", path)
    assert done.returncode == 0, done.stderr
    audio, rate_hz = soundfile.read(path)
    assert 55.0 <= len(audio) / rate_hz <= 75.0
    assert np.abs(audio).max() <= 10 ** (-1.0 / 20)
    subtitles = path.with_suffix(".srt").read_text(encoding="utf-8")
    times = [(seconds(a), seconds(b)) for a, b in re.findall(r"(\S+) --> (\S+)", subtitles)]
    assert times[-1][1] == pytest.approx(len(audio) / rate_hz, abs=1e-3)
    printed = [60 * int(m) + float(s) for m, s in re.findall(r"^ *(\d+):(\S+)  ", done.stdout, re.MULTILINE)]
    assert sorted(set(printed)) == pytest.approx([begin for begin, _ in times], abs=0.1)
    stopped = audio[round(times[-1][0] * rate_hz) :]
    assert len(stopped) > rate_hz
    assert np.abs(stopped).max() < 2.0**-14
    assert {file.name for file in tmp_path.iterdir()} == {"legend.wav", "legend.srt"}


def test_captions_for_programs(tmp_path):
    done = legend("-o", tmp_path / "legend.flac", "--sound", "organ", "--captions", "json")
    rows = json.loads(done.stdout)
    assert rows[0]["begin_s"] == 0.0
    assert {row["scene"] for row in rows} >= {"latency", "errors", "stale", "stopped"}
    srt = legend("-o", tmp_path / "legend.wav", "--sound", "organ", "--captions", "srt").stdout
    assert srt == (tmp_path / "legend.srt").read_text(encoding="utf-8")


def test_spoken(tmp_path):
    if not (shutil.which("espeak-ng") or shutil.which("espeak")):
        missing_tool("espeak-ng")
    done = legend("-o", tmp_path / "spoken.wav", "--speak", "--captions", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    audio, rate_hz = soundfile.read(tmp_path / "spoken.wav")
    assert len(audio) / rate_hz == pytest.approx(rows[-1]["end_s"])
    assert len(audio) / rate_hz > 80.0
    # a scene begins with what is said of it: speech has fricatives where the healthy service has nothing
    stale = next(row for row in rows if row["scene"] == "stale")
    said = audio[round(stale["begin_s"] * rate_hz) : round(stale["end_s"] * rate_hz)].mean(axis=1)
    power = np.abs(np.fft.rfft(said)) ** 2
    bins = np.fft.rfftfreq(len(said), 1 / rate_hz)
    assert 10 * np.log10(power[(bins > 4000) & (bins < 9000)].sum() / power.sum()) > -40.0


def test_no_speech_engine_is_one_line_and_only_where_speech_is_asked_for(tmp_path):
    done = legend("-o", tmp_path / "spoken.wav", "--speak", PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "install espeak-ng" in done.stderr
    assert not list(tmp_path.iterdir())
    assert legend("-o", tmp_path / "plain.wav", PATH=str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "-o"),
        (("-o", "legend.aac"), "allowed: a name that ends in .wav"),
        (("-o", "legend.wav", "--sound", "code-life"), "code-live"),
        (("-o", "no/such/folder/legend.wav"), "does not exist"),
        (("-o", "legend.wav", "--captions", "vtt"), "srt"),
    ],
)
def test_bad_input_is_told(arguments, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = legend(*arguments, PYTHONPATH=os.pathsep.join(sys.path))
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
