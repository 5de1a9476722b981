"""`MidiPort`: a MIDI port by name, in a process of its own, opened again whenever it comes back."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any, NamedTuple

import sonify
from sonify.errors import DeviceError
from sonify.midi.port import AT_END, EVENT, Command, encode, parse_wish

__all__ = ["MidiPort", "PortName", "list_ports"]

_LIST_TIMEOUT_S = 10.0
_SILENT_S = 4.0  # a process that has said nothing for so long hangs
_PAUSE_S = 1.0  # before a process that ended is followed by another
_POLL_S = 0.2


class PortName(NamedTuple):
    """A port of one of the MIDI systems."""

    name: str
    system: str


def _start(settings: dict[str, Any]) -> subprocess.Popen[bytes]:
    package = str(Path(sonify.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sonify.midi.port_process", json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # MIDI libraries complain there
        env={**os.environ, "PYTHONPATH": path},
    )


def list_ports() -> tuple[list[PortName], list[PortName], list[str]]:
    """Find all outputs that can be played to, all inputs that can be read, and what is missing.

    Raises
    ------
    DeviceError
        python-rtmidi is not installed, or the system does not answer.
    """
    process = _start({"list": True})
    try:
        answer = json.loads(process.communicate(timeout=_LIST_TIMEOUT_S)[0])
    except subprocess.TimeoutExpired:
        raise DeviceError(f"MIDI does not answer within {_LIST_TIMEOUT_S:.0f} s") from None
    except ValueError:
        raise DeviceError("MIDI cannot be asked for its ports") from None
    finally:
        process.kill()
        process.wait()
    if "failed" in answer:
        raise DeviceError(answer["failed"])
    outputs, inputs = ([PortName(**port) for port in answer[key]] for key in ("outputs", "inputs"))
    return outputs, inputs, answer["problems"]


class MidiPort:
    """Keep a port open; what is sent while there is none is forgotten.

    Parameters
    ----------
    name : str
        Name or part of a name, ``virtual``, or either after ``alsa:`` or ``jack:``.
    output, input : bool
        Which directions are wanted.
    is_music : bool
        Whether notes, controllers and clock are sent, each treated as `sonify.midi.outbox` says, and all sound is
        ended at the end; False: messages leave in the order they came.
    bytes_per_s, burst_bytes : float, int
        The most that is sent, and the most at once.
    on_message : callable
        Told each message that is received, from a thread of this port.
    say : callable
        Told in words, from such a thread, when the port is opened, is lost, or cannot be had.

    Attributes
    ----------
    opened : str
        Name of the port while it is open; empty otherwise.
    problem : str
        Why it is not open; empty while it is.
    connections : int
        How often it was opened: where it grows, the other side knows nothing any more.
    num_dropped : int
        Messages that were never sent, of this connection.
    """

    def __init__(
        self,
        name: str,
        *,
        output: bool = True,
        input: bool = False,  # noqa: A002 - the other direction of `output`
        is_music: bool = True,
        bytes_per_s: float = 6000.0,
        burst_bytes: int = 192,
        on_message: Callable[[bytes], None] = lambda _message: None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        wish = parse_wish(name)
        self._settings = {
            "name": wish.name,
            "system": wish.system,
            "output": output,
            "input": input,
            "is_music": is_music,
            "bytes_per_s": bytes_per_s,
            "burst_bytes": burst_bytes,
        }
        self._on_message, self._say = on_message, say
        self._process: subprocess.Popen[bytes] | None = None
        self._heard_s = 0.0
        self._writing = Lock()
        self._at_end: tuple[bytes, ...] = ()
        self._closing, self._has_failed = Event(), False
        self._end_timeout_s = _PAUSE_S
        self._thread = Thread(target=self._keep, name="midi port", daemon=True)
        self.opened, self.problem = "", ""
        self.connections = self.num_dropped = 0

    def start(self) -> None:
        """Begin; nothing is waited for."""
        self._thread.start()

    def send(self, message: bytes, at_s: float = 0.0) -> bool:
        """Send a message at a time of the monotonic clock, or at once; False where there is no port."""
        return self.send_all([(message, at_s)])

    def send_all(self, messages: Iterable[tuple[bytes, float]]) -> bool:
        """Send messages, each at its time; False where there is no port. May wait for as long as a port hangs."""
        return bool(self.opened) and self._tell(encode(Command(EVENT, at_s, message)) for message, at_s in messages)

    def set_at_end(self, messages: Iterable[bytes]) -> None:
        """Say what is sent at the very end, even where this program is killed."""
        self._at_end = tuple(messages)
        self._tell_at_end()

    def close(self, timeout_s: float = 1.0) -> None:
        """End all sound and close; the process is waited for no longer than a time."""
        self._end_timeout_s = timeout_s
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 2.0)
        self.opened = ""

    # -- thread ------------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                self._process = _start(self._settings)
            except OSError as error:
                self.problem = f"the process of the MIDI port cannot be started: {error.strerror or error}"
                self._closing.wait(_PAUSE_S)
                continue
            self._serve(self._process)
            if self.opened and not self._closing.is_set():
                self._lose(f"the MIDI port {self.opened} is gone")
            if self._has_failed:
                return
            self._closing.wait(_PAUSE_S)

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Stay with a process until it ends."""
        self._heard_s = time.monotonic()
        hearing = Thread(target=self._hear, args=(process,), name="midi in", daemon=True)
        hearing.start()
        while process.poll() is None and not self._closing.wait(_POLL_S):
            if time.monotonic() - self._heard_s > _SILENT_S:
                self._lose("the MIDI port hangs")
                process.kill()
        self._close_pipe(process.stdin)  # which ends it
        try:
            process.wait(self._end_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        hearing.join(_PAUSE_S)
        self._close_pipe(process.stdout)

    def _close_pipe(self, pipe: IO[bytes] | None) -> None:
        """Close; whoever writes has failed by now, or is let go when the process is killed."""
        with contextlib.suppress(OSError, ValueError):
            if pipe is not None and self._writing.acquire(timeout=_POLL_S):
                try:
                    pipe.close()
                finally:
                    self._writing.release()

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        """Take what one process says until it ends."""
        with contextlib.suppress(OSError, ValueError):
            for line in process.stdout or ():
                self._heard_s = time.monotonic()
                self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        if "in" in said:
            self._on_message(bytes.fromhex(said["in"]))
        elif "alive" in said:
            self.num_dropped = said["alive"]
        elif "opened" in said:
            self.num_dropped, self.problem = 0, ""
            self.connections += 1
            self.opened = said["opened"]
            self._tell_at_end()
            self._say(f"MIDI port {self.opened}")
        elif "lost" in said:
            self._lose(f"the MIDI port {said['lost']} is gone")
        else:
            self._has_failed = "failed" in said
            self._lose(said.get("waiting") or said.get("failed") or self.problem)

    def _lose(self, problem: str) -> None:
        self.opened = ""
        if problem != self.problem:
            self.problem = problem
            self._say(problem)

    def _tell_at_end(self) -> None:
        self._tell(encode(Command(AT_END, 0.0, message)) for message in (b"", *self._at_end))

    def _tell(self, commands: Iterable[bytes]) -> bool:
        process = self._process
        if process is None or process.stdin is None:
            return False
        with self._writing:
            try:
                process.stdin.write(b"".join(commands))
                process.stdin.flush()
            except (OSError, ValueError):  # it has ended
                return False
        return True
