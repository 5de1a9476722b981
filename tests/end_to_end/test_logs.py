"""Logs of a real nginx, read and followed; and the simulated service's panels through a log."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import pytest
from servers import free_port, require_program, running
from truth import assert_agrees

from sonify.readers.source import Update, open_source
from sonify.simulation.service import Simulation, Snapshot
from sonify.simulation.state import STATUSES

FORMAT = '$remote_addr - $remote_user [$time_local] $host "$request" $status $body_bytes_sent $request_time $msec'
SEED = 5


@contextmanager
def _nginx(directory: Path, log_format: str) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    """Run nginx with an access log; `/slow` takes about 0.3 s, `/broken` answers 503. Gives URL, log and process."""
    program = require_program("nginx")
    address, log = f"127.0.0.1:{free_port()}", directory / "access.log"
    body = directory / "slow.bin"
    body.write_bytes(bytes(60_000))
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (directory / name).mkdir()
    config = directory / "nginx.conf"
    config.write_text(
        f"""
daemon off; master_process on; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
user {_user_name()};
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    log_format timed '{log_format}';
    access_log {log} timed;
    server {{
        listen {address};
        root {directory};
        location = /ready {{ access_log off; return 200; }}
        location = /broken {{ return 503; }}
        location = /fast {{ return 200; }}
        location = /slow.bin {{ limit_rate 200k; }}
    }}
}}
"""
    )
    command = [program, "-p", str(directory), "-c", str(config), "-e", str(directory / "error.log")]
    with running(command, f"http://{address}/ready", directory / "nginx.log") as process:
        yield f"http://{address}", log, process


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _drive(url: str, *, fast: int, broken: int, slow: int) -> None:
    hosts = ("shop.example", "api.example")
    with httpx.Client(trust_env=False) as client:
        for index in range(fast):
            client.get(f"{url}/fast", headers={"Host": hosts[index % 2]})
        for _ in range(broken):
            client.get(f"{url}/broken", headers={"Host": hosts[1]})
        for _ in range(slow):
            client.get(f"{url}/slow.bin", headers={"Host": hosts[0]})


def test_the_log_of_a_real_nginx_is_read(tmp_path: Path) -> None:
    with _nginx(tmp_path, FORMAT) as (url, log, _):
        _drive(url, fast=40, broken=6, slow=2)
        time.sleep(0.1)
    for engine in ("plain", "duckdb"):
        source = open_source(str(log), options=[f"format={FORMAT}", "field=time=msec", f"engine={engine}"])
        recording = source.read(None, None)
        assert recording.layout.backends == ("api.example", "shop.example")
        counted = recording.request_rate.sum(axis=0) * recording.layout.interval_s
        assert counted.tolist() == [26.0, 22.0]
        errors = np.nansum(recording.error_ratio * recording.request_rate, axis=0) * recording.layout.interval_s
        assert errors == pytest.approx([6.0, 0.0])
        slow = recording.latency_rate[:, 1, recording.layout.latency_edges_s[:-1] > 0.1].sum()
        assert slow * recording.layout.interval_s == 2.0


COMBINED = (
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" "
    "\"$http_user_agent\" $request_time"
)  # fmt: skip


def test_the_log_of_a_real_nginx_is_followed_through_its_rotation(tmp_path: Path) -> None:
    updates: list[Update] = []
    stop = Event()
    with _nginx(tmp_path, COMBINED) as (url, log, process):
        _drive(url, fast=5, broken=0, slow=0)
        time.sleep(0.1)
        source = open_source(str(log), options=["interval=200ms"])
        thread = threading.Thread(target=lambda: updates.extend(source.follow(stop)))
        thread.start()
        try:
            time.sleep(0.5)  # so that it follows before the first request
            _drive(url, fast=30, broken=0, slow=0)
            log.rename(tmp_path / "access.log.1")
            _drive(url, fast=0, broken=7, slow=0)  # nginx still writes to the file that was moved
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.3)
            _drive(url, fast=20, broken=0, slow=1)
            time.sleep(0.6)
        finally:
            stop.set()
            thread.join()
    assert log.read_text().count("\n") == 21
    assert not any(update.problem for update in updates)
    assert sum(update.frame.request_rate.sum() * 0.2 for update in updates) == pytest.approx(58.0)
    errors = sum(np.nansum(update.frame.error_ratio * update.frame.request_rate) * 0.2 for update in updates)
    assert errors == pytest.approx(7.0)
    assert updates[-1].frame.fresh
    assert updates[-1].frame.request_rate.sum() == 0.0
    assert max(update.lag_s for update in updates) < 2.0  # $time_local counts whole seconds


def _simulated_log(path: Path) -> tuple[Simulation, Snapshot, Snapshot]:
    """Write what a simulated service answers as JSON lines; it counts by band, in which a latency is drawn."""
    simulation = Simulation("incident", SEED)
    rng = random.Random(SEED)
    edges_s = simulation.bands.nominal_edges_s
    before = last = simulation.snapshot()
    start_s, step_s = 1_767_600_000.0, 5.0
    with path.open("w") as file:
        for step in range(1, 61):
            simulation.advance(step * step_s)
            now = simulation.snapshot()
            for backend, name in enumerate(simulation.backends):
                statuses = [
                    status
                    for status, count in zip(STATUSES, now.requests[backend] - last.requests[backend], strict=True)
                    for _ in range(int(count))
                ]
                bands = [
                    band
                    for band, count in enumerate(now.band_counts[backend] - last.band_counts[backend])
                    for _ in range(int(count))
                ]
                fallbacks = int(now.fallbacks[backend] - last.fallbacks[backend])
                rng.shuffle(statuses)
                for index, (status, band) in enumerate(zip(statuses, bands, strict=True)):
                    latency_s = math.exp(rng.uniform(math.log(edges_s[band]), math.log(edges_s[band + 1])))
                    time_s = start_s + (step - rng.random()) * step_s
                    moment = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds")
                    file.write(
                        f'{{"time": "{moment}", "backend": "{name}", "status": "{status}", '
                        f'"latency": {latency_s:.6f}, "fallback": {str(index < fallbacks).lower()}}}\n'
                    )
            last = now
    return simulation, before, last


@pytest.mark.parametrize("engine", ["plain", "duckdb"])
def test_the_panels_of_a_simulated_service_agree_with_its_own_truth(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "service.jsonl"
    simulation, before, after = _simulated_log(path)
    options = [f"engine={engine}", "field=fallback=fallback", "interval=5s"]
    recording = open_source(str(path), options=options).read(None, None)
    assert_agrees(
        recording, before, after, simulation.backends, panels=("requests", "errors", "fallbacks", "latencies")
    )
