"""Real MIDI ports on a JACK server without hardware: a device in a process of its own, which notes what it hears."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from audio_servers import jack_server
from servers import wait_until

PERIOD_FRAMES = 128


class Heard(NamedTuple):
    """A message, and when it came, by the monotonic clock."""

    at_s: float
    message: bytes


class Device:
    """A device that hears and sends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Heard] = []
        command = [sys.executable, str(Path(__file__).with_name("midi_device.py")), name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._ready = threading.Event()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        assert self._ready.wait(10.0), "the device does not start"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == "ready\n":
                self._ready.set()
            else:
                at, text = line.split()
                self.heard.append(Heard(float(at), bytes.fromhex(text)))

    @property
    def messages(self) -> list[bytes]:
        """All that was heard so far."""
        return [heard.message for heard in self.heard]

    def send(self, *messages: bytes) -> None:
        """Send messages."""
        assert self._process.stdin is not None
        for message in messages:
            self._process.stdin.write(message.hex() + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Take leave of JACK, which is slow to end where a client has vanished, unless it has vanished."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3.0)
        self.unplug()

    def unplug(self) -> None:
        """Vanish."""
        self._process.kill()
        self._process.wait()
        self._listening.join(10.0)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def sounding(self) -> set[tuple[int, int]]:
        """Channel and note of what sounds, for a device that knows nothing but note on and note off."""
        notes: set[tuple[int, int]] = set()
        for message in self.messages:
            key = message[0] & 0x0F, message[1] if len(message) > 1 else 0
            if message[0] & 0xF0 == 0x90 and message[2] > 0:
                notes.add(key)
            elif message[0] & 0xF0 in (0x80, 0x90):
                notes.discard(key)
        return notes


@contextlib.contextmanager
def device(name: str) -> Iterator[Device]:
    """Plug in a device until the block ends."""
    plugged = Device(name)
    try:
        yield plugged
    finally:
        plugged.close()


@contextlib.contextmanager
def midi_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Run JACK, whose MIDI needs no hardware."""
    pytest.importorskip("rtmidi")
    with jack_server(monkeypatch, period=PERIOD_FRAMES) as server:
        yield server


def wait_for(device: Device, message: bytes, timeout_s: float = 10.0) -> None:
    """Wait until a device has heard a message."""
    wait_until(lambda: message in device.messages, f"{device.name} hears {message.hex()}", timeout_s)
