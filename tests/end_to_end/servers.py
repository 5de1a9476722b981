"""Real servers for the end-to-end tests: on free loopback ports, stopped when the test ends, however it ends."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest import missing_tool

START_TIMEOUT_S = 30.0


def require_program(name: str) -> str:
    """Path of an installed program. Where it is missing the test is skipped, or under ``CI=true`` fails."""
    path = shutil.which(name)
    if path is None:
        missing_tool(name)
    return str(path)


def free_port() -> int:
    """Find a loopback TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until a condition holds; fail where it never does."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_s:
            pytest.fail(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a GET of the URL is answered with success."""
    try:
        return httpx.get(url, trust_env=False, timeout=2.0).is_success
    except httpx.TransportError:
        return False


@contextmanager
def running(command: Sequence[str], ready_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends. Its output goes to `log`, and is shown where it does not start."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while not answers(ready_url):
            if process.poll() is not None or time.monotonic() > give_up_s:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def prometheus_server(
    directory: Path,
    jobs: Mapping[str, Sequence[str]] | None = None,
    *,
    scrape_interval: str = "1s",
    options: Sequence[str] = (),
) -> Iterator[str]:
    """Run Prometheus on `directory` and give its URL.

    `jobs` says which ``host:port`` are scraped; data that are in ``directory/data`` already are kept, however old.
    """
    program = require_program("prometheus")
    config = directory / "prometheus.yml"
    lines = [f"global: {{scrape_interval: {scrape_interval}, scrape_timeout: {scrape_interval}}}", "scrape_configs:"]
    for job, targets in (jobs or {}).items():
        lines += [f"  - job_name: {job!r}", f"    static_configs: [{{targets: [{', '.join(map(repr, targets))}]}}]"]
    config.write_text("\n".join(lines if jobs else lines[:1]) + "\n")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
        *options,
    ]
    with running(command, f"http://{address}/-/ready", directory / "prometheus.log"):
        yield f"http://{address}"


def import_openmetrics(directory: Path, text_file: Path) -> None:
    """Write an OpenMetrics file with times into ``directory/data``, as a server left it."""
    promtool = require_program("promtool")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text_file), str(directory / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        pytest.fail(f"promtool: {done.stderr[-2000:]}")


@contextmanager
def victoria_metrics_server(
    directory: Path,
    jobs: Mapping[str, Sequence[str]] | None = None,
    *,
    scrape_interval: str = "1s",
    options: Sequence[str] = (),
) -> Iterator[str]:
    """Run VictoriaMetrics on `directory` and give its URL; `jobs` says which ``host:port`` are scraped."""
    program = require_program("victoria-metrics")
    config = directory / "scrape.yml"
    lines = [f"global: {{scrape_interval: {scrape_interval}, scrape_timeout: {scrape_interval}}}", "scrape_configs:"]
    for job, targets in (jobs or {}).items():
        lines += [f"  - job_name: {job!r}", f"    static_configs: [{{targets: [{', '.join(map(repr, targets))}]}}]"]
    config.write_text("\n".join(lines if jobs else lines[:1]) + "\n")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"-httpListenAddr={address}",
        f"-storageDataPath={directory / 'victoria'}",
        f"-promscrape.config={config}",
        "-retentionPeriod=100y",
        *options,
    ]
    with running(command, f"http://{address}/health", directory / "victoria-metrics.log"):
        yield f"http://{address}"
