"""`SurfaceLink`: a control surface shows what plays and turns its controls. It finds the device, and finds it again."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Event, Thread
from typing import NamedTuple, Protocol

from sonify.errors import DeviceError
from sonify.mapping.preset import SoundPreset
from sonify.midi.surfaces.driver import MOST_STATES_HZ, Driver
from sonify.midi.surfaces.heat import HeatHistory
from sonify.midi.surfaces.profile import Profile
from sonify.midi.surfaces.registry import IDENTITY_REQUEST, PROFILES, find_profile, identified, port_of
from sonify.midi.surfaces.scene import Action, Scene, strips_of
from sonify.runner.controls import Controls, Knobs
from sonify.runner.midi_port import MidiPort, PortName, list_ports
from sonify.runner.snapshot import Snapshot

__all__ = ["AUTO", "Found", "Shown", "SurfaceLink", "apply", "find_surface", "give_back", "open_surface", "scene_of"]

AUTO = "auto"
_PICTURE_S = 1.0 / MOST_STATES_HZ
_LOOK_S = 3.0  # between looks for a device that is not there yet
_ANSWER_S = 0.5  # for a reply to an identity request
_MOST_INPUTS = 1024
_NOT_ASKED = re.compile(r"sonify|through|\bDAW\b", re.IGNORECASE)  # ports that lead nowhere, or back here
_BYTES_PER_S, _BURST_BYTES = 24_000.0, 1024  # a picture is at most half as much


class Shown(Protocol):
    """A live engine, as surfaces see it."""

    @property
    def controls(self) -> Controls:
        """What a person may change."""
        ...

    @property
    def sound(self) -> SoundPreset:
        """The preset that plays."""
        ...

    def snapshot(self) -> Snapshot:
        """Picture of this moment."""
        ...


class Found(NamedTuple):
    """A device: what it is, and the name of its port that fits both directions."""

    profile: Profile
    port: str


def scene_of(snapshot: Snapshot, knobs: Knobs, heat: HeatHistory, sound: SoundPreset) -> Scene:
    """Make what surfaces show of a live engine."""
    return Scene(
        time_s=time.monotonic(),
        strips=strips_of(
            snapshot.frame,
            snapshot.backend_states,
            snapshot.backend_level_db,
            trim_db=knobs.backend_trim_db,
            soloed=knobs.soloed,
            muted=knobs.muted,
        ),
        panel_states=snapshot.panel_states,
        unacknowledged=frozenset(snapshot.unacknowledged),
        heat=heat.columns,
        latency_limits=sound.limits["latency_p95"],
        is_fresh=snapshot.frame.fresh,
        is_muted=knobs.is_muted,
        trim_db=knobs.trim_db,
        amounts={"eq": knobs.eq, "compressor": knobs.compressor, "reverb": knobs.reverb},
    )


def apply(action: Action, controls: Controls) -> None:
    """Do what a person asked for."""
    doings: dict[str, Callable[[], None]] = {
        "trim": lambda: controls.set_backend_trim(action.target, action.value),
        "level": lambda: controls.trim(action.value - controls.knobs.trim_db),
        "amount": lambda: controls.set_amount(action.target, action.value),
        "solo": lambda: controls.toggle_solo(action.target),
        "mute": lambda: controls.toggle_backend_mute(action.target),
        "mute_all": controls.toggle_mute,
        "acknowledge": controls.acknowledge,
        "preset": lambda: controls.step_preset(int(action.value)),
    }
    doings[action.kind]()


def find_surface(surface: str, *, port: str = "", asked: set[str] | None = None) -> Found | str:
    """Find a device by its profile's name, or whichever there is.

    Parameters
    ----------
    surface : str
        Name of a profile, or ``auto``.
    port : str
        Name of its port, where a person knows better.
    asked : set of str, optional
        Ports that were asked before what they are, and are not asked again; those that are asked now are added.

    Returns
    -------
    Found or str
        The device, or why there is none.

    Raises
    ------
    UsageError
        There is no such profile.
    DeviceError
        There is no MIDI at all.
    """
    wanted = PROFILES if surface == AUTO else (find_profile(surface),)
    if port and surface != AUTO:
        return Found(wanted[0], port)
    outputs, inputs, problems = list_ports()
    if not port:
        for profile in wanted:
            found = _by_name(profile, outputs, inputs)
            if found is not None:
                return found
    if surface == AUTO:
        known = asked if asked is not None else set()
        both = {one.name for one in outputs} & {one.name for one in inputs}
        names = {port} if port else {name for name in both if not _NOT_ASKED.search(name)}
        for name in sorted(names - known):
            known.add(name)
            profile_there = _ask(name)
            if profile_there is not None:
                return Found(profile_there, name)
    what = "no surface that is known" if surface == AUTO else f"no {wanted[0].title}"
    ports = ", ".join(dict.fromkeys(one.name for one in outputs)) or "none"
    return f"{what}; MIDI ports: {ports}" + "".join(f"; {problem}" for problem in problems)


def _by_name(profile: Profile, outputs: list[PortName], inputs: list[PortName]) -> Found | None:
    output = port_of(profile, (one.name for one in outputs))
    input_ = port_of(profile, (one.name for one in inputs))
    if output is None or input_ is None:
        return None
    return Found(profile, output if output == input_ else _common(output, input_))


def _common(one: str, other: str) -> str:
    """Longest text that both names hold: on some systems a device's output and input are named apart."""
    best = ""
    for begin in range(len(one)):
        while begin + len(best) < len(one) and one[begin : begin + len(best) + 1] in other:
            best = one[begin : begin + len(best) + 1]
    return best.strip()


