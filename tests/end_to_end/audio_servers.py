"""Real sound servers without hardware: PulseAudio and JACK, each in a folder of its own, stopped when the test ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from servers import require_program, wait_until

RATE_HZ = 48_000
_SINK = "sink_name=probe rate={rate} channels={channels} format=float32le norewinds=1"


class Pulse:
    """A PulseAudio server with one sink that plays to nobody, and can be listened to."""

    def __init__(self, folder: Path, *, rate_hz: int = RATE_HZ, channels: int = 2) -> None:
        self._folder = folder
        self._sink = _SINK.format(rate=rate_hz, channels=channels)
        self.rate_hz, self.channels = rate_hz, channels
        self.pid = 0

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [
            require_program("pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1", "--realtime=no",
            "--high-priority=no", "--use-pid-file=no", "-L", "module-native-protocol-unix",
            "-L", f"module-null-sink {self._sink}",
        ]  # fmt: skip
        with contextlib.suppress(OSError):  # what one that was killed left behind
            (self._folder / "pulse" / "native").unlink()
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid
        wait_until(lambda: self.ask("info")[0] == 0, "PulseAudio answers")

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Run pactl."""
        done = subprocess.run(["pactl", *arguments], capture_output=True, text=True, timeout=10, check=False)
        return done.returncode, done.stdout

    def unload_sink(self) -> None:
        """Take the only sink away."""
        modules = self.ask("list", "short", "modules")[1].splitlines()
        number = next(line.split()[0] for line in modules if "module-null-sink" in line)
        assert self.ask("unload-module", number)[0] == 0

    def load_sink(self) -> None:
        """Bring it back."""
        assert self.ask("load-module", "module-null-sink", *self._sink.split())[0] == 0

    def pause(self) -> None:
        """Stop the server where it is."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    @contextlib.contextmanager
    def captured(self, path: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Write all that the sink plays into a file of raw float32; `read_capture` reads it."""
        command = [
            require_program("parec"), "-d", "probe.monitor", "--format=float32le", f"--rate={self.rate_hz}",
            f"--channels={self.channels}", "--latency-msec=20",
        ]  # fmt: skip
        with path.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: path.stat().st_size > 0, "the monitor is captured")
            yield process
        finally:
            process.terminate()
            process.wait()

    def read_capture(self, path: Path) -> NDArray[np.float32]:
        """Audio of a capture, shape (frames, channels)."""
        data = np.fromfile(path, np.float32)
        return data[: len(data) // self.channels * self.channels].reshape(-1, self.channels)


@contextlib.contextmanager
def pulse_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, rate_hz: int = RATE_HZ, channels: int = 2
) -> Iterator[Pulse]:
    """Run PulseAudio until the block ends; this process and those that it starts find it."""
    for program in ("pulseaudio", "pactl", "parec"):
        require_program(program)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("PULSE_RUNTIME_PATH", str(runtime / "pulse"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    pulse = Pulse(runtime, rate_hz=rate_hz, channels=channels)
    pulse.start()
    try:
        yield pulse
    finally:
        pulse.kill()


@contextlib.contextmanager
def jack_server(
    monkeypatch: pytest.MonkeyPatch, *, period: int = 1024, waits: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Run JACK without hardware until the block ends; one that `waits` for slow clients loses nothing of theirs."""
    program = require_program("jackd")
    name = f"sonify-test-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    mode = ["--no-realtime", *(["--sync"] if waits else [])]
    command = [program, *mode, "-n", name, "-d", "dummy", "-r", str(RATE_HZ), "-p", str(period)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        waiter = subprocess.run([require_program("jack_wait"), "-w", "-t", "10"], capture_output=True, check=False)
        assert waiter.returncode == 0, waiter.stderr
        yield process
    finally:
        _end_jack(process, command)


def _end_jack(process: subprocess.Popen[bytes], command: list[str]) -> None:
    """End a server well. One that was killed keeps its place, of the eight on a machine, until its like ends well."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    process.kill()
    if process.wait() < 0:
        again = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["jack_wait", "-w", "-t", "5"], capture_output=True, check=False)
        again.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            again.wait(5.0)
        again.kill()
        again.wait()
    time.sleep(0.05)


def align(heard: NDArray[np.float32], made: NDArray[np.float32], *, probe: int = 4096) -> int:
    """Frame of `made` at which the first sound in `heard` lies, found by exact comparison; −1 where there is none."""
    loud = np.flatnonzero(np.abs(heard).max(axis=1) > 1e-4)
    if not len(loud):
        return -1
    begin = int(loud[0]) + 2000
    key = heard[begin : begin + probe]
    first = key[0]
    for at in np.flatnonzero((made[: len(made) - probe] == first).all(axis=1)):
        if np.array_equal(made[at : at + probe], key):
            return int(at) - begin
    return -1
