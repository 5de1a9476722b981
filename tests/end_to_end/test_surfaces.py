"""Surfaces through real ports: JACK MIDI at a period of 128, with a strict device behind the other end."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import midi_servers
import numpy as np
import pytest
from audio_servers import jack_server
from servers import wait_until

from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.panels import PANELS, State
from sonify.midi.surfaces.driver import Driver
from sonify.midi.surfaces.heat import HeatHistory
from sonify.midi.surfaces.registry import find_profile
from sonify.runner.controls import Controls
from sonify.runner.midi_port import MidiPort
from sonify.runner.snapshot import Snapshot
from sonify.runner.surface_link import SurfaceLink, scene_of

sys.path.append(str(Path(__file__).parents[1] / "unit" / "midi" / "surfaces"))

from devices import ApcMiniMk2, Device, device_of, same_look

pytest.importorskip("rtmidi")

LAYOUT = Layout(1.0, ("rust", "go", "größe"), np.r_[0.0, np.geomspace(0.0016, 38.0, 23), np.inf], np.zeros(0))
PORT_NAMES = {
    "launchpad-x": "Launchpad X LPX MIDI",
    "x-touch": "X-Touch INT",
    "x-touch-mini": "X-TOUCH MINI",
    "mackie": "MCU Pro",
    "apc-mini-mk2": "APC mini mk2 Control",
    "apc40-mk2": "APC40 mkII",
    "midi-fighter-twister": "Midi Fighter Twister",
}


def snapshot_of(seed: int) -> Snapshot:
    """Make a picture of a live engine."""
    random_ = random.Random(seed)
    frame = MetricFrame(
        layout=LAYOUT,
        t=float(seed),
        request_rate=np.full(3, 5.0),
        error_ratio=np.array([random_.random() for _ in range(3)]),
        fallback_ratio=np.zeros(3),
        glitch_rate=np.zeros(3),
        latency_rate=np.array([[random_.choice((0.0, 0.5, 20.0)) for _ in range(24)] for _ in range(3)]),
        batch_rate=np.zeros(0),
        queue_depth=1.0,
        active_requests=1.0,
        fresh=random_.random() < 0.9,
    )
    values: dict[str, Any] = dict.fromkeys(Snapshot.__slots__, 0.0)
    values |= {
        "frame": frame,
        "panel_states": {panel.name: State(random_.choice((0, 1, 2))) for panel in PANELS},
        "backend_states": tuple(State(random_.choice((0, 1, 2))) for _ in range(3)),
        "unacknowledged": (),
        "backend_level_db": np.full(3, -120.0),
    }
    return Snapshot(**values)


class FakeLive:
    """What a surface asks of a live engine."""

    def __init__(self) -> None:
        self.controls = Controls()
        self.sound = load_sound_preset("code-live")
        self.now = snapshot_of(0)

    def snapshot(self) -> Snapshot:
        return self.now


class Plugged:
    """A device behind JACK ports, which are in a process of their own: it hears all, however busy the tests are."""

    def __init__(self, profile_name: str) -> None:
        self.profile = find_profile(profile_name)
        self._state = device_of(profile_name)
        if isinstance(self._state, ApcMiniMk2):
            self._state.most_pads = 64  # pictures arrive together where the machine is busy; the limit has its own test
        self.problems: list[str] = []
        self._num_taken = 0
        self._last_s = 0.0
        self._ports = midi_servers.Device(PORT_NAMES[profile_name])

    @property
    def device(self) -> Device:
        """What it shows now."""
        heard = self._ports.heard
        while self._num_taken < len(heard):
            at_s, message = heard[self._num_taken]
            self._num_taken += 1
            if isinstance(self._state, ApcMiniMk2) and at_s - self._last_s > 0.012:
                self._state.begin_picture()
            self._last_s = at_s
            try:
                self._state.take(message)
            except AssertionError as error:
                self.problems.append(str(error))
        return self._state

    @property
    def heard(self) -> list[bytes]:
        """All that has arrived."""
        return self._ports.messages

    def touch(self, message: bytes) -> None:
        """Do something with the device."""
        self._ports.send(message)

    def unplug(self) -> None:
        """Vanish."""
        self._ports.unplug()

    def is_right(self, live: FakeLive) -> bool:
        """Whether everything that does not change by itself shows what it should."""
        knobs, now = live.controls.knobs, live.now
        scene = scene_of(now, knobs, HeatHistory(), live.sound)
        desired = Driver(self.profile).desired(scene)
        return all(
            same_look(self.device.shows(control), desired[control.name])
            for control in self.profile.controls
            if control.name in desired and control.role.what not in ("heat", "reading", "meter")
        )


@pytest.fixture
def jack(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    with jack_server(monkeypatch, period=128) as process:
        yield process


@pytest.fixture
def patient_jack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve whoever is late: what is lost then was lost by who sent it."""
    with jack_server(monkeypatch, period=128, waits=True):
        yield


@contextlib.contextmanager
def linked(profile_name: str, live: FakeLive, plugged: Plugged, surface: str = "") -> Iterator[SurfaceLink]:
    link = SurfaceLink(surface or profile_name, live)
    link.start()
    try:
        wait_until(lambda: plugged.device.num_messages > 0, "the device is greeted", timeout_s=15.0)
        yield link
    finally:
        link.stop()


