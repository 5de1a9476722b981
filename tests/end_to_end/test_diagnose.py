"""``sonify diagnose`` and ``sonify calibrate`` as a person runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sonify.mapping.preset_file import load_sound_preset

SAMPLES = Path(__file__).parents[2] / "samples"


def sonify(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sonify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_an_incident_in_words() -> None:
    done = sonify("diagnose", SAMPLES / "incident.jsonl.gz")
    assert done.returncode == 0, done.stderr
    assert "julia: latency (p95) red, up to " in done.stdout
    assert "→ look at the latency heatmap" in done.stdout
    assert "the system's own filters" in done.stdout


def test_an_incident_as_json() -> None:
    done = sonify("diagnose", SAMPLES / "incident.jsonl.gz", "--json")
    answer = json.loads(done.stdout)
    assert set(answer) == {"source", "since", "until", "findings", "not_measured", "filters", "hints"}
    worst = {(one["panel"], one["backend"], one["state"]) for one in answer["findings"]}
    assert ("latency_p95", "julia", "red") in worst
    assert ("queue_depth", None, "red") in worst
    assert all(one["action"] for one in answer["findings"])


@pytest.mark.parametrize(
    ("sample", "grade", "code"), [("incident", "red", 1), ("incident", "stale", 0), ("quiet", "unusual", 0)]
)
def test_exit_codes_for_scripts(sample: str, grade: str, code: int) -> None:
    assert sonify("diagnose", SAMPLES / f"{sample}.jsonl.gz", "--fail-on", grade).returncode == code


def test_a_backend_cannot_steer_the_terminal(tmp_path: Path) -> None:
    import gzip

    lines = gzip.decompress((SAMPLES / "incident.jsonl.gz").read_bytes()).decode().splitlines()
    evil = tmp_path / "evil.jsonl"
    evil.write_text("\n".join([lines[0].replace('"julia"', '"ju\\u001b[31mlia"'), *lines[1:]]) + "\n")
    done = sonify("diagnose", evil)
    assert "\x1b" not in done.stdout
    assert "ju?[31mlia: latency" in done.stdout


def test_a_calibrated_preset_fits_its_system_and_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    preset = tmp_path / "ours.toml"
    done = sonify("calibrate", "sim:busy", "-o", preset)
    assert done.returncode == 0, done.stderr
    text = preset.read_text()
    assert "# Latency -> pitch." in text
    assert "usually up to" in text
    assert set(tomllib.loads(text)["baseline"]) == {"rust", "ts", "go", "csharp", "sql", "julia"}
    assert load_sound_preset(str(preset)).limits["latency_p95"].yellow < 0.5
    assert "nothing found" in sonify("diagnose", "sim:busy", "--sound", preset).stdout
    rendered = sonify(
        "render", "sim:busy?duration=2m", "-o", tmp_path / "busy.wav", "--sound", preset, "--length", "5s"
    )
    assert rendered.returncode == 0, rendered.stderr


def test_a_preset_must_be_named_toml(tmp_path: Path) -> None:
    done = sonify("calibrate", "sim:quiet", "-o", tmp_path / "ours.json")
    assert done.returncode == 2
    assert "a preset is named PRESET.toml" in done.stderr
