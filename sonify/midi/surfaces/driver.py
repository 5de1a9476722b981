"""The driver: what one device was told, and the least that it has to be told next. It sends nothing and has no clock.

The newest scene wins: nothing waits in a queue. What was sent long ago is sent again, a few controls at a time, so
that a device that missed something is right again within two seconds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sonify.midi.surfaces.parts import Control, Fader, Gesture, Input, Kind, Meter, Ring, Role, Value
from sonify.midi.surfaces.profile import Profile, dark
from sonify.midi.surfaces.roles import acted, look, share_of_trim
from sonify.midi.surfaces.scene import STAGES, Action, Scene
from sonify.midi.surfaces.takeover import Takeover

__all__ = ["MOST_STATES_HZ", "Driver"]

MOST_STATES_HZ = 30.0
_REFRESH_S = 0.7  # after this a control is due to be sent again …
_REFRESH_PICTURES = 24  # … spread over as many pictures
_HELLO_AGAIN_S = (0.5, 1.2)  # a greeting may be lost as well
_REPLY_S = 2.0  # a device that was greeted answers within this
_METER_AGAIN_S = 0.25  # meters fall by themselves
_SLACK_S = 0.002  # of a clock that ticks at the highest rate


class _Sent(NamedTuple):
    value: Value
    at_s: float


class Driver:
    """Drive one device.

    Parameters
    ----------
    profile : Profile
        What it is.
    refreshes : bool
        Whether to send again what did not change.

    Attributes
    ----------
    first : int
        Backend on the first strip.
    """

    def __init__(self, profile: Profile, *, refreshes: bool = True) -> None:
        self.profile = profile
        self.first = 0
        self._refreshes = refreshes
        self._by_name = {control.name: control for control in profile.controls}
        self._sent: dict[str, _Sent] = {}
        self._touched: set[str] = set()
        self._takeover = {control.name: Takeover() for control in profile.controls if control.kind is Kind.SLIDER}
        self._painted_s = -math.inf
        self._hellos: list[float] = []
        self._greeted_s = -math.inf

    def connect(self, now_s: float) -> list[bytes]:
        """Greet a device that has just come, of which nothing is known."""
        self._sent.clear()
        self._touched.clear()
        for takeover in self._takeover.values():
            takeover.lose()
        self._painted_s = -math.inf
        self._hellos = [now_s + wait_s for wait_s in _HELLO_AGAIN_S] if self._refreshes else []
        self._greeted_s = now_s
        return self.profile.hello()

    # -- out -------------------------------------------------------------------------------------------------------

    def desired(self, scene: Scene) -> dict[str, Value]:
        """Say what every control should show."""
        profile = self.profile
        shown: dict[str, Value] = {}
        for control in profile.controls:
            seen = look(control.role, scene, self.first, profile.heat_size, profile.text_width)
            value = profile.value(control, seen)
            if value is not None:
                shown[control.name] = value
        return shown

    def paint(self, scene: Scene, now_s: float) -> list[bytes]:
        """Messages that make the device show a scene; none where it does, or was painted just now."""
        if now_s - self._painted_s < 1.0 / MOST_STATES_HZ - _SLACK_S:
            return []
        greeting: list[bytes] = []
        if self._hellos and now_s >= self._hellos[0]:
            self._hellos.pop(0)
            greeting = self.profile.hello()
            self._greeted_s = now_s
        messages = greeting + self.show(self.desired(scene), now_s)
        if messages:
            self._painted_s = now_s
        return messages

    def show(self, desired: dict[str, Value], now_s: float) -> list[bytes]:
        """Messages that make controls show values: as many as the device takes, the longest waiting first."""
        due = []
        for name, value in desired.items():
            if name in self._touched:
                continue
            sent = self._sent.get(name)
            if sent is None or sent.value != value or _has_fallen(sent, now_s):
                due.append((sent.at_s if sent is not None else -math.inf, name))
        if len(due) > self.profile.most_changes:
            due.sort(key=lambda one: one[0])
        names = [name for _at_s, name in due[: self.profile.most_changes]]
        names += self._old(desired, set(names), now_s)
        changes = [(self._by_name[name], desired[name]) for name in names]
        for name in names:
            self._sent[name] = _Sent(desired[name], now_s)
        return self.profile.encode(changes) if changes else []

    def _old(self, desired: dict[str, Value], without: set[str], now_s: float) -> list[str]:
        """Those that were sent longest ago, as many as may be sent again now."""
        if not self._refreshes:
            return []
        most = min(-(-len(desired) // _REFRESH_PICTURES), self.profile.most_changes - len(without))
        old = [
            (sent.at_s, name)
            for name, sent in self._sent.items()
            if name in desired and name not in without and name not in self._touched and now_s - sent.at_s > _REFRESH_S
        ]
        return [name for _at_s, name in sorted(old)[: max(most, 0)]]

    def goodbye(self, now_s: float) -> list[list[bytes]]:
        """Make it dark and give it back: messages to send one picture's time apart."""
        width = self.profile.text_width
        values = {control.name: dark(control, width) for control in self.profile.controls}
        desired = {name: value for name, value in values.items() if value is not None}
        self._sent.clear()  # what it shows is not believed
        self._touched.clear()
        refreshes, self._refreshes = self._refreshes, False
        bursts = []
        while messages := self.show(desired, now_s):
            bursts.append(messages)
        self._refreshes = refreshes
        return [*bursts, self.profile.goodbye()]

    # -- in --------------------------------------------------------------------------------------------------------

    def receive(self, message: bytes, scene: Scene, now_s: float) -> tuple[list[Action], list[bytes]]:
        """Take a message of the device: what a person wants, and what to send at once."""
        if self.profile.has_restarted(message):
            is_reply = now_s - self._greeted_s < _REPLY_S  # to be greeted for that would go on for ever
            return [], [] if is_reply else self.connect(now_s)
        given = self.profile.understand(message)
        control = None if given is None else self._by_name.get(given.control)
        if given is None or control is None:
            return [], []
        if given.gesture is Gesture.TOUCH:
            self._touched.add(control.name)
        elif given.gesture is Gesture.LET_GO:
            self._touched.discard(control.name)
        elif control.role.what == "bank":
            self._turn_page(control.role, given, scene)
        else:
            action = self._act(control, given, scene, now_s)
            return ([] if action is None else [action]), []
        return [], []

    def understood(self, message: bytes) -> tuple[Control, Input] | None:
        """Which control a message is about."""
        given = self.profile.understand(message)
        control = None if given is None else self._by_name.get(given.control)
        return None if given is None or control is None else (control, given)

    def _turn_page(self, role: Role, given: Input, scene: Scene) -> None:
        if given.gesture is Gesture.PRESS:
            page = self.profile.num_strips
            last = max(0, (len(scene.strips) - 1) // page * page)
            self.first = min(max(self.first + role.number * page, 0), last)

    def _act(self, control: Control, given: Input, scene: Scene, now_s: float) -> Action | None:
        amount = given.amount
        if given.gesture is Gesture.MOVE:
            if control.kind is Kind.SLIDER:
                place = self._takeover[control.name].move(amount, self._held(control.role, scene))
                if place is None:
                    return None
                amount = place
            else:
                self._note_moved(control, amount, now_s)
        return acted(control.role, given.gesture, amount, scene, self.first)

    def _note_moved(self, control: Control, share: float, now_s: float) -> None:
        """Believe that a control stands where a hand has put it."""
        sent = self._sent.get(control.name)
        if control.kind is Kind.FADER:
            self._sent[control.name] = _Sent(Fader(round(share * 16383)), now_s)
        elif sent is not None and isinstance(sent.value, Ring):
            self._sent[control.name] = _Sent(Ring(round(share * (sent.value.steps - 1)), sent.value.steps), -math.inf)

    def _held(self, role: Role, scene: Scene) -> float:
        """Value that holds of what a slider sets, 0–1."""
        if role.what in STAGES:
            return scene.amounts[role.what] / 2.0
        if role.what == "level":
            return share_of_trim(scene.trim_db)
        index = self.first + role.number
        return share_of_trim(scene.strips[index].trim_db) if index < len(scene.strips) else 0.0


def _has_fallen(sent: _Sent, now_s: float) -> bool:
    return isinstance(sent.value, Meter) and sent.value.segments > 0 and now_s - sent.at_s >= _METER_AGAIN_S
