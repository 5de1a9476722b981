"""`sonify render` as a person runs it: real files in, real files out, judged by other programs."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonify.outputs.audio_file import AudioFile
from tests.conftest import missing_tool

ROOT = Path(__file__).parents[2]
INCIDENT = ROOT / "samples" / "incident.jsonl.gz"


def sonify(*arguments, **options):
    command = [sys.executable, "-m", "sonify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False, **options)


def ebur128(path):
    """Integrated loudness in LUFS and true peak in dBTP as ffmpeg measures them."""
    if shutil.which("ffmpeg") is None:
        missing_tool("ffmpeg")
    command = [
        "ffmpeg",
        "-hide_banner",
        "-nostats",
        "-i",
        str(path),
        "-af",
        "ebur128=peak=true+sample",
        "-f",
        "null",
        "-",
    ]
    summary = subprocess.run(command, capture_output=True, text=True, check=True).stderr.rsplit("Summary:", 1)[1]
    return float(re.search(r"I:\s+(\S+) LUFS", summary)[1]), float(re.findall(r"Peak:\s+(\S+) dBFS", summary)[-1])


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The shipped incident as a WAV of 30 s, and what the command printed."""
    path = tmp_path_factory.mktemp("render") / "incident.wav"
    done = sonify("render", INCIDENT, "-o", path, "--length", "30s")
    assert done.returncode == 0, done.stderr
    return path, done.stdout


def test_the_length_is_exact_and_the_format_as_usual(rendered):
    info = soundfile.info(rendered[0])
    assert (info.frames, info.samplerate, info.channels, info.subtype) == (30 * 48_000, 48_000, 2, "PCM_16")


def test_the_closing_line_tells_what_ffmpeg_measures(rendered):
    path, printed = rendered
    told = re.search(r"30 s, (\S+) LUFS, true peak (\S+) dBTP", printed)
    loudness, peak = ebur128(path)
    assert float(told[1]) == pytest.approx(loudness, abs=0.2)
    assert float(told[2]) == pytest.approx(peak, abs=0.3)
    assert peak <= -1.0


