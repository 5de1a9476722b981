"""`sonify verify`: what is rendered with the preset `studio` is read back from the sound alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sonify.commands.verify import _as_json
from sonify.mapping.preset_file import load_sound_preset
from sonify.readers.source import open_source
from sonify.verify.audio import read_audio
from sonify.verify.compare import compare, overall_score
from sonify.verify.decode import decode
from sonify.verify.triage import detect_in_recording, detect_in_sound, false_alarms, found_events

CLI = Path(__file__).parents[2] / "cli.py"
STUDIO = load_sound_preset("studio")


def sonify(*arguments, code=0):
    """What a command prints."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(CLI), *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def verified(source, folder, *options):
    sound = folder / "sound.wav"
    sonify("render", source, "-o", sound, "--sound", "studio", "-q", *options)
    return json.loads(sonify("verify", sound, source, "--json"))


def check_bars(document):
    """What is measured is within the limits that were set for it."""
    panels = document["panels"]
    assert len(panels) == 11
    for name, most in (
        ("request_rate", 1.0),
        ("latency_p50", 1.0),
        ("latency_p95", 1.0),
        ("error_ratio", 1.0),
        ("fallback_ratio", 1.0),
        ("queue_depth", 10.0),
        ("active_requests", 10.0),
        ("batch_size", 1.0),
        ("freshness", 0.0),
    ):
        if panels[name]["error"] is not None:
            assert panels[name]["error"] <= most, name
            assert panels[name].get("states_right", 1.0) >= 0.95, name
    if panels["latency_heatmap"]["correlation"] is not None:
        assert panels["latency_heatmap"]["correlation"] >= 0.95
    if panels["glitches"]["error"] is not None:
        assert panels["glitches"]["precision"] >= 0.95
        assert panels["glitches"]["recall"] >= 0.95
    assert document["score"] >= 0.95


@pytest.mark.parametrize("scenario", ["incident", "chaos?seed=3", "overload", "flapping", "deploy", "source-lost"])
def test_simulated_incidents_are_read_back(scenario, tmp_path):
    document = verified(f"sim:{scenario}", tmp_path, "--length", "90s")
    check_bars(document)
    assert all(panel["error"] is not None for panel in document["panels"].values())


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("llm-traffic", {"request_rate", "batch_size", "freshness"}),
        ("nginx-quiet", {"request_rate", "error_ratio", "active_requests", "freshness"}),
    ],
)
def test_real_recordings_are_read_back(name, measured, tmp_path, real_recordings):
    document = verified(real_recordings / f"{name}.jsonl.gz", tmp_path, "--length", "90s")
    check_bars(document)
    assert {key for key, panel in document["panels"].items() if panel["error"] is not None} == measured


def test_a_day_is_read_back_and_its_incidents_are_found_in_the_sound(tmp_path, real_recordings):
    """Blind triage: a threshold detector finds in the sound what it finds in the recording."""
    source = real_recordings / "boutique-day.jsonl.gz"
    sonify("render", source, "-o", tmp_path / "sound.wav", "--sound", "studio", "-q", "--length", "10m")
    recording = open_source(str(source), "code-live").read(None, None)
    audio, sample_rate_hz = read_audio(tmp_path / "sound.wav")
    decoded = decode(audio, sample_rate_hz, STUDIO)
    duration_s = audio.shape[1] / sample_rate_hz
    panels = compare(decoded, recording, STUDIO, duration_s)
    check_bars(json.loads(_as_json(panels, overall_score(panels), [])))
    speed = recording.duration_s / duration_s
    in_recording = detect_in_recording(recording, STUDIO)
    in_sound = detect_in_sound(decoded, STUDIO, recording.start_s, speed)
    findable = set(found_events(in_recording, recording))
    assert len(findable) >= 10
    assert len(findable & set(found_events(in_sound, recording))) >= 0.95 * len(findable)
    assert false_alarms(in_sound, recording) <= false_alarms(in_recording, recording)


def test_the_table_is_for_people_and_names_what_cannot_be_decoded(tmp_path):
    sound = tmp_path / "sound.wav"
    sonify("render", "sim:quiet?duration=2m", "-o", sound, "--sound", "studio", "-q", "--length", "10s")
    assert "score" in sonify("verify", sound, "sim:quiet?duration=2m")
    document = json.loads(sonify("verify", sound, "sim:quiet?duration=2m", "--sound", "code-live", "--json"))
    assert document["score"] is None
    assert all(panel["error"] is None for panel in document["panels"].values())
    assert any("reverb" in reason for reason in document["not_decoded"])
    assert "cannot be decoded" in sonify("verify", sound, "sim:quiet", "--sound", "code-live")


def test_what_is_no_sound_is_refused_in_one_line(tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("not a sound")
    assert "cannot be read as sound" in sonify("verify", text, "sim:quiet", code=2)
    assert "no such file" in sonify("verify", tmp_path / "none.wav", "sim:quiet", code=2)
