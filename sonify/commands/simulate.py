"""``sonify simulate``: a simulated service, as a table, a recording, or a live ``/metrics`` page."""

from __future__ import annotations

import ipaddress
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from sonify.errors import RenderError, UsageError
from sonify.units import format_duration, parse_duration_s, parse_speed

if TYPE_CHECKING:
    from sonify.metrics.recording import Recording
    from sonify.simulation.scenarios import Scenario
    from sonify.simulation.service import Simulation

__all__ = ["simulate"]

_EPILOG = """\b
Scenarios: quiet busy incident deploy overload flapping chaos silence source-lost.

\b
Examples:
  sonify simulate incident
  sonify simulate busy --serve 127.0.0.1:9464
  sonify simulate chaos --serve 127.0.0.1:0 --speed 10x --seed 3
  sonify simulate incident --duration 24h --interval 60s -o day.jsonl.gz

\b
Every command also takes a scenario as its source:
  sonify render "sim:incident?seed=7" -o incident.wav
"""


@click.command(epilog=_EPILOG)
@click.argument("scenario")
@click.option(
    "--serve", metavar="HOST:PORT", help="Show /metrics here in real time, until Ctrl-C; port 0 takes a free one."
)
@click.option("--speed", help="With --serve: simulated time runs this much faster than the clock, such as 10x.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same simulation.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a recording: FILE.jsonl or FILE.jsonl.gz.")
@click.option("--duration", help="Length, such as 15m or 24h; the scenario's own by default.")
@click.option("--interval", help="One frame each, such as 5s; the scenario's own by default.")
def simulate(
    scenario: str,
    serve: str | None,
    speed: str | None,
    seed: int,
    output: Path | None,
    duration: str | None,
    interval: str | None,
) -> None:
    """Simulate a service with six backends, queues, retries, circuit breakers, and faults.

    Without --serve it prints what happens in SCENARIO; with it, it shows /metrics for a scraper.
    """
    from sonify.simulation.scenarios import find_scenario

    found = find_scenario(scenario)
    if serve is not None:
        unused = {"--output": output, "--duration": duration, "--interval": interval}
        for option, value in unused.items():
            if value is not None:
                raise UsageError(f"{option} does not go with --serve, which runs until it is stopped")
        _serve(found, seed, _parse_address(serve), 1.0 if speed is None else parse_speed(speed))
        return
    if speed is not None:
        raise UsageError("--speed goes with --serve only; a simulation without it runs as fast as it can")
    if output is not None and not output.name.endswith((".jsonl", ".jsonl.gz")):
        raise UsageError(f"-o {output}: a recording is named FILE.jsonl or FILE.jsonl.gz")
    from sonify.readers.simulation import simulate_recording

    recording = simulate_recording(
        found,
        duration_s=None if duration is None else parse_duration_s(duration),
        interval_s=None if interval is None else parse_duration_s(interval),
        seed=seed,
        on_compile=_say,
    )
    if output is not None:
        _save(output, recording)
    click.echo(_table(found, recording))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _save(path: Path, recording: Recording) -> None:
    from sonify.metrics.recording_format import save_recording

    try:
        save_recording(path, recording)
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None
    _say(f"wrote {path} ({len(recording)} frames, {format_duration(recording.duration_s)})")


def _table(scenario: Scenario, recording: Recording) -> str:
    """Say what a recording holds, backend by backend, and what was injected."""
    import numpy as np

    from sonify.metrics.bands import quantile_s

    known = recording.fresh & np.isfinite(recording.request_rate[:, 0])
    requests = recording.request_rate[known].sum(axis=0)
    bands, edges_s = recording.latency_rate[known].sum(axis=0), recording.layout.latency_edges_s
    shares = {
        "errors": (recording.error_ratio * recording.request_rate)[known].sum(axis=0),
        "fallbacks": (recording.fallback_ratio * recording.request_rate)[known].sum(axis=0),
    }
    glitches = recording.glitch_rate[known].mean(axis=0)
    lines = [
        f"{scenario.name}: {scenario.text}",
        f"{format_duration(recording.duration_s)} in {len(recording)} frames of "
        f"{format_duration(recording.layout.interval_s)}, {int(np.sum(~recording.fresh))} of them stale",
        "",
        f"{'backend':10}{'rate':>11}{'p50':>10}{'p95':>10}{'errors':>9}{'fallbacks':>11}{'glitches':>13}{'capacity':>13}",
    ]
    for index, profile in enumerate(scenario.backends):
        ratios = [_percent(share[index], requests[index]) for share in shares.values()]
        lines.append(
            f"{profile.name:10}{requests[index] / max(known.sum(), 1):>7.2f} 1/s"
            f"{_latency(float(quantile_s(bands[index], edges_s, 0.5))):>10}"
            f"{_latency(float(quantile_s(bands[index], edges_s, 0.95))):>10}"
            f"{ratios[0]:>9}{ratios[1]:>11}{glitches[index] * 60.0:>7.2f} 1/min"
            f"{profile.batched_capacity_rate:>9.0f} 1/s"
        )
    gauges = (recording.queue_depth[recording.fresh], recording.active_requests[recording.fresh])
    most = [f"{values.max():.0f}" if len(values) else "–" for values in gauges]
    lines += ["", f"at most {most[0]} requests in the queue, {most[1]} in work", "", "injected:"]
    lines += [
        f"  {format_duration(max(event.t - recording.start_s, 0.0)):>12} – "
        f"{format_duration((event.end or event.t) - recording.start_s):12} {event.text}"
        for event in recording.events
    ] or ["  nothing"]
    return "\n".join(lines)


def _percent(part: float, whole: float) -> str:
    return f"{100.0 * part / whole:.2f} %" if whole > 0.0 else "–"


def _latency(value_s: float) -> str:
    if value_s != value_s:
        return "–"
    return f"{value_s * 1000.0:.3g} ms" if value_s < 0.9995 else f"{value_s:.3g} s"


def _parse_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--serve {text!r} is not an address: write HOST:PORT, such as 127.0.0.1:9464, port 0–65535")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _serve(scenario: Scenario, seed: int, address: tuple[str, int], speed: float) -> None:
    from sonify.simulation.server import LiveSimulation, MetricsServer
    from sonify.simulation.service import Simulation

    simulation: Simulation = Simulation(scenario, seed, on_compile=_say)
    try:
        server = MetricsServer(address, LiveSimulation(simulation, speed=speed))
    except OSError as error:
        raise UsageError(f"--serve {address[0]}:{address[1]}: cannot listen here: {error.strerror or error}") from None
    host, port = str(server.server_address[0]), int(server.server_address[1])
    if not _is_loopback(host):
        _say(f"warning: {host} is not a loopback address: everyone who reaches this machine can read the page")
    shown = f"[{host}]" if ":" in host else host
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        click.echo(f"{scenario.name} on http://{shown}:{port}/metrics (Ctrl-C ends it)")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        _say("stopped")
    finally:
        signal.signal(signal.SIGTERM, previous)
        server.server_close()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """End a server that is asked to stop by its supervisor as Ctrl-C does."""
    raise KeyboardInterrupt
