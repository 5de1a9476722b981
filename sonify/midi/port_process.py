"""The program that holds a MIDI port: a process of its own, run as ``python -m sonify.midi.port_process JSON``.

MIDI libraries hang or crash where a server dies (closing a port of a killed JACK server is a segmentation fault), write
complaints to a terminal that is not theirs, and hold the interpreter while they send. A process of its own can be ended
from outside, keeps the clock steady whatever the engine is busy with, and silences the receiver when the program that
started it is gone, however that ended.

It takes commands on its standard input (`sonify.midi.port.Command`), whose end ends it, and says what happens in lines
of JSON: ``opened``, ``waiting``, ``lost``, ``failed``, ``alive`` twice a second, and ``in`` for what it receives. A
port that is lost ends it; whoever started it starts another, which waits for the port.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

from sonify.midi.outbox import Outbox, silence
from sonify.midi.port import AT_END, WHAT_IS_MISSING, PortWish, find_port, read_command

__all__ = ["main"]

_CLIENT = "sonify"
_LOOK_S = 1.0  # between looks for a port
_WATCH_S = 0.2  # likewise while it is open: one that is plugged in again so soon may have its old name
_ALIVE_S = 0.5
_LAST_WORDS_S = 0.05  # for what was sent last to leave
_CLOSE_S = 0.5
_SYSTEM_NAMES = {
    "LINUX_ALSA": "alsa",
    "UNIX_JACK": "jack",
    "MACOSX_CORE": "core",
    "WINDOWS_MM": "windows",
}
_NOT_THERE = {"alsa": "there is no ALSA sequencer", "jack": "JACK is not running"}


class _FailedError(Exception):
    """What will not come right by waiting."""


def _library() -> Any:
    try:
        import rtmidi
    except ImportError:
        raise _FailedError(WHAT_IS_MISSING) from None
    return rtmidi


def _systems(library: Any, wanted: str = "") -> dict[str, int]:
    """MIDI systems that the library was made for, in its own order."""
    numbers = {getattr(library, f"API_{name}", None): word for name, word in _SYSTEM_NAMES.items()}
    found = {numbers[api]: api for api in library.get_compiled_api() if api in numbers}
    if wanted:
        found = {word: api for word, api in found.items() if word == wanted}
    if not found:
        raise _FailedError(f"MIDI of the system {wanted or 'at hand'!r} is not supported here")
    return found


def _port_names(end: Any) -> list[str]:
    return [str(name) for name in end.get_ports()]


def _list(library: Any) -> dict[str, Any]:
    """Ports of all systems, by what they are for whoever plays."""
    found: dict[str, Any] = {"outputs": [], "inputs": [], "problems": []}
    for word, api in _systems(library).items():
        try:
            for key, kind in (("outputs", library.MidiOut), ("inputs", library.MidiIn)):
                end = kind(api, name=f"{_CLIENT}-list")
                found[key] += [{"name": name, "system": word} for name in _port_names(end)]
                end.delete()
        except library.RtMidiError:
            found["problems"].append(_NOT_THERE.get(word, f"{word} does not answer"))
    return found


class _Ends:
    """An open port: its output, its input, and how to see whether it is still there."""

    def __init__(self, name: str, output: Any, input_: Any, watchers: list[tuple[Any, set[str]]]) -> None:
        self.name, self.output, self.input = name, output, input_
        self._watchers = watchers

    def are_there(self) -> bool:
        """Whether the system still lists what was opened."""
        return all(not names or names & set(_port_names(watcher)) for watcher, names in self._watchers)

    def system_is_there(self, library: Any) -> bool:
        """Whether the system takes clients: one of a JACK server that is gone sees its old ports for ever."""
        kind = type(self.output or self.input)
        try:
            probe = kind((self.output or self.input).get_current_api(), name=f"{_CLIENT}-probe")
            probe.delete()
        except library.RtMidiError:
            return False
        return True

    def close(self) -> None:
        """Close what is open; may hang or worse where the system is gone."""
        for end in (self.output, self.input):
            if end is not None:
                end.close_port()
                end.delete()


def _open(library: Any, wish: PortWish, *, output: bool, input_: bool) -> _Ends | str:
    """Open what is wanted on the first system that has it, or say why not."""
    problems, known = [], []
    systems = _systems(library, wish.system)
    for word, api in systems.items():
        try:
            if wish.is_virtual:
                if word == "windows":
                    raise _FailedError("Windows has no virtual MIDI ports: install loopMIDI and name one of its ports")
                return _open_virtual(library, api, output=output, input_=input_)
            kinds = [kind for kind, is_wanted in ((library.MidiOut, output), (library.MidiIn, input_)) if is_wanted]
            ends = [kind(api, name=_CLIENT) for kind in kinds]
            names = [_port_names(end) for end in ends]
            places = [find_port(wish.name, found) for found in names]
            if None not in places:
                opened = [found[place] for found, place in zip(names, places, strict=True) if place is not None]
                watchers = [(kind(api, name=f"{_CLIENT}-watch"), {o}) for kind, o in zip(kinds, opened, strict=True)]
                for end, place in zip(ends, places, strict=True):
                    end.open_port(place, name="out" if isinstance(end, library.MidiOut) else "in")
                by_kind = dict(zip(kinds, ends, strict=True))
                return _Ends(opened[0], by_kind.get(library.MidiOut), by_kind.get(library.MidiIn), watchers)
            known += [name for found in names for name in found]
            for end in ends:
                end.delete()
        except library.RtMidiError:
            problems.append(_NOT_THERE.get(word, f"{word} does not answer"))
    if len(problems) == len(systems):
        return f"no MIDI: {', '.join(dict.fromkeys(problems))}"
    return f"no MIDI port {wish.name!r}; there are: {', '.join(dict.fromkeys(known)) or 'none'}"


def _open_virtual(library: Any, api: int, *, output: bool, input_: bool) -> _Ends:
    """Make ports that others connect to."""
    ends: dict[Any, Any] = {}
    watchers = []
    for kind, others, is_wanted, name in (
        (library.MidiOut, library.MidiIn, output, "out"),
        (library.MidiIn, library.MidiOut, input_, "in"),
    ):
        if is_wanted:
            watcher = others(api, name=f"{_CLIENT}-watch")
            before = set(_port_names(watcher))
            ends[kind] = kind(api, name=_CLIENT)
            ends[kind].open_virtual_port(name)
            watchers.append((watcher, set(_port_names(watcher)) - before))
    shown = sorted(name for _, names in watchers for name in names)
    return _Ends(shown[0] if shown else _CLIENT, ends.get(library.MidiOut), ends.get(library.MidiIn), watchers)


class _Program:
    """Everything that is shared by the threads: the main one sends, one reads commands, the library's own receives."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.outbox = Outbox(settings["bytes_per_s"], settings["burst_bytes"], is_music=settings["is_music"])
        self.is_music = bool(settings["is_music"])
        self.wish = PortWish(settings["name"], settings["system"])
        self.output, self.input = bool(settings["output"]), bool(settings["input"])
        self.at_end: list[bytes] = []
        self.news = threading.Condition()
        self.has_news = self.is_ending = self.is_open = self.has_complaint = False
        self._speech = threading.Lock()

    def say(self, **line: Any) -> None:
        """Tell the program that started this one; where it is gone, the end is near."""
        with self._speech, contextlib.suppress(OSError, ValueError):
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def end(self) -> None:
        """Begin to end."""
        with self.news:
            self.is_ending = self.has_news = True
            self.news.notify()

    def listen(self) -> None:
        """Take commands until there are no more."""
        while (command := read_command(sys.stdin.buffer)) is not None:
            with self.news:
                if command.kind == AT_END:
                    self.at_end = [*self.at_end, command.message] if command.message else []
                elif self.is_open:
                    self.outbox.add(command.message, command.at_s)
                    self.has_news = True
                    self.news.notify()
        self.end()

    def overhear(self) -> None:
        """Notice whatever the library complains of on the standard error, and keep it from there."""
        heard, spoken = os.pipe()
        os.dup2(spoken, 2)
        while os.read(heard, 4096):
            self.has_complaint = True

    def receive(self, event: tuple[list[int], float], _data: object = None) -> None:
        """Pass on what the port received."""
        self.say(**{"in": bytes(event[0]).hex(), "at": time.monotonic()})

    def wait(self, until_s: float) -> None:
        """Wait for a time, or for news."""
        with self.news:
            if not self.has_news:
                self.news.wait(max(until_s - time.monotonic(), 0.0))
            self.has_news = False

    def find(self, library: Any) -> _Ends | None:
        """Wait for the port; None where the end comes first."""
        said = ""
        while not self.is_ending:
            found = _open(library, self.wish, output=self.output, input_=self.input)
            if isinstance(found, _Ends):
                return found
            if found != said:
                self.say(waiting=found)
                said = found
            look_s = time.monotonic() + _LOOK_S
            while not self.is_ending and time.monotonic() < look_s:
                self.say(alive=0)
                self.wait(time.monotonic() + _ALIVE_S)
        return None

    def is_lost(self, library: Any, ends: _Ends) -> bool:
        """Whether the port is there no more."""
        if self.has_complaint:  # a new client may cost a sound server its time: only where there is a reason
            is_there = ends.system_is_there(library)
            self.has_complaint = False
            if not is_there:
                return True
        return not ends.are_there()

    def work(self, library: Any, ends: _Ends) -> None:
        """Send and receive until the end, or until the port is lost."""
        if ends.input is not None:
            ends.input.ignore_types(False, False, False)  # system exclusive, clock and active sensing too
            ends.input.set_callback(self.receive)
        if self.is_music and ends.output is not None:
            for channel in range(16):  # what an earlier process may have left sounding
                for message in silence(channel):
                    ends.output.send_message(message)
        with self.news:
            self.is_open = True
        self.say(opened=ends.name)
        look_s = alive_s = time.monotonic()
        while not self.is_ending:
            now_s = time.monotonic()
            if now_s >= look_s:
                if self.is_lost(library, ends):
                    self.say(lost=ends.name)
                    return
                look_s = now_s + _WATCH_S
            if now_s >= alive_s:
                self.say(alive=self.outbox.num_dropped)
                alive_s = now_s + _ALIVE_S
            with self.news:
                messages = self.outbox.take(time.monotonic())
                next_s = self.outbox.next_s()
            if ends.output is not None:
                for message in messages:
                    ends.output.send_message(message)
            self.wait(min(next_s, look_s, alive_s))
        if not self.is_lost(library, ends):
            self._silence(ends)

    def _silence(self, ends: _Ends) -> None:
        if ends.output is None:
            return
        for message in [*self.at_end, *(self.outbox.panic() if self.is_music else [])]:
            ends.output.send_message(message)
            time.sleep(len(message) / 50_000.0)
        time.sleep(_LAST_WORDS_S)
        closing = threading.Thread(target=ends.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


def main(arguments: list[str]) -> None:
    """Run as told by one argument of JSON; see `sonify.runner.midi_port`."""
    settings = json.loads(arguments[0])
    try:
        library = _library()
        if "list" in settings:
            print(json.dumps(_list(library)))
            return
        program = _Program(settings)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda _number, _frame: program.end())
        with contextlib.suppress(OSError, AttributeError):
            os.nice(-10)  # where that is allowed
        sys.setswitchinterval(0.0005)
        threading.Thread(target=program.overhear, daemon=True).start()
        threading.Thread(target=program.listen, daemon=True).start()
        ends = program.find(library)
        if ends is not None:
            program.work(library, ends)
    except _FailedError as trouble:
        print(json.dumps({"failed": str(trouble)}))


if __name__ == "__main__":
    main(sys.argv[1:])
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(0)  # the library's own end may never come
