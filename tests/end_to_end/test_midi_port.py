"""Playing on real MIDI ports: nothing is lost, no note ever hangs, and ports come back after every fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from midi_servers import Device, device, midi_server, wait_for
from servers import wait_until

from sonify.midi.learn import Binding, load_bindings, save_bindings
from sonify.runner.controls import Controls
from sonify.runner.midi_in import MidiIn
from sonify.runner.midi_port import MidiPort, list_ports

SONIFY = [sys.executable, "-m", "sonify"]
NOTE_ON, NOTE_OFF = bytes((0x90, 60, 100)), bytes((0x80, 60, 0))
ALL_NOTES_OFF, ALL_SOUND_OFF, RESET = (bytes((0xB0, number, 0)) for number in (123, 120, 121))
START, CONTINUE, STOP, TICK = b"\xfa", b"\xfb", b"\xfc", b"\xf8"


@contextmanager
def opened(name: str, **wanted: object) -> Iterator[MidiPort]:
    """A port, open, until the block ends."""
    port = MidiPort(name, **wanted)  # type: ignore[arg-type]
    port.start()
    try:
        wait_until(lambda: bool(port.opened), f"{name} opens")
        yield port
    finally:
        port.close()


@pytest.fixture
def synth(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    with midi_server(monkeypatch), device("synth") as plugged:
        yield plugged


def test_nothing_is_lost_at_the_rate_limit(synth: Device) -> None:
    sent = [bytes((0xB0 | n % 16, n // 16 % 120, n % 128)) for n in range(1920)]  # each controller once
    big = b"\xf0\x7d" + bytes(n % 128 for n in range(300)) + b"\xf7"
    lost = []
    for _ in range(3):  # JACK without real time drops a whole period now and then where the machine is busy
        with opened("synth") as port:
            since = len(synth.heard)
            port.send_all([(message, 0.0) for message in sent])
            port.send(big)
            wait_until(lambda since=since: big in synth.messages[since:], "everything is sent")  # type: ignore[misc]
            assert port.num_dropped == 0
        heard = synth.messages[since:]
        lost.append([message for message in sent if message not in heard])
        assert [message for message in heard if message in sent] == [m for m in sent if m not in lost[-1]]
        if not lost[-1]:
            return
    assert not lost, [len(messages) for messages in lost]


def test_messages_come_at_their_time(synth: Device) -> None:
    with opened("synth") as port:
        start_s = time.monotonic() + 0.1
        for step in range(10):
            port.send(bytes((0xB0, 20, step + 1)), start_s + 0.05 * step)
        wait_for(synth, bytes((0xB0, 20, 10)))
        times = [heard.at_s for heard in synth.heard if heard.message[:2] == b"\xb0\x14"]
    assert len(times) == 10
    assert all(at_s >= start_s + 0.05 * step for step, at_s in enumerate(times))  # late is the machine's, early is ours


def test_closing_ends_what_sounds(synth: Device) -> None:
    with opened("synth") as port:
        port.send(NOTE_ON)
        wait_for(synth, NOTE_ON)
        since = len(synth.heard)
    wait_until(lambda: synth.messages[since:] == [NOTE_OFF, ALL_NOTES_OFF, ALL_SOUND_OFF, RESET], "everything ends")


@pytest.mark.parametrize("end", ["the program that plays", "the process of the port"])
def test_sound_ends_however_processes_end(synth: Device, end: str, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom sonify.runner.midi_port import MidiPort\n"
        "port = MidiPort('synth'); port.start()\nwhile not port.opened: time.sleep(0.01)\n"
        "port.send(bytes((0x90, 60, 100)))\nprint(port._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    player = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert player.stdout is not None
        pid = int(player.stdout.readline())
        wait_for(synth, NOTE_ON)
        if end == "the program that plays":
            player.kill()
        else:
            os.kill(pid, signal.SIGTERM)
        wait_for(synth, NOTE_OFF)
        wait_for(synth, RESET)
    finally:
        player.kill()
        player.wait()
        player.stdout.close() if player.stdout else None


def test_a_port_that_is_gone_comes_back_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    with midi_server(monkeypatch), opened_later("synth") as port:
        wait_until(lambda: "no MIDI port 'synth'" in port.problem, "the problem is told")
        with device("synth") as first:
            wait_until(lambda: bool(port.opened), "it is found")
            port.send(NOTE_ON)
            wait_for(first, NOTE_ON)
        wait_until(lambda: not port.opened, "the loss is seen")
        assert "gone" in port.problem
        assert not port.send(NOTE_ON)
        with device("synth") as second:
            wait_for(second, bytes((0xBF, 121, 0)))
            wait_until(lambda: port.connections == 2, "it is open again")
            assert not port.problem
            assert {message[:2] for message in second.messages} == {
                bytes((0xB0 | channel, number)) for channel in range(16) for number in (120, 121, 123)
            }
            port.send(NOTE_ON)
            wait_for(second, NOTE_ON)


@contextmanager
def opened_later(name: str) -> Iterator[MidiPort]:
    port = MidiPort(name)
    port.start()
    try:
        yield port
    finally:
        port.close()


def test_a_killed_server_is_no_hang_and_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with midi_server(monkeypatch) as server, opened_later("synth") as port:
        with device("synth") as plugged:
            wait_until(lambda: bool(port.opened), "it is found")
            port.send(NOTE_ON)
            wait_for(plugged, NOTE_ON)
            server.kill()
            server.wait()
            wait_until(lambda: not port.opened, "the loss is seen")
        with midi_server(monkeypatch), device("synth") as plugged:
            wait_until(lambda: port.connections == 2, "it is open again")
            port.send(NOTE_ON)
            wait_for(plugged, NOTE_ON)
            begin_s = time.monotonic()
            port.close()
            assert time.monotonic() - begin_s < 5.0
            wait_for(plugged, RESET)


def test_a_virtual_port_is_there_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with midi_server(monkeypatch), opened("virtual", input=True):
        outputs, inputs, _ = list_ports()
        assert any(port.name.startswith("sonify") and port.system == "jack" for port in inputs)
        assert any(port.name.startswith("sonify") for port in outputs)


def test_without_a_midi_system_there_is_a_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    with opened_later("jack:synth") as port:
        wait_until(lambda: port.problem == "no MIDI: JACK is not running", "the problem is told")


@contextmanager
def listening(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [*SONIFY, "listen", "sim:incident?interval=500ms", "--device", "none", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_listen_plays_and_leaves_silence(synth: Device, number: signal.Signals) -> None:
    with listening("--midi", "synth") as process:
        wait_until(lambda: len([m for m in synth.messages if m[0] & 0xF0 == 0x90]) > 10, "it plays")
        process.send_signal(number)
        assert process.wait(20) == 0
    wait_for(synth, STOP)
    wait_for(synth, bytes((0xBF, 121, 0)))
    assert not synth.sounding()
    transport = [message for message in synth.messages if message[0] in (0xF2, 0xFA, 0xFB, 0xF8)]
    assert transport[0] == START or transport[:2][-1][0] in (0xF2, 0xF8)
    programs = {message[0] & 0x0F: message[1] for message in synth.messages if message[0] & 0xF0 == 0xC0}
    assert programs[0] == 12
    assert programs[15] == 80


def test_listen_killed_leaves_silence(synth: Device) -> None:
    with listening("--midi", "synth") as process:
        wait_until(lambda: bool(synth.sounding()), "it plays")
        process.kill()
    wait_until(lambda: not synth.sounding(), "it is silent")


def test_what_listen_has_told_is_told_again_after_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    with midi_server(monkeypatch), listening("--midi", "synth"):
        with device("synth") as first:
            wait_until(lambda: TICK in first.messages, "it plays")
        time.sleep(0.6)  # no hand is quicker
        with device("synth") as second:
            wait_for(second, bytes((0xC0, 12)))
            wait_for(second, bytes((0xBF, 22, 127)))
            wait_for(second, CONTINUE)
            heard = second.messages
    at = heard.index(CONTINUE)
    assert heard[at - 1][0] == 0xF2
    assert (heard[at - 1][1] + 128 * heard[at - 1][2]) % 4 == 0  # a quarter
    wait_s = [second.heard[index].at_s for index in (at - 1, at)]
    assert wait_s[0] <= wait_s[1]


def test_a_learned_controller_turns_softly(synth: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    controls = Controls()
    bindings = {"reverb": Binding("control", 1, 16), "mute": Binding("note", 1, 48)}
    controller = MidiIn("synth", bindings, controls, lambda: ("rust",))
    controller.start()
    try:
        wait_until(lambda: controller.is_open, "it opens")
        time.sleep(0.3)  # JACK connects ports with one of its next periods
        synth.send(bytes((0xB0, 16, 10)))  # far from 1: nothing yet
        synth.send(bytes((0x90, 48, 127)), bytes((0x80, 48, 0)))
        wait_until(lambda: controls.knobs.is_muted, "the button works")
        assert controls.knobs.reverb == 1.0
        synth.send(*(bytes((0xB0, 16, value)) for value in (40, 63, 64, 80, 127)))
        wait_until(lambda: controls.knobs.reverb == 2.0, "the knob has taken over")
    finally:
        controller.stop()


def test_learn_asks_for_one_control_after_another(
    synth: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    save_bindings("synth-01:out", {"eq": Binding("control", 3, 7)})
    process = subprocess.Popen(
        [*SONIFY, "midi", "learn", "--port", "synth", "level", "reverb", "mute"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert "move or press" in process.stdout.readline()
        time.sleep(0.3)  # JACK connects ports with one of its next periods
        _until(process, "level", lambda: synth.send(*(bytes((0xE0, 0, value)) for value in (10, 40))))
        process.stdin.write("\n")
        process.stdin.flush()
        _until(process, "reverb", lambda: None)
        _until(process, "mute", lambda: synth.send(bytes((0x91, 48, 1)), bytes((0x81, 48, 0))))
        assert process.wait(10) == 0
        (path,) = (tmp_path / "sonify" / "midi").glob("*.toml")
        assert load_bindings(path) == (
            "synth-01:out",  # the second client of that name
            {"level": Binding("pitch", 1), "eq": Binding("control", 3, 7), "mute": Binding("note", 2, 48)},
        )
    finally:
        process.kill()
        process.communicate()


def _until(process: subprocess.Popen[str], word: str, move: Callable[[], None]) -> None:
    """Move what is asked for, and read the line of it to its end."""
    assert process.stdout is not None
    move()
    assert word in process.stdout.readline()


def test_ports_and_map_print_json(monkeypatch: pytest.MonkeyPatch) -> None:
    with midi_server(monkeypatch), device("synth"):
        done = subprocess.run([*SONIFY, "midi", "ports", "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {"name": "synth:in", "system": "jack"} in found["outputs"]
    assert {"name": "synth-01:out", "system": "jack"} in found["inputs"]
