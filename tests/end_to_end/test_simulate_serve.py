"""``sonify simulate`` as a person or a supervisor runs it."""

from __future__ import annotations

import http.client
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from sonify.commands.simulate import simulate
from sonify.errors import SonifyError, UsageError
from sonify.metrics.recording_format import load_recording
from sonify.simulation.service import Simulation

LAUNCH = [sys.executable, "-c", "from sonify.commands.simulate import simulate; simulate()"]


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Run a server on a free loopback port; give the process, and the host and port that it printed."""
    Simulation("quiet")  # compiles here, so that the server starts at once
    process = subprocess.Popen(
        [*LAUNCH, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://([^:]+):(\d+)/metrics", line)
        assert match, (line, _rest(process.stderr, process))
        yield process, match.group(1), int(match.group(2))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def _rest(stream: IO[str] | None, process: subprocess.Popen[str]) -> str:
    process.kill()
    return stream.read() if stream is not None else ""


def get(host: str, port: int, path: str = "/metrics") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read().decode()
    finally:
        connection.close()


def samples(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_scraper_sees_counters_rise_and_histograms_that_add_up() -> None:
    with serving("busy", "--serve", "127.0.0.1:0", "--speed", "50x") as (_, host, port):
        status, content_type, page = get(host, port)
        assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
        first = samples(page)
        time.sleep(0.5)
        second = samples(get(host, port)[2])
        assert first.keys() == second.keys()
        for key, value in second.items():
            if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
                assert value >= first[key], key
        name = "code_live_request_duration_seconds"
        for backend in ("rust", "ts", "go", "csharp", "sql", "julia"):
            label = ("backend", backend)
            buckets = {
                float(dict(labels)["le"]): value
                for (found, labels), value in second.items()
                if found == f"{name}_bucket" and label in labels
            }
            count = second[(f"{name}_count", (label,))]
            assert buckets[math.inf] == count > first[(f"{name}_count", (label,))]
            requests = [
                v for (found, labels), v in second.items() if found == "code_live_requests_total" and label in labels
            ]
            assert sum(requests) == count
        assert get(host, port, "/")[0] == 404
        assert get(host, port, "/metrics/x")[0] == 404


def test_a_lost_source_answers_503_and_comes_back() -> None:
    seen = []
    with serving("source-lost", "--serve", "127.0.0.1:0", "--speed", "120x") as (_, host, port):
        give_up_s = time.monotonic() + 60.0
        while seen != [200, 503, 200] and time.monotonic() < give_up_s:
            status = get(host, port)[0]
            if not seen or seen[-1] != status:
                seen.append(status)
            time.sleep(0.05)
    assert seen == [200, 503, 200]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_it_ends_cleanly_when_told_to(how: str) -> None:
    with serving("quiet", "--serve", "127.0.0.1:0") as (process, _, _):
        process.send_signal(getattr(signal, how))  # as soon as the address is printed, ready to serve or not
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in errors
        assert "stopped" in errors


def test_an_address_in_use_is_one_clear_line() -> None:
    with serving("quiet", "--serve", "127.0.0.1:0") as (_, host, port):
        result = CliRunner().invoke(simulate, ["quiet", "--serve", f"{host}:{port}"])
    assert isinstance(result.exception, UsageError)
    assert f"--serve {host}:{port}: cannot listen here" in str(result.exception)


def test_the_table_names_backends_and_faults() -> None:
    result = CliRunner().invoke(simulate, ["incident"])
    assert result.exit_code == 0
    for word in ("rust", "julia", "p95", "julia: slow_dependency", "4 min – 9 min", "15 min in 180 frames of 5 s"):
        assert word in result.output, word


@pytest.mark.parametrize("scenario", ["silence", "source-lost"])
def test_the_table_copes_with_nothing(scenario: str) -> None:
    result = CliRunner().invoke(simulate, [scenario])
    assert result.exit_code == 0
    assert "nan" not in result.output


def test_a_recording_is_written_and_is_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz")]
    for path in paths:
        result = CliRunner().invoke(simulate, ["deploy", "--seed", "3", "--duration", "2m", "-o", str(path)])
        assert result.exit_code == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    recording = load_recording(paths[0])
    assert len(recording) == 24
    assert recording.layout.backends == ("rust", "ts", "go", "csharp", "sql", "julia")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["incidnt"], "did you mean incident?"),
        (["quiet", "--serve", "9464"], "write HOST:PORT"),
        (["quiet", "--serve", "127.0.0.1:99999"], "port 0–65535"),
        (["quiet", "--speed", "2x"], "--speed goes with --serve only"),
        (["quiet", "--serve", "127.0.0.1:0", "--duration", "3s"], "--duration does not go with --serve"),
        (["quiet", "-o", "x.wav"], "FILE.jsonl"),
        (["quiet", "-o", "/no/such/folder/x.jsonl"], "cannot be written"),
    ],
)
def test_what_does_not_go_is_said(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(simulate, arguments)
    assert isinstance(result.exception, SonifyError)
    assert said in str(result.exception)
