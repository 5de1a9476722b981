"""Packets as real clients sent them: statsd 4.0.1 and datadog 0.56.0 for Python, byte by byte."""

from __future__ import annotations

import numpy as np
import pytest

from sonify.metrics.frame import MetricFrame
from sonify.readers.panel_window import PanelWindow
from sonify.readers.signals import load_signals
from sonify.readers.statsd_counts import StatsdCounts

STATSD_CLIENT = [
    b"code.live.requests:1|c",
    b"code.live.requests:3|c|@0.9999999",
    b"code.live.x:-1|c",
    b"code.live.request.duration:12.500000|ms",
    b"code.live.queue.depth:7|g",
    b"code.live.queue.depth:-2|g",
    b"code.live.active.requests:0|g\ncode.live.active.requests:3|g",
    b"code.live.users:a|s",
    b"code.live.request.duration:10.175051|ms",
    b"code.live.requests:1|c\ncode.live.request.duration:3.000000|ms",
]
DATADOG_CLIENT = [
    b"code.live.requests:1|c|#backend:rust,status:200,env:prod\n",
    b"code.live.request.duration:0.0123|h|#backend:rust,env:prod\n",
    b"code.live.request.duration:0.5|d|#backend:go,env:prod\n",
    b"code.live.request.duration:12|ms|#backend:rust,env:prod\n",
    b"code.live.queue.depth:4|g|#env:prod\n",
    b"code.live.users:3|s|#env:prod\n",
    b"_e{6,14}:Glitch|xrun\\nhappened|t:error|#backend:rust,env:prod\n",
    b"_sc|up|0|#a:b,env:prod|m:m\\: x\n",
    b"code.live.queue.depth:5|g|#env:prod|T1795478725\n",
    b"code.live.requests:5|c|#backend:rust,env:prod|T1795478725\n",
    b"code.live.request.duration:0.010116372999618761|ms|#backend:rust,env:prod\n",
]
# from the protocol's documentation: versions 1.1 (packed values), 1.2 (container), 1.3 (time)
DOGSTATSD_VERSIONS = [
    b"code.live.request.duration:1.5:0.5:0.25|d|@0.5|#backend:sql\n",
    b"code.live.requests:1|c|#backend:sql,status:500|c:83c0a99c0a54c0c187f461c7980e9b57f3f6a8b0c918c8d93df19a9de6f3fe1d\n",
    b"code.live.requests:2|c|#backend:sql,status:200|c:ci-83c0|T1656581400\n",
    b"code.live.queue.depth:150|g|T1656581400\n",
]


def frame_of(*packets: bytes) -> MetricFrame:
    window = PanelWindow(interval_s=1.0, window_s=1.0)
    counts = StatsdCounts(window, load_signals("code-live"))
    counts.feed(list(packets), 1.0)
    counts.fold(1.0)
    assert (counts.num_bad, counts.notices) == (0, [])
    return window.frame(1.0)


def test_statsd_client() -> None:
    frame = frame_of(*STATSD_CLIENT)
    assert frame.layout.backends == ("all",)
    assert frame.request_rate.tolist() == [pytest.approx(5.0, rel=1e-6)]
    assert np.isnan(frame.error_ratio).all()
    assert frame.latency_rate.sum() == 3.0
    assert (frame.queue_depth, frame.active_requests) == (5.0, 3.0)
    assert 0.010 < float(frame.latency_quantile_s(0.5)[0]) < 0.013


def test_datadog_client() -> None:
    frame = frame_of(*DATADOG_CLIENT)
    assert frame.layout.backends == ("go", "rust")
    assert frame.request_rate.tolist() == [1.0, 6.0]  # of go only latencies came
    assert frame.error_ratio.tolist() == [0.0, 0.0]
    assert frame.glitch_rate[1] == 1.0
    assert frame.latency_rate.sum(axis=1).tolist() == [1.0, 3.0]
    assert frame.queue_depth == 5.0
    assert float(frame.latency_quantile_s(0.5)[0]) == pytest.approx(0.5, rel=0.6)


def test_versions_of_the_protocol() -> None:
    frame = frame_of(*DOGSTATSD_VERSIONS)
    assert frame.layout.backends == ("sql",)
    assert frame.request_rate.tolist() == [3.0]
    assert frame.error_ratio.tolist() == [pytest.approx(1 / 3)]
    assert frame.latency_rate.sum() == 6.0
    assert frame.queue_depth == 150.0
