#!/usr/bin/env python3
"""Make the simulated recordings of this directory anew: ``python samples/make_simulated.py``.

The same seed gives the same recording, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

from sonify.metrics.recording_format import save_recording
from sonify.readers.simulation import simulate_recording

SEED = 0
SCENARIOS = ("quiet", "incident", "deploy")


def main() -> None:
    """Write one recording a scenario, over its natural length, at 5 s."""
    for scenario in SCENARIOS:
        path = Path(__file__).with_name(f"{scenario}.jsonl.gz")
        recording = simulate_recording(scenario, interval_s=5.0, seed=SEED, on_compile=print)
        save_recording(path, recording)
        print(f"{path.name}: {len(recording)} frames, {len(recording.events)} events, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