def _ask(name: str) -> Profile | None:
    """Ask whatever is behind a port what it is."""
    answered = Event()
    replies: deque[Profile] = deque(maxlen=1)

    def listen(message: bytes) -> None:
        profile = identified(message)
        if profile is not None:
            replies.append(profile)
            answered.set()

    port = MidiPort(name, input=True, is_music=False, on_message=listen)
    port.start()
    try:
        until_s = time.monotonic() + 4 * _ANSWER_S
        while not port.opened and time.monotonic() < until_s:
            time.sleep(0.02)
        if port.send(IDENTITY_REQUEST):
            answered.wait(_ANSWER_S)
    finally:
        port.close()
    return replies[0] if replies else None


def open_surface(found: Found, on_message: Callable[[bytes], None]) -> MidiPort:
    """Open a device's port; the device is given back even where this program is killed."""
    port = MidiPort(
        found.port,
        input=True,
        is_music=False,
        bytes_per_s=_BYTES_PER_S,
        burst_bytes=_BURST_BYTES,
        on_message=on_message,
    )
    port.set_at_end(message for burst in Driver(found.profile).goodbye(0.0) for message in burst)
    port.start()
    return port


def give_back(port: MidiPort, driver: Driver) -> None:
    """Make a device dark, no faster than it can follow, give it back, and close its port."""
    if port.opened:
        for burst in driver.goodbye(time.monotonic()):
            port.send_all(_at_once(burst))
            time.sleep(_PICTURE_S)
        port.set_at_end(driver.profile.goodbye())
    port.close()


def _at_once(messages: Iterable[bytes]) -> list[tuple[bytes, float]]:
    return [(message, 0.0) for message in messages]


class SurfaceLink:
    """Keep a surface and a live engine together.

    Parameters
    ----------
    surface : str
        Name of a profile, or ``auto``.
    live : Shown
        The engine.
    port : str
        Name of the port, where it is not found by itself.

    Attributes
    ----------
    title : str
        What is connected; empty while nothing is.
    problem : str
        Why nothing is; empty while something is.

    Raises
    ------
    UsageError
        There is no such profile.
    """

    def __init__(self, surface: str, live: Shown, *, port: str = "") -> None:
        if surface != AUTO:
            find_profile(surface)
        self._surface, self._live, self._port_name = surface, live, port
        self._heat = HeatHistory()
        self._inputs: deque[bytes] = deque(maxlen=_MOST_INPUTS)
        self._stopping = Event()
        self._wake = Event()
        self._thread = Thread(target=self._run, name="surface", daemon=True)
        self.title, self.problem = "", "looking for a surface"

    def start(self) -> None:
        """Begin; nothing is waited for, and a device may come later."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Give the device back; a second call changes nothing."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        found = self._find()
        if found is None:
            return
        driver = Driver(found.profile)
        port = open_surface(found, self._receive)
        try:
            self._serve(driver, port)
        finally:
            give_back(port, driver)

    def _find(self) -> Found | None:
        """Look until there is a device; None where the end comes first."""
        asked: set[str] = set()
        while not self._stopping.is_set():
            try:
                found = find_surface(self._surface, port=self._port_name, asked=asked)
            except DeviceError as error:
                found = str(error)
            if isinstance(found, Found):
                return found
            self.problem = found
            self._stopping.wait(_LOOK_S)
        return None

    def _receive(self, message: bytes) -> None:
        self._inputs.append(message)
        self._wake.set()

    def _serve(self, driver: Driver, port: MidiPort) -> None:
        connections = 0
        while not self._stopping.is_set():
            now_s = time.monotonic()
            self.title, self.problem = driver.profile.title if port.opened else "", port.problem
            if port.connections != connections:
                connections = port.connections
                self._inputs.clear()
                port.send_all(_at_once(driver.connect(now_s)))
            snapshot = self._live.snapshot()
            self._heat.update(snapshot.frame)
            while self._inputs:
                self._take(driver, port, self._inputs.popleft(), snapshot)
            if port.opened:
                port.send_all(_at_once(driver.paint(self._scene(snapshot), now_s)))
            self._wake.wait(max(now_s + _PICTURE_S - time.monotonic(), 0.002))
            self._wake.clear()

    def _scene(self, snapshot: Snapshot) -> Scene:
        return scene_of(snapshot, self._live.controls.knobs, self._heat, self._live.sound)

    def _take(self, driver: Driver, port: MidiPort, message: bytes, snapshot: Snapshot) -> None:
        actions, replies = driver.receive(message, self._scene(snapshot), time.monotonic())
        for action in actions:
            apply(action, self._live.controls)
        if replies:
            port.send_all(_at_once(replies))
