"""A Prometheus or a target of it that is lost: stale in time, never taken for quiet, and it comes back by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from following import following
from servers import answers, free_port, require_program, running, wait_until

from sonify.readers.prometheus import open_prometheus_source
from sonify.readers.source import Update

INTERVAL_S, SCRAPE_S = 0.5, 0.5
ALLOWANCE_S = 0.5  # for two busy cores


def is_stale(update: Update) -> bool:
    return not update.frame.fresh


def has_rates(update: Update) -> bool:
    return bool(np.isfinite(update.frame.request_rate).any())


@contextmanager
def simulated_process(port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "sonify", "simulate", "busy", "--serve", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/metrics"), "the simulated service")
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name != "posix", reason="signals that stop a process are not here")
def test_what_is_lost_is_stale_and_comes_back(tmp_path: Path) -> None:
    target, address = free_port(), f"127.0.0.1:{free_port()}"
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        f"scrape_configs: [{{job_name: live, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
    )
    command = [
        require_program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]  # fmt: skip
    ready, log = f"http://{address}/-/ready", tmp_path / "log"
    source = open_prometheus_source(f"prometheus+http://{address}", "code-live", interval_s=INTERVAL_S)
    with ExitStack() as stack:
        service = stack.enter_context(simulated_process(target))
        server = stack.enter_context(running(command, ready, log))
        live = stack.enter_context(following(source))
        live.wait_for(has_rates, "the first rates")

        server.send_signal(signal.SIGSTOP)
        assert live.wait_for(is_stale, "the server that hangs") <= 2.0 * INTERVAL_S + ALLOWANCE_S
        assert live.came[-1].update.problem.endswith("no answer in time")
        server.send_signal(signal.SIGCONT)
        live.wait_for(has_rates, "the server that went on", 10.0)

        service.kill()
        limit_s = 2.0 * INTERVAL_S + SCRAPE_S + ALLOWANCE_S  # a scrape has to fail first
        assert live.wait_for(is_stale, "the lost target") <= limit_s
        assert "gone, or older than" in live.came[-1].update.problem

        server.kill()
        live.wait_for(lambda update: "Connection refused" in update.problem, "the lost server", 5.0)
        stack.enter_context(simulated_process(target))
        stack.enter_context(running(command, ready, log))
        live.wait_for(has_rates, "both again")

    for came in live.came:
        assert came.update.frame.fresh == (not came.update.problem)
        if not came.update.frame.fresh:
            assert np.isnan(came.update.frame.request_rate).all()
            assert np.isnan(came.update.frame.queue_depth)
    assert sum(len(came.update.notices) for came in live.came) == 0  # a problem is no notice
