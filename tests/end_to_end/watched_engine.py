"""Run as a program by test_terminal_view: the real view over a fake engine, on whatever terminal stdin is."""

import ctypes
import logging
import os
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "views"))

from fake_live import FakeLive, snapshot_of

NUM_SNAPSHOTS = 100
FRAME_EVERY_S = 1.0
WARM_UP_S = 0.7
FIRST_SHOWN, LOUD_AT, LEAST_SNAPSHOTS = 2, 5, 15  # the first snapshot is taken before there is a screen


class Engine(FakeLive):
    """Ends after some seconds, measures what this process takes, and is as loud as libraries can be."""

    def __init__(self, duration_s: float) -> None:
        super().__init__(lambda _: None)
        self._ready = [snapshot_of(row, seed=row) for row in range(NUM_SNAPSHOTS)]
        self._duration_s = duration_s
        self._start_s = 0.0
        self._marks: list[tuple[float, float, int]] = []

    @property
    def is_running(self) -> bool:
        is_young = self.asked < LEAST_SNAPSHOTS or time.monotonic() - self._start_s < self._duration_s
        return is_young and not self.is_stopped

    def snapshot(self):
        self.asked += 1
        if self.asked == FIRST_SHOWN:
            self._start_s = time.monotonic()
        elapsed_s = time.monotonic() - self._start_s
        if self.asked > FIRST_SHOWN and elapsed_s > WARM_UP_S:
            self._marks.append((time.monotonic(), time.process_time(), self.asked))
            self._marks[1:-1] = []
        if self.asked == LOUD_AT:
            _be_loud()
        frame = self._ready[60 + int(min(elapsed_s, 1e4) / FRAME_EVERY_S) % 40]
        sound = self._ready[self.asked % NUM_SNAPSHOTS]
        return replace(frame, audio=sound.audio, backend_level_db=sound.backend_level_db - 6.0 * (self.asked % 3))

    def usage(self) -> str:
        if len(self._marks) < 2:
            return "not measured"
        (since_s, before_s, first), (until_s, after_s, last) = self._marks
        taken = (after_s - before_s) / (until_s - since_s)
        return f"{100.0 * taken:.1f} % of a core at {(last - first) / (until_s - since_s):.1f} Hz"


def _be_loud() -> None:
    """Complain in every way there is."""
    print("LOUD print")
    print("LOUD stderr", file=sys.stderr)
    warnings.warn("LOUD warning", stacklevel=1)
    logging.getLogger("somebody").error("LOUD log")
    os.write(2, b"LOUD descriptor\n")
    libc = ctypes.CDLL(None)
    libc.perror(b"LOUD libc")


def main() -> None:
    from sonify.views.terminal import run_terminal

    engine = Engine(float(sys.argv[1]))
    run_terminal(engine)
    Path(sys.argv[2]).write_text(f"{engine.usage()} {engine.is_stopped} {engine.controls.knobs.is_muted}")


if __name__ == "__main__":
    main()