@pytest.mark.usefixtures("patient_jack")
@pytest.mark.parametrize("profile_name", ["launchpad-x", "x-touch", "apc-mini-mk2"])
def test_nothing_is_lost_and_the_device_is_given_back(profile_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: deque[bytes] = deque()
    original = MidiPort.send_all

    def count(self: MidiPort, messages: Any) -> bool:
        listed = list(messages)
        sent.extend(message for message, _ in listed if self.opened)
        return original(self, listed)

    monkeypatch.setattr(MidiPort, "send_all", count)
    live, plugged = FakeLive(), Plugged(profile_name)
    with linked(profile_name, live, plugged, "auto") as link:
        for seed in range(1, 60):
            live.now = snapshot_of(seed)
            time.sleep(0.02)
        wait_until(lambda: plugged.is_right(live), "it shows the last picture")
        assert link.title == plugged.profile.title
        assert not link.problem
    wait_until(lambda: plugged.device.is_restored, "it is given back")
    sent.extend(plugged.profile.goodbye())  # the port's own last words
    with contextlib.suppress(pytest.fail.Exception):  # what is missing says more
        wait_until(lambda: plugged.device.num_messages >= len(sent), "all have arrived", timeout_s=3.0)
    assert plugged.problems == []
    assert plugged.heard == list(sent)
    plugged.unplug()


@pytest.mark.usefixtures("jack")
def test_hands_turn_the_controls_and_see_it() -> None:
    live, plugged = FakeLive(), Plugged("x-touch")
    with linked("x-touch", live, plugged):
        wait_until(lambda: plugged.is_right(live), "it shows the picture")
        plugged.touch(bytes([0x90, 0x69, 0x7F]))  # a hand on the second fader
        begun_s = time.monotonic()
        plugged.touch(bytes([0xE1, 0x00, 0x20]))
        while "go" not in live.controls.knobs.backend_trim_db and time.monotonic() - begun_s < 5.0:
            time.sleep(0.0005)
        print(f"fader to control: {(time.monotonic() - begun_s) * 1e3:.1f} ms")
        assert live.controls.knobs.backend_trim_db["go"] == pytest.approx(-40.0 + 46.0 * 0x20 / 128, abs=0.1)
        plugged.device.faders[1] = 0x20 << 7  # type: ignore[attr-defined]
        plugged.touch(bytes([0x90, 0x69, 0x00]))
        plugged.touch(bytes([0xB0, 0x12, 0x03]))
        wait_until(lambda: live.controls.knobs.reverb > 1.1, "the reverb follows")
        plugged.touch(bytes([0x90, 0x08, 0x7F]))
        wait_until(lambda: live.controls.knobs.soloed == {"rust"}, "solo")
        wait_until(lambda: plugged.is_right(live), "it shows all that")
    assert plugged.problems == []
    plugged.unplug()


@pytest.mark.usefixtures("jack")
def test_unplugged_and_plugged_in_again() -> None:
    live, plugged = FakeLive(), Plugged("launchpad-x")
    with linked("launchpad-x", live, plugged) as link:
        wait_until(lambda: plugged.is_right(live), "it shows the picture")
        plugged.unplug()
        wait_until(lambda: bool(link.problem), "the loss is noticed", timeout_s=15.0)
        live.now = snapshot_of(77)
        again = Plugged("launchpad-x")
        wait_until(lambda: again.is_right(live), "it shows the picture again", timeout_s=15.0)
        assert again.problems == []
    wait_until(lambda: again.device.is_restored, "it is given back")
    again.unplug()


def test_a_server_that_is_killed_does_not_hang_the_program(jack: subprocess.Popen[bytes]) -> None:
    code = (
        "import os, signal, sys, time\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from test_surfaces import FakeLive, SurfaceLink\n"
        "link = SurfaceLink('launchpad-x', FakeLive())\n"
        "link.start()\n"
        "while not link.title: time.sleep(0.02)\n"
        f"os.kill({jack.pid}, signal.SIGKILL)\n"
        "time.sleep(1.5)\n"
        "link.stop()\n"
        "print('ended')\n"
    )
    device = subprocess.Popen(  # a process of its own, for its library hangs when the server dies
        [sys.executable, "-c", f"import sys, time\nsys.path[:0] = {sys.path!r}\nfrom test_surfaces import Plugged\n"
         "Plugged('launchpad-x')\ntime.sleep(60)"]
    )  # fmt: skip
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=40, check=False)
        assert done.stdout == "ended\n", done.stderr
        assert done.returncode == 0
    finally:
        device.kill()
        device.wait()


@pytest.mark.usefixtures("jack")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_device_is_given_back_however_the_program_ends(number: int) -> None:
    plugged = Plugged("x-touch-mini")
    command = [sys.executable, "-m", "sonify", "surface", "test", "x-touch-mini", "--each", "10ms", "--listen", "60s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("now touch"):
                break
        assert not plugged.device.is_restored, "everything is lit"
        plugged.touch(bytes([0x90, 0x54, 0x7F]))
        assert process.stdout.readline() == "layer A: press  (mute everything)\n"
        process.send_signal(number)
        process.wait(10.0)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    wait_until(lambda: plugged.device.is_restored, "it is given back")
    assert plugged.problems == []
    plugged.unplug()
