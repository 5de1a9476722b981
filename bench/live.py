"""``python -m bench.live``: how listening live behaves, on a PulseAudio server of its own.

Prints the time to the first sound, CPU, underruns and the delay from frame to ear, quiet and beside a busy reader, and
with ``--soak`` an hour of frames fed fast. It judges nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import harness

SONIFY = [sys.executable, "-m", "sonify"]
RATE_HZ = 48_000
SOUND = 1e-4


@contextlib.contextmanager
def pulse() -> Iterator[Path]:
    """PulseAudio with a sink that plays to nobody; a folder for captures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(XDG_RUNTIME_DIR=name, PULSE_RUNTIME_PATH=f"{name}/pulse", XDG_CONFIG_HOME=f"{name}/config")
        os.environ.pop("PULSE_SERVER", None)
        sink = f"module-null-sink sink_name=probe rate={RATE_HZ} channels=2 format=float32le norewinds=1"
        flags = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--realtime=no", "--high-priority=no"]
        command = ["pulseaudio", *flags, "--use-pid-file=no", "-L", "module-native-protocol-unix", "-L", sink]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
                time.sleep(0.02)
            yield folder
        finally:
            server.kill()
            server.wait()


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Write the monitor into a file."""
    command = ["parec", "-d", "probe.monitor", "--format=float32le", f"--rate={RATE_HZ}", "--channels=2"]
    with path.open("wb") as file:
        process = subprocess.Popen([*command, "--latency-msec=20"], stdout=file)
    try:
        while not path.stat().st_size:
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait()


def first_sound_s(folder: Path, runs: int) -> list[float]:
    """From the start of the command to the first sample in the monitor that is not silence."""
    found = []
    for _ in range(runs):
        path = folder / "first.raw"
        with captured(path):
            silent_s = path.stat().st_size / 8 / RATE_HZ
            command = [*SONIFY, "listen", "sim:incident?interval=250ms", "--plain", "--duration", "2500ms"]
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        audio = np.fromfile(path, np.float32)
        loud = np.flatnonzero(np.abs(audio) > SOUND)
        found.append(float(loud[0]) / 2 / RATE_HZ - silent_s if len(loud) else float("nan"))
        path.unlink()
    return found


def listen(seconds: float, *options: str) -> tuple[list[dict[str, Any]], float]:
    """Run the command for a time: its lines, and the share of one core that it and its sound process took."""
    command = [*SONIFY, "listen", "sim:incident", "--json", "--duration", f"{seconds:g}s", *options]
    before = os.times()
    begin_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall_s = time.perf_counter() - begin_s
    after = os.times()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return [json.loads(line) for line in done.stdout.splitlines()], cpu_s / wall_s


def steady_cpu(seconds: float) -> float:
    """Share of one core while it plays, start and end left out: two lengths are compared."""
    (_, short), (_, long) = listen(5.0), listen(5.0 + seconds)
    return (long * (5.0 + seconds) - short * 5.0) / seconds


def keep_busy(stop: threading.Event) -> None:
    """Parse in Python, as a reader of a large page does."""
    text = json.dumps([{"name": f"series {i}", "values": list(range(20))} for i in range(300)])
    while not stop.is_set():
        sum(len(row["values"]) for row in json.loads(text))


def underruns(seconds: float, block: int, *, is_busy: bool) -> tuple[int, float, float]:
    """Underruns, the median delay from frame to ear in ms, and CPU of this process, in one session."""
    from sonify.outputs.sound_card import CardSettings
    from sonify.readers.source import open_source
    from sonify.runner.live import Live, LiveSettings

    live = Live([open_source("sim:incident")], LiveSettings(card=CardSettings(block_frames=block)))
    live.prepare()
    stop = threading.Event()
    busy = threading.Thread(target=keep_busy, args=(stop,), daemon=True)
    live.start()
    time.sleep(2.5)
    at_start = live.snapshot().underruns
    if is_busy:
        busy.start()
    delays, cpu_s, begin_s = [], time.process_time(), time.monotonic()
    while time.monotonic() - begin_s < seconds:
        time.sleep(0.5)
        delays.append(1000.0 * live.snapshot().frame_to_ear_s)
    cpu = (time.process_time() - cpu_s) / (time.monotonic() - begin_s)
    found = live.snapshot().underruns - at_start
    stop.set()
    live.stop()
    return found, statistics.median(delays), cpu


def resident_bytes() -> int:
    """Memory of this process, in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(num_frames: int) -> None:
    """Frames at the quickest pace that a preset plays, as fast as the machine goes: growth of memory, and of time."""
    from sonify.mapping.preset_file import load_sound_preset
    from sonify.readers.source import open_source
    from sonify.runner.controls import Knobs
    from sonify.runner.deck import Deck
    from sonify.runner.player import Player

    frames = list(open_source("sim:incident?duration=600s&interval=1s").read(None, None).frames())
    preset = load_sound_preset("code-live")
    player = Player()
    player.adopt(Deck(preset, frames[:1], seed=0, speed=frames[0].layout.interval_s / preset.motion.step))
    begin_s, warm, steps = time.perf_counter(), 0, round(preset.motion.step * 100)
    for index in range(num_frames):
        player.take(frames[index % len(frames)])
        player.render(steps, Knobs())
        if index == num_frames // 6:
            warm = resident_bytes()
    grown = (resident_bytes() - warm) / 2**20
    played_s, took_s = player.quantum / 100.0, time.perf_counter() - begin_s
    print(
        f"soak: {num_frames} frames, {played_s / 60:.0f} min of sound in {took_s:.0f} s: memory grew by {grown:.2f} MB "
        f"after a sixth of it; quanta {player.quantum}, expected {num_frames * steps}"
    )


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    parser.add_argument("--soak", action="store_true", help="feed an hour of frames fast, too")
    options = parser.parse_args()
    print(harness.machine())
    with pulse() as folder:
        times_s = first_sound_s(folder, 4)[1:]
        print(f"time to first sound, warm: {', '.join(f'{found_s:.2f}' for found_s in times_s)} s")
        print(f"CPU of both processes, six backends, no view: {100 * steady_cpu(options.seconds):.1f} % of one core")
        for block, is_busy in ((1024, False), (512, False), (1024, True), (512, True)):
            found, delay_ms, cpu = underruns(options.seconds, block, is_busy=is_busy)
            beside = "busy thread" if is_busy else "quiet"
            print(
                f"block {block}, {beside}: {found} underruns in {options.seconds:.0f} s, "
                f"frame to ear {delay_ms:.0f} ms, CPU {100 * cpu:.1f} %"
            )
    if options.soak:
        soak(3600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
