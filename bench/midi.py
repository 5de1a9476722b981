"""``python -m bench.midi``: the MIDI port of a session that plays, on a JACK server of its own at period 128.

Prints the jitter of the clock at the receiver, as distances from the straight line that fits the ticks best; how late
notes come; what was lost; and what translating costs. JACK hands messages over at the borders of its periods, 2.7 ms
apart. It judges nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench import harness

PERIOD_FRAMES, RATE_HZ = 128, 48_000
RECEIVER = Path(__file__).resolve().parents[1] / "tests" / "end_to_end" / "midi_device.py"
TICK = b"\xf8"


def play(seconds: float) -> list[tuple[float, bytes]]:
    """What a receiver hears of a session: times by the monotonic clock, and messages."""
    heard: list[tuple[float, bytes]] = []
    receiver = subprocess.Popen([sys.executable, str(RECEIVER), "bench"], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    session = [sys.executable, "-m", "sonify", "listen", "sim:incident?interval=1s", "--midi", "bench", "--json"]
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == b"ready\n"
    player = subprocess.Popen([*session, "--duration", f"{seconds:g}s"], stdout=subprocess.DEVNULL)
    player.wait()
    time.sleep(0.2)
    receiver.kill()
    for line in receiver.stdout:
        at_s, text = line.split()
        heard.append((float(at_s), bytes.fromhex(text.decode())))
    receiver.wait()
    return heard


def jitter_ms(times_s: list[float]) -> np.ndarray:
    """Distances of ticks from the straight line through them, shape (ticks,)."""
    index = np.arange(len(times_s))
    slope, offset = np.polyfit(index, times_s, 1)
    return np.abs(np.asarray(times_s) - slope * index - offset) * 1000.0


def translation_ms(num_blocks: int = 500) -> np.ndarray:
    """What translating one block of 20 ms costs, shape (blocks,)."""
    from sonify.mapping.mapper import Mapper
    from sonify.mapping.preset_file import load_sound_preset
    from sonify.mapping.scorer import Scorer
    from sonify.mapping.timeline import lay_out_for
    from sonify.midi.translator import Translator
    from sonify.readers.source import open_source

    preset = load_sound_preset("code-live")
    recording = open_source("sim:incident?duration=600s").read(None, None).on_bands(preset.bands.latency_bands)
    mapper = Mapper(preset, recording.layout.backends, num_batch_bands=recording.layout.num_batch_bands)
    translator = Translator(mapper)
    scores = [score for score, _ in Scorer(mapper).all(lay_out_for(preset, recording, 60.0).steps())]
    took = []
    for block in range(num_blocks):
        score = scores[block // 50 % len(scores)]
        begin_s = time.perf_counter()
        translator.step(score if block % 50 == 0 else score.continued(), 2)
        took.append(1000.0 * (time.perf_counter() - begin_s))
    return np.asarray(took)


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the session")
    options = parser.parse_args()
    print(harness.machine())
    name = f"sonify-bench-{os.getpid()}"
    os.environ.update(JACK_DEFAULT_SERVER=name, JACK_NO_AUDIO_RESERVATION="1", JACK_NO_START_SERVER="1")
    command = ["jackd", "--no-realtime", "-n", name, "-d", "dummy", "-r", str(RATE_HZ), "-p", str(PERIOD_FRAMES)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        subprocess.run(["jack_wait", "-w", "-t", "10"], capture_output=True, check=True)
        heard = play(options.seconds)
    finally:
        server.terminate()
        server.wait()
    first_s = next(at_s for at_s, message in heard if message == TICK)
    ticks = [at_s for at_s, message in heard if message == TICK and at_s > first_s + 3.0]  # it has found its pace
    distances_ms = jitter_ms(ticks)
    p50, p99 = np.percentile(distances_ms, (50, 99))
    print(
        f"clock at the receiver, {len(ticks)} ticks: p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {distances_ms.max():.2f}"
    )
    expected = round((ticks[-1] - ticks[0]) * 48.0) + 1
    print(f"ticks lost: {expected - len(ticks)} of {expected}")
    begun = sum(message[0] & 0xF0 == 0x90 for _, message in heard)
    print(f"notes begun: {begun}; messages in all: {len(heard)}")
    took_ms = translation_ms()
    print(f"translating 20 ms: {took_ms.mean():.2f} ms, p99 {np.percentile(took_ms, 99):.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
