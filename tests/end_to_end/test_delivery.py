"""`sonify render` with all that it can hand over, judged by other programs."""

import json
import math
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import missing_tool

ROOT = Path(__file__).parents[2]
INCIDENT = ROOT / "samples" / "incident.jsonl.gz"
SCHEMAS = ROOT / "tests" / "unit" / "outputs" / "dawproject"


def tool(name):
    if shutil.which(name) is None:
        missing_tool(name)
    return name


def sonify(*arguments):
    command = [sys.executable, "-m", "sonify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory):
    """The shipped incident in 20 s with everything."""
    folder = tmp_path_factory.mktemp("delivery")
    done = sonify(
        "render", INCIDENT, "-o", folder / "x.wav", "--length", "20s", "--tail", "60dB", "--stems", folder / "stems",
        "--midi", folder / "x.mid", "--report", folder / "x.html", "--dawproject", folder / "x.dawproject",
        "--rpp", folder / "x.rpp", "--checksums",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def probe(path):
    command = [tool("ffprobe"), "-v", "error", "-show_chapters", "-show_format", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_everything_is_there_and_is_what_the_list_of_checksums_says(handed_over):
    folder, printed = handed_over
    names = {path.name for path in folder.iterdir()}
    assert names == {"x.wav", "stems", "x.mid", "x.html", "x.dawproject", "x.rpp", "x.wav.sha256"}
    assert "9 stems" in printed
    checked = subprocess.run(
        [tool("sha256sum"), "--check", "x.wav.sha256"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0
    assert checked.stdout.count(": OK") == 5 + 9


def test_stems_begin_and_end_with_the_mix_and_sox_adds_them_up_to_it(handed_over, tmp_path):
    """The mix is limited now and then; where it is not, it is the sum of its stems, up to 16 bits with dither."""
    folder, _ = handed_over
    stems = [word for path in sorted((folder / "stems").iterdir()) for word in ("-v", "1", str(path))]
    total = tmp_path / "sum.wav"
    subprocess.run([tool("sox"), "-m", *stems, "-e", "float", "-b", "32", str(total)], check=True)
    mixed, mix = soundfile.read(total)[0], soundfile.read(folder / "x.wav")[0]
    assert len(mixed) == len(mix) > 21 * 48_000
    same = np.abs(mixed - mix).max(axis=1) < 2.5 / 32768
    assert same[:48_000].all()
    assert same[-48_000:].all()
    assert same.mean() > 0.7


def test_ffprobe_sees_the_markers_and_the_time_of_day(handed_over):
    folder, _ = handed_over
    seen = probe(folder / "x.wav")
    titles = {chapter["tags"]["title"]: float(chapter["start_time"]) for chapter in seen["chapters"]}
    fault = next(title for title in titles if title.startswith("fault: julia"))
    assert titles[fault] == pytest.approx(20.0 * 4 / 15, abs=0.1)  # minute 4 of 15
    assert any(title.startswith("julia: latency (p95) red") for title in titles)
    tags = seen["format"]["tags"]
    assert int(tags["time_reference"]) == (11 * 60 + 45) * 60 * 48_000
    assert "code-live" in tags["comment"]


def test_the_dawproject_is_valid_and_its_clips_are_the_stems(handed_over):
    etree = pytest.importorskip("lxml.etree")
    folder, _ = handed_over
    with zipfile.ZipFile(folder / "x.dawproject") as archive:
        for name, schema in (("project.xml", "Project.xsd"), ("metadata.xml", "MetaData.xsd")):
            etree.XMLSchema(etree.parse(str(SCHEMAS / schema))).assertValid(etree.fromstring(archive.read(name)))
        project = etree.fromstring(archive.read("project.xml"))
        files = [element.get("path") for element in project.iterfind(".//Clip/Audio/File")]
        for file in files:
            assert archive.read(file) == (folder / "stems" / Path(file).name).read_bytes()
    assert len(files) == 9
    assert len(project.findall(".//Markers/Marker")) >= 5
    assert len(project.findall(".//Points/RealPoint")) > 100
    values = [float(point.get("value")) for point in project.iterfind(".//RealPoint")]
    assert 0.0 <= min(values) < max(values) == 1.0
    assert [device.find("Enabled").get("value") for device in project.iterfind(".//Devices/*")] == [
        "false",
        "false",
        "true",
    ]


def test_the_reaper_project_is_balanced_and_finds_its_stems(handed_over):
    folder, _ = handed_over
    lines = (folder / "x.rpp").read_text(encoding="utf-8").splitlines()
    depth = 0
    for line in lines:
        depth += line.lstrip().startswith("<")
        depth -= line.strip() == ">"
        assert depth > 0 or line is lines[-1]
    assert depth == 0
    files = re.findall(r'FILE "(.*)"', "\n".join(lines))
    assert len(files) == 9
    assert all((folder / file).is_file() for file in files)


def test_the_midi_file_is_as_long_and_has_the_markers(handed_over):
    mido = pytest.importorskip("mido")
    folder, _ = handed_over
    file = mido.MidiFile(folder / "x.mid")
    assert file.length == pytest.approx(20.0, abs=0.1)
    assert any(message.type == "marker" and "latency" in message.text for track in file.tracks for message in track)


@pytest.mark.parametrize("name", ["x.flac", "x.opus", "x.mp3"])
def test_other_kinds_have_the_same_chapters_and_length(handed_over, tmp_path, name):
    folder, _ = handed_over
    assert sonify("render", INCIDENT, "-o", tmp_path / name, "--length", "20s", "--markers", "findings").returncode == 0
    seen, expected = probe(tmp_path / name), probe(folder / "x.wav")
    assert [chapter["tags"]["title"] for chapter in seen["chapters"]] == [
        chapter["tags"]["title"] for chapter in expected["chapters"]
    ]
    assert float(seen["format"]["duration"]) == pytest.approx(20.0, abs=0.1)


def ebur128(path):
    command = [
        tool("ffmpeg"),
        "-hide_banner",
        "-nostats",
        "-i",
        str(path),
        "-af",
        "ebur128=peak=true",
        "-f",
        "null",
        "-",
    ]
    summary = subprocess.run(command, capture_output=True, text=True, check=True).stderr.rsplit("Summary:", 1)[1]
    return float(re.search(r"I:\s+(\S+) LUFS", summary)[1]), float(re.findall(r"Peak:\s+(\S+) dBFS", summary)[-1])


@pytest.mark.parametrize(("target", "rate"), [("-23", "44.1k"), ("-16", "96k"), ("-14", "48k")])
def test_ffmpeg_measures_the_loudness_that_was_asked_for(tmp_path, target, rate):
    path = tmp_path / "x.wav"
    done = sonify(
        "render", INCIDENT, "-o", path, "--length", "20s", "--loudness", target, "--rate", rate, "--depth", "24"
    )
    assert done.returncode == 0, done.stderr
    loudness, peak = ebur128(path)
    assert loudness == pytest.approx(float(target), abs=0.2)
    assert peak <= -1.0


def test_the_gain_of_another_render_is_taken_over(tmp_path):
    """Two times of the same system stay as far apart as they are."""
    names = [tmp_path / name for name in ("calibrated.wav", "loud.flac", "same.wav")]
    settings = ["--length", "10s", "--depth", "24"]
    assert sonify("render", INCIDENT, "-o", names[0], *settings).returncode == 0
    assert sonify("render", INCIDENT, "-o", names[1], *settings, "--loudness", "-23").returncode == 0
    assert sonify("render", INCIDENT, "-o", names[2], *settings, "--gain-of", names[1]).returncode == 0
    calibrated, loud, same = (soundfile.read(name)[0] for name in names)
    np.testing.assert_array_equal(loud, same)
    level_db = 20.0 * math.log10(np.sqrt((loud**2).sum() / (calibrated**2).sum()))
    assert level_db == pytest.approx(-23.0 - ebur128(names[0])[0], abs=0.2)


def test_ctrl_c_leaves_neither_stems_nor_folders(tmp_path):
    command = [sys.executable, "-m", "sonify", "render", INCIDENT, "-o", tmp_path / "x.wav", "--speed", "0.01x"]
    (tmp_path / "x.wav").write_bytes(b"what was there before")
    with subprocess.Popen(
        [*map(str, command), "--stems", str(tmp_path / "stems"), "--checksums"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while (
            not any(path.stat().st_size > 500_000 for path in tmp_path.rglob("*.wav")) and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "was not written" in said
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"]
    assert (tmp_path / "x.wav").read_bytes() == b"what was there before"
