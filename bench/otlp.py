"""OTLP: from an event in a service with the real OpenTelemetry SDK to the frame that shows it, and how fast is read.

python -m bench.otlp                 both
python -m bench.otlp --seconds 60    more events
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.harness import machine, table
from sonify.readers.otlp import OtlpSource
from sonify.readers.otlp_json import decode_json
from sonify.readers.otlp_model import Metric
from sonify.readers.otlp_panels import OtlpPanels
from sonify.readers.otlp_protobuf import decode_protobuf
from sonify.readers.otlp_routes import OtlpRouter
from sonify.readers.signals import load_signals

PERIOD_S = 1.0
BAR_S = 1.0
ROUNDS = 5


def service(port: int, seconds: float) -> None:
    """Push once a second, and raise a level by one now and then; prints when."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(endpoint=f"http://127.0.0.1:{port}/v1/metrics")
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=1000 * PERIOD_S)])
    level = provider.get_meter("bench").create_up_down_counter("code_live.queue_depth")
    dice, end_s = random.Random(1), time.time() + seconds
    while time.time() < end_s:
        time.sleep(dice.uniform(0.05, 0.45))
        print(time.time(), flush=True)
        level.add(1)
    time.sleep(2.5 * PERIOD_S)
    provider.shutdown()


def event_to_frame_s(seconds: float) -> list[float]:
    """Delay of each event until its frame was handed over, in s."""
    source, stop = OtlpSource("otlp://127.0.0.1:0", "code-live"), threading.Event()
    updates = source.follow(stop)
    next(updates)
    command = [sys.executable, "-m", "bench.otlp", "--service", str(source.port), "--seconds", str(seconds)]
    begun_s: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = process.stdout
        reader = threading.Thread(target=lambda: begun_s.extend(map(float, lines)))
        reader.start()
        delays_s: list[float] = []
        for update in updates:
            now_s, depth = time.time(), update.frame.queue_depth
            if depth == depth:
                while len(delays_s) < min(int(depth), len(begun_s)):
                    delays_s.append(now_s - begun_s[len(delays_s)])
            if process.poll() is not None:
                stop.set()
        reader.join()
    return delays_s


def request(num_series: int) -> dict[str, Any]:
    """A push of as many points; a fifth of them histograms."""
    times = {"startTimeUnixNano": "1700000000000000000", "timeUnixNano": "1700000001000000000"}

    def labels(index: int) -> list[dict[str, Any]]:
        pairs = {
            "http.request.method": "GET",
            "http.route": f"/shop/{index}",
            "status": "200",
            "backend": f"b{index % 6}",
        }
        return [{"key": key, "value": {"stringValue": text}} for key, text in pairs.items()]

    counted = [{**times, "asInt": str(7 * i), "attributes": labels(i)} for i in range(num_series * 4 // 5)]
    seen = [
        {
            **times,
            "count": "70",
            "sum": 7.0,
            "attributes": labels(i),
            "explicitBounds": [0.005 * 2**k for k in range(14)],
            "bucketCounts": ["5"] * 14 + ["0"],
        }
        for i in range(num_series - len(counted))
    ]
    metrics = [
        {
            "name": "code_live.requests",
            "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": counted},
        },
        {
            "name": "code_live.request.duration",
            "unit": "s",
            "histogram": {"aggregationTemporality": 2, "dataPoints": seen},
        },
    ]
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}


def best_s(work: Callable[[], object]) -> float:
    """Shortest of some runs."""
    times_s = []
    for _ in range(ROUNDS):
        begin_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - begin_s)
    return min(times_s)


def speeds(num_series: int) -> list[list[str]]:
    """Rows of points a second: decoded, and taken in."""
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    document = request(num_series)
    bodies: list[tuple[str, bytes, Callable[[bytes], list[Metric]]]] = [
        (
            "protobuf",
            json_format.ParseDict(document, ExportMetricsServiceRequest()).SerializeToString(),
            decode_protobuf,
        ),
        ("JSON", json.dumps(document).encode(), decode_json),
    ]
    rows = []
    for name, body, decode in bodies:
        panels = OtlpPanels(
            OtlpRouter(load_signals("code-live")), interval_s=0.05, window_s=4.0, stale_after_s=None, began_s=0.0
        )
        clock = iter(range(1, 1000))

        def read(body: bytes = body, decode: Callable[[bytes], list[Metric]] = decode) -> object:
            return [metric.points() for metric in decode(body)]

        def take(
            body: bytes = body,
            decode: Callable[[bytes], list[Metric]] = decode,
            panels: OtlpPanels = panels,
            clock: Any = clock,
        ) -> object:
            return panels.receive(decode(body), float(next(clock)))

        take()
        rows.append(
            [name, f"{len(body) / 1e6:.2f} MB", *(f"{num_series / best_s(work):,.0f}" for work in (read, take))]
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--service", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.service:
        service(options.service, options.seconds)
        return
    print(machine())
    print(table(["OTLP, 5,000 points", "body", "decoded, points/s", "taken in, points/s"], speeds(5000)))
    delays_s = np.asarray(event_to_frame_s(options.seconds))
    p95_s = float(np.quantile(delays_s, 0.95))
    print(
        f"event to frame, real SDK pushing each {PERIOD_S:.0f} s: {len(delays_s)} events, "
        f"mean {delays_s.mean() * 1000:.0f} ms, p95 {p95_s * 1000:.0f} ms, most {delays_s.max() * 1000:.0f} ms "
        f"(bar: p95 {BAR_S * 1000:.0f} ms: {'met' if p95_s <= BAR_S else 'MISSED'})"
    )


if __name__ == "__main__":
    main()
