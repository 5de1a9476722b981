"""VictoriaMetrics: its own buckets, its hidden last half minute, and the truth through it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from following import following
from servers import victoria_metrics_server, wait_until
from truth import agrees_in_one_of, assert_agrees, simulated_service

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands, quantile_s
from sonify.readers.prometheus import open_prometheus_source


def test_live_and_range_agree_with_what_the_service_counted(tmp_path: Path) -> None:
    agrees_in_one_of(3, live_and_range_agree, tmp_path)


def live_and_range_agree(folder: Path) -> None:
    with (
        simulated_service("incident", speed=20.0) as service,
        victoria_metrics_server(folder, {"live": [service.address]}) as url,
    ):
        time.sleep(3.0)  # what was asked too early it takes for missing for a while
        with following(open_prometheus_source(f"prometheus+{url}", "code-live")) as live:
            live.wait_for(lambda update: bool(np.isfinite(update.frame.request_rate).any()), "the first rates")
            time.sleep(1.0)
            began_s, before = time.time(), service.snapshot()
            service.clock.run()
            time.sleep(4.0)
            service.clock.hold()
            after = service.snapshot()
            time.sleep(6.5)
            recording = live.recording()
        ranged = open_prometheus_source(f"prometheus+{url}", "code-live", step_s=1.0)
        of_range = ranged.read(began_s - 2.0, time.time())
    assert_agrees(recording, before, after, service.backends)
    assert_agrees(of_range, before, after, service.backends)  # though the server hides the last 30 s
    assert max(came.update.lag_s for came in live.came if came.update.frame.fresh) <= 4.0
    assert ranged.warnings == []


# -- its own buckets ---------------------------------------------------------------------------------------------------

MEDIANS_S = {"rust": 0.02, "go": 0.4}
RATE, STEP_S, SPAN_S = 20, 5, 300
PRESET = """
scrape_interval = "5s"
[backend]
labels = ["service.name"]
[latency]
metric = "http.server.duration"
unit = "ms"
"""


def latencies_s(backend: str) -> np.ndarray:
    return np.random.default_rng(7).lognormal(np.log(MEDIANS_S[backend]), 0.3, RATE * SPAN_S)


def own_buckets(end_s: int) -> Iterator[str]:
    """Counters by ``vmrange``, in ms, under names with dots, as they come from OpenTelemetry."""
    for backend in MEDIANS_S:
        places = np.floor(np.log10(latencies_s(backend) * 1000.0) * 18.0).astype(int)
        for place in np.unique(places):
            low, high = (f"{10 ** (edge / 18.0):.3e}" for edge in (place, place + 1))
            counts = np.cumsum((places == place).reshape(SPAN_S // STEP_S, -1).sum(axis=1))
            for index, count in enumerate(counts):
                moment_ms = (end_s - SPAN_S + STEP_S * (index + 1)) * 1000
                labels = f'__name__="http.server.duration_bucket",vmrange="{low}...{high}",service.name="{backend}"'
                yield labels, count, moment_ms


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, int]]:
    directory = tmp_path_factory.mktemp("victoria")
    preset = directory / "own.toml"
    preset.write_text(PRESET)
    with victoria_metrics_server(directory) as url:
        end_s = int(time.time()) // STEP_S * STEP_S
        by_series: dict[str, list[tuple[int, int]]] = {}
        for labels, count, moment_ms in own_buckets(end_s):
            by_series.setdefault(labels, []).append((int(count), moment_ms))
        lines = []
        for labels, points in by_series.items():
            metric = ", ".join(
                f'"{name}": {value}' for name, _, value in (part.partition("=") for part in labels.split(","))
            )
            values, times = zip(*points, strict=True)
            lines.append(f'{{"metric": {{{metric}}}, "values": {list(values)}, "timestamps": {list(times)}}}\n')
        answer = httpx.post(f"{url}/api/v1/import", content="".join(lines), trust_env=False)
        assert answer.is_success
        httpx.get(f"{url}/internal/force_flush", trust_env=False)
        yield f"prometheus+{url}", preset, end_s


def test_its_own_buckets_over_a_range(own: tuple[str, Path, int]) -> None:
    spec, preset, end_s = own
    source = open_prometheus_source(spec, str(preset), step_s=20.0)

    def recording_is_there() -> bool:
        try:
            return source.read(end_s - SPAN_S, end_s).layout.num_backends == len(MEDIANS_S)
        except ReaderError:
            return False

    wait_until(recording_is_there, "the imported series")
    recording = source.read(end_s - SPAN_S + 60, end_s)
    position = LatencyBands().position
    for backend in MEDIANS_S:
        rates = recording.latency_rate[:, recording.layout.backends.index(backend)]
        assert rates.sum(axis=1).mean() == pytest.approx(RATE, rel=0.02)
        for q in (0.5, 0.95):
            found_s = float(quantile_s(rates.mean(axis=0), recording.layout.latency_edges_s, q))
            assert abs(float(position(found_s) - position(np.quantile(latencies_s(backend), q)))) <= 0.5


def test_its_own_buckets_at_an_instant(own: tuple[str, Path, int]) -> None:
    spec, preset, end_s = own
    # the imported samples are new enough for an interval of their own length
    with following(open_prometheus_source(spec, str(preset), interval_s=0.5, window_s=120.0)) as live:
        live.wait_for(lambda _: True, "an update")
        wait_until(lambda: any(np.isfinite(came.update.lag_s) for came in live.came), "the newest sample")
    update = next(came.update for came in live.came if np.isfinite(came.update.lag_s))
    assert update.lag_s == pytest.approx(time.time() - end_s, abs=5.0)