def test_the_incident_is_heard_where_it_is(rendered):
    """Julia's requests take over a second from minute 4 to 9 of 15: energy over 1.5 kHz at those times only."""
    audio, rate = soundfile.read(rendered[0])
    seconds = audio.mean(axis=1)[: 30 * rate].reshape(60, rate // 2)
    power = np.abs(np.fft.rfft(seconds * np.hanning(rate // 2), axis=1)) ** 2
    bins = np.fft.rfftfreq(rate // 2, 1 / rate)
    high_db = 10 * np.log10(power[:, (bins > 2200) & (bins < 5000)].sum(axis=1) + 1e-9)
    during = slice(2 * 9, 2 * 15)
    assert np.median(high_db[during]) > np.median(high_db[:14]) + 20
    assert np.median(high_db[during]) > np.median(high_db[-16:]) + 20


def test_the_same_again_is_the_same_bytes_and_another_seed_is_not(rendered, tmp_path):
    paths = [tmp_path / name for name in ("one.wav", "two.wav")]
    sonify("render", INCIDENT, "-o", paths[0], "--length", "30s", "--threads", "1")
    sonify("render", INCIDENT, "-o", paths[1], "--length", "30s", "--seed", "1")
    assert paths[0].read_bytes() == rendered[0].read_bytes()
    assert paths[1].read_bytes() != rendered[0].read_bytes()


@pytest.mark.parametrize(
    ("name", "depth", "subtype"),
    [
        ("x.wav", "24", "PCM_24"),
        ("x.wav", "32f", "FLOAT"),
        ("x.flac", "16", "PCM_16"),
        ("x.flac", "24", "PCM_24"),
    ],
)
def test_depths_and_formats_hold_the_same_sound(rendered, tmp_path, name, depth, subtype):
    path = tmp_path / name
    assert sonify("render", INCIDENT, "-o", path, "--length", "30s", "--depth", depth).returncode == 0
    assert soundfile.info(path).subtype == subtype
    found, expected = soundfile.read(path)[0], soundfile.read(rendered[0])[0]
    assert np.abs(found - expected).max() < 3.0 / 32768.0


def test_a_day_of_a_real_system_plays_its_worst_incidents_loudest_and_highest(real_recordings, tmp_path):
    """05:18 and 07:01 of boutique-day stand out of the calm: louder, and in bands that calm never reaches."""
    path = tmp_path / "day.wav"
    done = sonify("render", real_recordings / "boutique-day.jsonl.gz", "-o", path, "--length", "60s")
    assert done.returncode == 0, done.stderr
    assert "not measured, so not heard: fallbacks" in done.stderr
    audio, rate = soundfile.read(path)
    steps = audio.mean(axis=1).reshape(200, -1)
    power = np.abs(np.fft.rfft(steps * np.hanning(steps.shape[1]), axis=1)) ** 2
    bins = np.fft.rfftfreq(steps.shape[1], 1 / rate)
    slow_db = 10 * np.log10(power[:, (bins > 2900) & (bins < 5000)].sum(axis=1) + 1e-9)
    calm_db = np.percentile(slow_db[60:], 95)
    for incident_s in (4.36, 9.48):
        at = int(incident_s / 0.3)
        assert slow_db[at - 1 : at + 3].max() > calm_db + 20


def test_more_than_4_gib_needs_rf64_and_says_so_in_its_header(tmp_path):
    path = tmp_path / "long.wav"
    file = AudioFile(path, sample_rate_hz=48_000, num_channels=2, depth="32f", num_frames=600_000_000)
    header = file._temporary.read_bytes()[:4]
    with pytest.raises(Exception, match="of 600000000 frames"), file:
        file.write(np.zeros((480, 2), np.float32))
    assert header == b"RF64"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_and_says_so(tmp_path):
    command = [
        sys.executable,
        "-m",
        "sonify",
        "render",
        str(INCIDENT),
        "-o",
        str(tmp_path / "x.wav"),
        "--speed",
        "0.01x",
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not any(path.stat().st_size > 1_000_000 for path in tmp_path.rglob("*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "x.wav was not written" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("name", ["x.wav", "x.flac"])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, name):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = sonify("render", INCIDENT, "-o", tmp_path / name)
        assert done.returncode == 1
        assert "no space left" in done.stderr
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nofile.jsonl", "-o", "x.wav"], ["nofile.jsonl", "No such file"]),
        (["what", "-o", "x.wav"], ["'what'", "sim:SCENARIO"]),
        (["sim:incidnt", "-o", "x.wav"], ["did you mean incident"]),
        ([INCIDENT, "-o", "/nowhere/x.wav"], ["/nowhere"]),
        ([INCIDENT, "-o", "x.aac"], ["x.aac", ".flac"]),
        ([INCIDENT, "-o", "x.opus", "--rate", "44.1k"], ["x.opus", "48k"]),
        ([INCIDENT, "-o", "x.wav", "--rpp", "x.rpp"], ["--rpp needs --stems"]),
        ([INCIDENT, "-o", "x.wav", "--midi", "x.wav"], ["--midi", ".mid"]),
        ([INCIDENT, "-o", "x.wav", "--tail", "2h"], ["--tail", "60dB"]),
        ([INCIDENT, "-o", "x.wav", "--stems", "README.md"], ["--stems", "is a file"]),
        ([INCIDENT, "-o", "x.wav", "--gain-of", "README.md"], ["README.md", "does not say its gain"]),
        ([INCIDENT, "-o", "x.wav", "--gain-of", "x.wav", "--loudness", "-16"], ["--loudness and --gain-of"]),
        ([INCIDENT, "-o", "x.flac", "--depth", "32f"], ["FLAC", "24"]),
        ([INCIDENT, "-o", "x.wav", "--length", "long"], ["--length", "'long'"]),
        ([INCIDENT, "-o", "x.wav", "--since", "yesterday"], ["--since", "ISO 8601"]),
        ([INCIDENT, "-o", "x.wav", "--since", "2030-01-01"], ["it covers 2026-01-05T11:45:00Z"]),
        ([INCIDENT, "-o", "x.wav", "--length", "5s", "--speed", "2x"], ["--length and --speed"]),
        ([INCIDENT, "-o", "x.wav", "--sound", "cod-live"], ["did you mean code-live"]),
        ([INCIDENT], ["-o"]),
    ],
)
def test_what_cannot_work_is_one_clear_line_and_exit_2(arguments, words):
    done = sonify("render", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_it_works_where_portaudio_and_midi_are_missing(tmp_path):
    """Neither is imported: not even their absence is noticed."""
    script = (
        "import sys; sys.modules.update(sounddevice=None, mido=None, rtmidi=None)\n"
        "from sonify.commands import main\n"
        f"main(['render', {str(INCIDENT)!r}, '-o', {str(tmp_path / 'x.wav')!r}, '--length', '2s', '-q'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.wav").exists()


def test_a_render_of_nothing_but_silence_is_told_from_one_of_no_data(tmp_path):
    """True zero traffic ticks and is otherwise silent; a lost source plays its motif."""
    for scenario in ("silence", "source-lost"):
        assert (
            sonify("render", f"sim:{scenario}", "-o", tmp_path / f"{scenario}.wav", "--length", "20s").returncode == 0
        )
    silence, lost = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("silence", "source-lost"))
    assert 0.0 < np.abs(silence).max() < 0.01
    assert np.abs(lost).max() > 0.05


def test_names_from_the_metrics_cannot_steer_the_terminal(tmp_path):
    """A backend whose name rings the bell and changes colours: neither the description nor an error passes that on."""
    header, frame = gzip.decompress(INCIDENT.read_bytes()).decode().splitlines()[:2]
    hostile = json.loads(header) | {"backends": ["\x1b[31mred\x07\u202e", "ts", "go", "csharp", "sql", "julia"]}
    recording, preset = tmp_path / "hostile.jsonl", tmp_path / "eq.toml"
    recording.write_text(f"{json.dumps(hostile)}\n{frame}\n")
    preset.write_text('[[eq]]\nbackend = "nope"\n')
    good = sonify("render", recording, "-o", tmp_path / "x.wav")
    bad = sonify("render", recording, "-o", tmp_path / "y.wav", "--sound", preset)
    assert (good.returncode, bad.returncode) == (0, 2)
    assert "no such backend" in bad.stderr
    for printed in (good.stdout, good.stderr, bad.stderr):
        assert all(char.isprintable() or char == "\n" for char in printed)


def test_a_render_too_short_for_loudness_says_so(tmp_path):
    done = sonify("render", INCIDENT, "-o", tmp_path / "x.wav", "--length", "100ms")
    assert done.returncode == 0
    assert "too short to measure LUFS" in done.stdout
    assert "nan" not in done.stdout
