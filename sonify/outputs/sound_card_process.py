"""The program that holds the sound card: a process of its own, which only copies from a ring in shared memory.

Sound libraries hang where a server dies or is stopped: closing a stream of a killed JACK server never returns, nor does
the exit of the process that tries. A process can be ended from outside, whatever it waits for; and the sound card's
thread never waits here for an interpreter that is busy with metrics. Only small things are imported, and nothing of
sonify, for it is run as a file.

It is told when to begin and end by lines on its standard input (``start``, ``close``; its end ends the program). The
shared file begins with 64-bit numbers by the names below; from `MESSAGE_OFFSET` on stands its newest message, as JSON
ended by a zero byte; audio follows from `AUDIO_OFFSET` on as float32, frame by frame.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import sys
import time
from typing import Any

__all__ = [
    "AUDIO_OFFSET",
    "CALLBACKS",
    "HAS_ENDED",
    "LAST_CALLBACK_NS",
    "MESSAGES",
    "MESSAGE_OFFSET",
    "READ",
    "UNDERRUNS",
    "WRITTEN",
    "main",
]

MESSAGE_OFFSET, AUDIO_OFFSET = 128, 4096
WRITTEN, READ, CALLBACKS, UNDERRUNS, LAST_CALLBACK_NS, HAS_ENDED, MESSAGES = range(7)

_LIKELY = ("pulse", "pipewire", "default", "sysdefault")  # tried in turn where the library's own default fails
_USUAL_RATES_HZ = (48_000, 44_100, 96_000)
_FIRST_CALLBACKS = 8  # while a server fills its buffers it reports underflows of what nobody heard


class _CardError(Exception):
    """What a person is told."""


def _library() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise _CardError("the Python package sounddevice is not installed: pip install 'sonify[live]'") from None
    except OSError:
        raise _CardError(
            "the PortAudio library is not installed: apt install libportaudio2, or what your system calls it"
        ) from None
    return sounddevice


def _cards(library: Any) -> list[dict[str, Any]]:
    """Describe what can play."""
    hosts = [host["name"] for host in library.query_hostapis()]
    default = library.default.device[1]
    return [
        {
            "index": card["index"],
            "name": card["name"],
            "host": hosts[card["hostapi"]],
            "channels": card["max_output_channels"],
            "rate_hz": card["default_samplerate"],
            "is_default": card["index"] == default,
        }
        for card in library.query_devices()
        if card["max_output_channels"] > 0
    ]


def _candidates(cards: list[dict[str, Any]], wanted: str) -> list[int]:
    """List what to try in turn: what was named, by index, name or part of it; else the default and likely ones."""
    if wanted.isdigit():
        return [card["index"] for card in cards if card["index"] == int(wanted)]
    if wanted:
        names = [(card["name"].lower(), card["index"]) for card in cards]
        same = [index for name, index in names if name == wanted.lower()]
        return same or [index for name, index in names if wanted.lower() in name]
    by_name = {card["name"]: card["index"] for card in reversed(cards)}
    default = [card["index"] for card in cards if card["is_default"]]
    jack = [card["index"] for card in cards if card["host"].startswith("JACK")]
    return list(dict.fromkeys([*default, *(by_name[name] for name in _LIKELY if name in by_name), *jack]))


class _Shared:
    """The reader's end of the ring: copies frames out and counts them."""

    def __init__(self, path: str, capacity: int, channels: int) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._numbers = memoryview(self._map)[:MESSAGE_OFFSET].cast("q")
        self._audio = memoryview(self._map)[AUDIO_OFFSET:]
        self._capacity = capacity
        self._frame_bytes = 4 * channels

    def say(self, **message: Any) -> None:
        """Leave a message for the program that started this one."""
        text = json.dumps(message).encode()[: AUDIO_OFFSET - MESSAGE_OFFSET - 1] + b"\0"
        self._map[MESSAGE_OFFSET : MESSAGE_OFFSET + len(text)] = text
        self._numbers[MESSAGES] += 1

    def fill(self, out: Any, num_frames: int, _time: Any, status: Any) -> None:
        """Hand frames out; called from the sound system's thread."""
        numbers, size = self._numbers, self._frame_bytes
        read = numbers[READ]
        ready = max(min(numbers[WRITTEN] - read, num_frames), 0)
        begin = read % self._capacity
        first = min(ready, self._capacity - begin)
        out[: first * size] = self._audio[begin * size : (begin + first) * size]
        if ready > first:
            out[first * size : ready * size] = self._audio[: (ready - first) * size]
        if ready < num_frames:
            out[ready * size : num_frames * size] = bytes((num_frames - ready) * size)
        is_late = status.output_underflow and numbers[CALLBACKS] >= _FIRST_CALLBACKS
        if ready < num_frames or is_late:
            numbers[UNDERRUNS] += 1
        numbers[READ] = read + ready
        numbers[CALLBACKS] += 1
        numbers[LAST_CALLBACK_NS] = time.monotonic_ns()

    def end(self) -> None:
        """Note that the stream has ended, for whatever reason."""
        self._numbers[HAS_ENDED] = 1


def _open(library: Any, shared: _Shared, settings: dict[str, Any]) -> Any:
    """Open the first candidate that takes one of the rates."""
    cards = _cards(library)
    names = {card["index"]: card["name"] for card in cards}
    candidates = _candidates(cards, settings["device"])
    if not candidates:
        known = ", ".join(f"{index} {name}" for index, name in names.items()) or "none"
        wanted = f"no sound card {settings['device']!r}" if settings["device"] else "no sound card"
        raise _CardError(f"{wanted}; there are: {known}")
    problem = ""
    for index in candidates:
        default_hz = round(library.query_devices(index)["default_samplerate"])
        rates = [settings["rate_hz"]] if settings["rate_hz"] else list(dict.fromkeys([*_USUAL_RATES_HZ, default_hz]))
        for rate_hz in rates:
            try:
                stream = library.RawOutputStream(
                    samplerate=rate_hz,
                    blocksize=settings["block_frames"],
                    device=index,
                    channels=settings["channels"],
                    dtype="float32",
                    latency="low",
                    callback=shared.fill,
                    finished_callback=shared.end,
                )
            except library.PortAudioError as error:
                problem = problem or f"{names[index]}: {_reason(error)}"
            else:
                shared.say(opened=names[index], rate_hz=rate_hz, latency_s=stream.latency)
                return stream
    raise _CardError(f"the sound card cannot be opened: {problem}")


def _reason(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__


def _play(shared: _Shared, settings: dict[str, Any]) -> None:
    library = _library()
    stream = _open(library, shared, settings)
    for line in sys.stdin:
        if line.strip() == "start":
            try:
                stream.start()
            except library.PortAudioError as error:
                raise _CardError(f"the sound card cannot be started: {_reason(error)}") from None
        else:
            stream.stop()  # plays what it was given
            return


def main(arguments: list[str]) -> None:
    """Run as told by one argument of JSON; see `sonify.outputs.sound_card`."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    with contextlib.suppress(OSError, AttributeError):
        os.nice(-10)  # where that is allowed
    settings = json.loads(arguments[0])
    if "list" in settings:
        try:
            print(json.dumps({"cards": _cards(_library())}))
        except _CardError as trouble:
            print(json.dumps({"problem": str(trouble)}))
        return
    shared = _Shared(settings["path"], settings["capacity"], settings["channels"])
    try:
        _play(shared, settings)
    except _CardError as trouble:
        shared.say(problem=str(trouble))


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the sound library's own end may never come
