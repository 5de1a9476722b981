"""``sonify record`` as a person or a supervisor runs it: to the end, stopped, killed, continued."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sonify.commands.record import parse_rotation
from sonify.commands.record import record as command
from sonify.errors import ReaderError, RenderError, SonifyError, UsageError
from sonify.metrics.recording_format import load_recording
from sonify.readers.source import open_source
from sonify.runner.recording import Rotation
from sonify.simulation.service import Simulation

LAUNCH = [sys.executable, "-m", "sonify", "record"]
GIVE_UP_S = 30.0


def sonify_record(*arguments: str | Path) -> subprocess.Popen[str]:
    Simulation("busy")  # compiles here, so that the command starts at once
    return subprocess.Popen([*LAUNCH, *map(str, arguments)], stderr=subprocess.PIPE, text=True, encoding="utf-8")


def wait_for(condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + GIVE_UP_S
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


def run(*arguments: str | Path) -> str:
    """Run the command here; give what it printed, and raise what it raised."""
    result = CliRunner().invoke(command, list(map(str, arguments)))
    if isinstance(result.exception, SonifyError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_simulation_is_recorded_for_a_while_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    said = run("sim:busy", "-o", path, "-O", "interval=100ms", "--interval", "100ms", "--duration", "1s")
    first = load_recording(path)
    assert re.search(r"r\.jsonl\.gz: \d+ frames, [0-9.]+ kB", said)
    assert 2 <= len(first) <= 10
    assert np.diff(first.t) == pytest.approx(0.1, abs=1e-6)
    assert first.source == "sim:busy"
    said = run("sim:busy", "-o", path, "-O", "interval=100ms", "--interval", "100ms", "--duration", "500ms")
    assert f"continuing {path} ({len(first)} frames)" in said
    both = load_recording(path)
    assert both.t[: len(first)].tolist() == first.t.tolist()
    assert len(both) > len(first)


def test_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    dice = random.Random(7)
    so_far: list[float] = []
    for _ in range(4):
        process = sonify_record("sim:busy", "-o", path, "-O", "interval=5ms", "--interval", "5ms")
        size = path.stat().st_size if path.exists() else 0
        wait_for(lambda size=size: path.exists() and path.stat().st_size > size + 2000)  # type: ignore[misc]
        time.sleep(dice.random() * 0.3)
        process.kill()
        process.communicate(timeout=GIVE_UP_S)
        found = load_recording(path).t.tolist()
        assert found[: len(so_far)] == so_far
        assert len(found) > len(so_far)
        assert (np.diff(found) > 0.0).all()
        so_far = found
    run("sim:busy", "-o", path, "-O", "interval=5ms", "--interval", "5ms", "--duration", "300ms")
    assert gzip.decompress(path.read_bytes()).endswith(b"}\n")  # whole again
    assert load_recording(path).t[: len(so_far)].tolist() == so_far


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "r.jsonl.gz"
    process = sonify_record("sim:busy", "-o", path, "-O", "interval=50ms", "--interval", "50ms")
    try:
        wait_for(lambda: path.exists() and path.stat().st_size > 1000)
        process.send_signal(number)
        _, said = process.communicate(timeout=GIVE_UP_S)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert re.fullmatch(r".*r\.jsonl\.gz: \d+ frames, [0-9.]+ kB\n", said)
    assert gzip.decompress(path.read_bytes()).count(b"\n") == len(load_recording(path)) + 1


def test_statsd_is_recorded_at_one_frame_a_second(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = sonify_record(f"statsd://127.0.0.1:{port}", "-o", path, "--duration", "30s")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:

            def has_frames() -> bool:
                for backend in ("rust", "go"):
                    sock.sendto(f"code.live.requests:1|c|#backend:{backend}".encode(), ("127.0.0.1", port))
                time.sleep(0.04)
                return path.exists() and path.read_bytes().count(b"\n") >= 4

            wait_for(has_frames)
        process.terminate()
        _, said = process.communicate(timeout=GIVE_UP_S)
    finally:
        process.kill()
    assert "signals: code-live" in said
    recording = load_recording(path)
    assert recording.layout.backends == ("rust", "go")
    assert recording.layout.interval_s == 1.0
    assert np.diff(recording.t[:-1]) == pytest.approx(1.0)
    assert recording.source == f"StatsD 127.0.0.1:{port}"
    assert (recording.request_rate[1] > 0.0).all()


def test_rotation(tmp_path: Path) -> None:
    ten_seconds_a_frame = ["-O", "speed=100x", "-O", "interval=100ms"]
    run("sim:busy", "-o", tmp_path / "r.jsonl.gz", *ten_seconds_a_frame, "--rotate", "20s", "--duration", "2s")
    files = sorted(tmp_path.iterdir())
    assert len(files) >= 2
    assert all(len(load_recording(item)) == 2 for item in files[:-1])
    assert all(re.fullmatch(r"r-\d{8}T\d{6}Z\.jsonl\.gz", item.name) for item in files)
    times = np.concatenate([load_recording(item).t for item in files])
    assert np.diff(times) == pytest.approx(10.0)


def test_a_lost_source_is_recorded_as_stale(tmp_path: Path) -> None:
    """The scenario loses its source after 3 minutes."""
    path = tmp_path / "r.jsonl"
    arguments = ["-O", "speed=500x", "-O", "interval=20ms", "--interval", "20ms", "--duration", "1500ms"]
    said = run("sim:source-lost", "-o", path, *arguments)
    recording = load_recording(path)
    stale = ~recording.fresh
    assert stale.any()
    assert recording.fresh.any()
    assert np.isnan(recording.request_rate[stale]).all()
    assert said.count("the simulation lost its source") >= 1


def test_a_recording_plays_back_in_its_own_time(tmp_path: Path) -> None:
    path, again = tmp_path / "r.jsonl", tmp_path / "again.jsonl.gz"
    run("sim:busy", "-o", path, "-O", "interval=50ms", "--interval", "50ms", "--duration", "700ms")
    begin_s = time.monotonic()
    run(path, "-o", again, "-O", "speed=2x", "--interval", "50ms")
    took_s = time.monotonic() - begin_s
    first, second = load_recording(path), load_recording(again)
    assert second.t.tolist() == first.t.tolist()
    np.testing.assert_array_equal(second.request_rate, first.request_rate)
    assert took_s > 0.9 * first.duration_s / 2.0


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["sim:busy", "-o", "x.wav"], UsageError, "FILE.jsonl or FILE.jsonl.gz"),
        (["sim:busy", "-o", "x.jsonl", "--rotate", "7 apples"], UsageError, "neither a size such as 100MB"),
        (["sim:busy", "-o", "x.jsonl", "--rotate", "10B"], UsageError, "at least 10kB"),
        (["sim:busy", "-o", "x.jsonl", "--duration", "soon"], UsageError, "--duration: 'soon'"),
        (["sim:busy", "-o", "x.jsonl", "-O", "window=1s"], ReaderError, "--option window"),
        (["sim:nonsense", "-o", "x.jsonl"], ReaderError, "nonsense"),
        (["missing.jsonl", "-o", "x.jsonl"], ReaderError, "missing.jsonl"),
        (["sim:busy", "-o", "no/folder/x.jsonl", "--duration", "1500ms"], RenderError, "cannot be written"),
        (
            ["statsd://127.0.0.1:0", "-o", "x.jsonl", "--duration", "200ms"],
            RenderError,
            "nothing was recorded: waiting",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: type[SonifyError], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        run(*arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(RenderError, match=r"r\.jsonl: cannot be written: No space left on device"):
        run("sim:busy", "-o", path, "-O", "interval=50ms", "--duration", "5s")


def test_a_secret_of_the_source_is_not_in_the_recording() -> None:
    """The header holds the title, which has none."""
    source = open_source("prometheus+http://anna:hunter2@127.0.0.1:1/x?token=abc", "code-live")
    assert "hunter2" not in source.title
    assert "abc" not in source.title


def test_rotations_are_read() -> None:
    assert parse_rotation("100MB") == Rotation(size_bytes=100e6)
    assert parse_rotation("1.5 GiB") == Rotation(size_bytes=1.5 * 2**30)
    assert parse_rotation("64KB") == Rotation(size_bytes=64_000)
    assert parse_rotation("1h30m") == Rotation(age_s=5400.0)


def test_the_header_is_as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    run("sim:quiet", "-o", path, "-O", "interval=100ms", "--interval", "100ms", "--duration", "450ms")
    header, *frames = [json.loads(line) for line in path.read_text().splitlines()]
    assert (header["format"], header["version"], header["events"]) == ("sonify-recording", 1, [])
    assert all(frame["fresh"] for frame in frames)
