"""Profiles against strict devices: what arrives is known to the device, right, and no more than needed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import pytest
from devices import ApcMiniMk2, Device, Mackie, device_of, same_look
from hypothesis import given, settings
from hypothesis import strategies as st

from sonify.metrics.panels import PANELS, State
from sonify.midi.surfaces.driver import Driver
from sonify.midi.surfaces.heat import Column
from sonify.midi.surfaces.parts import Kind, Light
from sonify.midi.surfaces.profile import Profile
from sonify.midi.surfaces.registry import PROFILES, find_profile, identified, port_of
from sonify.midi.surfaces.scene import STAGES, Scene, Strip

PICTURE_S = 1.0 / 30.0
EDGES_S = np.r_[0.0, np.geomspace(0.0016, 38.0, 23), np.inf]
profiles = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)

NUMBERS = (math.nan, math.inf, -math.inf, 0.0, 1e-9, 0.02, 0.3, 1.0, 1e12)
NAMES = ("rust", "go", "größe\x1b[2J", "\u202eevil", "数据库", "", "checkout-service-eu-west-1", "\ud800", "\n\r")
PANEL_NAMES = [panel.name for panel in PANELS]


def any_scene(seed: int) -> Scene:
    """Make any scene at all; hypothesis chooses the seed, since to draw every number takes it too long."""
    random_ = random.Random(seed)

    def number() -> float:
        return random_.choice((*NUMBERS, random_.uniform(0.0, 2.0)))

    def strip() -> Strip:
        level_db = random_.choice((-120.0, random_.uniform(-70.0, 20.0)))
        trim_db = random_.choice((0.0, -40.0, 6.0, random_.uniform(-40.0, 6.0)))
        solo, mute = random_.random() < 0.2, random_.random() < 0.2
        name, state = random_.choice(NAMES), random_.choice(list(State))
        return Strip(name, state, number(), number(), number(), level_db, trim_db, solo, mute)

    def column(t: int) -> Column:
        rates = np.array(random_.choices([0.0, math.nan, 0.001, 0.5, 30.0, 1e6], k=24))
        return Column(float(t), None if random_.random() < 0.2 else rates, EDGES_S)

    return Scene(
        time_s=random_.uniform(0.0, 1e6),
        strips=tuple(strip() for _ in range(random_.randint(0, 14))),
        panel_states={name: random_.choice(list(State)) for name in random_.sample(PANEL_NAMES, random_.randint(0, 7))},
        unacknowledged=frozenset(random_.sample(PANEL_NAMES, random_.choice((0, 0, 2)))),
        heat=tuple(column(t) for t in range(random_.randint(0, 10))),
        is_fresh=random_.random() < 0.7,
        is_muted=random_.random() < 0.2,
        trim_db=random_.uniform(-40.0, 6.0),
        amounts={stage: random_.choice((0.0, 1.0, 2.0, random_.uniform(0.0, 2.0))) for stage in STAGES},
    )


scenes = st.builds(any_scene, st.integers(0, 2**32))


class Desk:
    """A driver, its device, and a clock."""

    def __init__(self, profile: Profile, *, is_strict: bool = True, refreshes: bool = False) -> None:
        self.driver = Driver(profile, refreshes=refreshes)
        self.device = device_of(profile.name, is_strict=is_strict)
        self.now_s = 0.0
        self.is_deaf = False
        self.give(self.driver.connect(self.now_s))

    def give(self, messages: list[bytes]) -> list[bytes]:
        if isinstance(self.device, ApcMiniMk2):
            self.device.begin_picture()
        if not self.is_deaf:
            for message in messages:
                self.device.take(message)
        return messages

    def paint(self, scene: Scene) -> list[bytes]:
        self.now_s += PICTURE_S
        return self.give(self.driver.paint(scene, self.now_s))

    def settle(self, scene: Scene) -> int:
        """Paint until nothing more comes, at most half a second; how many pictures it took."""
        for count in range(15):
            if not self.paint(scene):
                return count
        return 15

    def wrong(self, scene: Scene) -> list[str]:
        desired = self.driver.desired(scene)
        return [
            f"{control.name}: {self.device.shows(control)}, should be {desired[control.name]}"
            for control in self.driver.profile.controls
            if control.name in desired and not same_look(self.device.shows(control), desired[control.name])
        ]


def without_meters(messages: list[bytes]) -> list[bytes]:
    return [message for message in messages if message[0] & 0xF0 != 0xD0]


@profiles
@settings(max_examples=25)
@given(data=st.data())
def test_the_device_shows_the_last_scene_whatever_came_before(profile, data):
    desk = Desk(profile)
    for scene in data.draw(st.lists(scenes, min_size=1, max_size=6)):
        desk.paint(scene)
    desk.settle(scene)
    assert desk.wrong(scene) == []


@profiles
@settings(max_examples=15)
@given(scene=scenes, data=st.data())
def test_nothing_is_sent_for_no_change_and_little_for_a_small_one(profile, scene, data):
    desk = Desk(profile)
    desk.settle(scene)
    assert without_meters(desk.paint(scene)) == []
    stage = data.draw(st.sampled_from(STAGES))
    other = Scene(**{**_fields(scene), "amounts": {**scene.amounts, stage: 2.0 - scene.amounts[stage]}})
    assert len(without_meters(desk.paint(other))) <= 2


def _fields(scene: Scene) -> dict:
    return {name: getattr(scene, name) for name in scene.__slots__}


@profiles
@settings(max_examples=10)
@given(sequence=st.lists(scenes, min_size=3, max_size=8))
def test_at_most_thirty_states_a_second(profile, sequence):
    driver = Driver(profile)
    driver.connect(0.0)
    sent_s = []
    for tick in range(400):
        now_s = tick / 400.0
        if driver.paint(sequence[tick % len(sequence)], now_s):
            sent_s.append(now_s)
    assert len(sent_s) <= 31


@profiles
@settings(max_examples=10)
@given(sequence=st.lists(scenes, min_size=1, max_size=4))
def test_restored_on_goodbye(profile, sequence):
    desk = Desk(profile)
    for scene in sequence:
        desk.paint(scene)
    for burst in desk.driver.goodbye(desk.now_s):
        desk.give(burst)
    assert desk.device.is_restored


@profiles
@pytest.mark.parametrize("seed", range(6))
def test_lost_messages_heal_within_two_seconds(profile, seed):
    random_ = random.Random(seed)
    desk = Desk(profile, is_strict=False, refreshes=True)
    scene = busy_scene(seed)
    if seed % 2:
        desk.settle(scene)
    else:
        desk.device.reset()  # the greeting was lost as well
    desk.is_deaf = True
    for _ in range(random_.randint(1, 30)):
        scene = busy_scene(random_.randint(0, 99))
        desk.paint(scene)
    desk.is_deaf = False
    for _ in range(60):
        desk.paint(scene)
    assert desk.wrong(scene) == []


@profiles
def test_plugged_in_again_it_is_greeted_and_painted(profile):
    desk = Desk(profile)
    scene = busy_scene(1)
    desk.settle(scene)
    desk.device = device_of(profile.name)
    desk.give(desk.driver.connect(desk.now_s))
    desk.settle(scene)
    assert desk.wrong(scene) == []


@profiles
@settings(max_examples=30)
@given(messages=st.lists(st.binary(max_size=20), max_size=20), scene=scenes)
def test_any_bytes_from_the_device_are_survived(profile, messages, scene):
    driver = Driver(profile)
    for message in messages:
        for action in driver.receive(message, scene, 0.0)[0]:
            assert math.isfinite(action.value)
            assert -40.0 <= action.value <= 6.0


@profiles
def test_the_states_of_the_service_look_different(profile):
    def pictures(scene: Scene) -> dict:
        return Desk(profile).driver.desired(scene)

    healthy = busy_scene(1, state=State.GREEN)
    stale = Scene(**{**_fields(healthy), "is_fresh": False})
    red = busy_scene(1, state=State.RED)
    quiet = Scene(
        **{
            **_fields(healthy),
            "strips": tuple(strip._replace(request_rate=0.0, p95_s=math.nan) for strip in healthy.strips),
            "heat": tuple(Column(one.t, np.zeros(24), EDGES_S) for one in healthy.heat),
        }
    )
    assert pictures(healthy) != pictures(stale)
    assert pictures(healthy) != pictures(red)
    assert pictures(red) != pictures(stale)
    if any(control.role.what in ("heat", "reading") for control in profile.controls):
        assert pictures(quiet) != pictures(healthy)
        assert pictures(quiet) != pictures(stale)


@profiles
def test_controls_have_names_of_their_own_and_do_not_overlap(profile):
    assert len({control.name for control in profile.controls}) == len(profile.controls)
    width, height = profile.picture_size
    for control in profile.controls:
        assert control.x + control.width <= width + 0.01, control
        assert control.y + control.height <= height + 0.01, control
    boxes = [control for control in profile.controls if control.kind is not Kind.COLOURS]
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            apart = (
                one.x + one.width <= other.x + 1e-6
                or other.x + other.width <= one.x + 1e-6
                or one.y + one.height <= other.y + 1e-6
                or other.y + other.height <= one.y + 1e-6
            )
            assert apart, (one.name, other.name)


def busy_scene(seed: int, *, state: State | None = None) -> Scene:
    """Make a scene that nothing in it leaves dark."""
    random_ = random.Random(seed)

    def some_state() -> State:
        return state if state is not None else random_.choice([State.GREEN, State.YELLOW, State.RED])

    return Scene(
        time_s=random_.uniform(0.0, 100.0),
        strips=tuple(
            Strip(
                f"backend-{index}", some_state(), random_.uniform(0.01, 3.0), random_.uniform(0.0, 0.2), 10.0,
                random_.uniform(-50.0, -1.0), random_.uniform(-40.0, 6.0), random_.random() < 0.2,
            )
            for index in range(8)
        ),
        panel_states={panel.name: some_state() for panel in PANELS},
        heat=tuple(
            Column(float(t), np.array([random_.choice([0.0, 0.1, 5.0, 80.0]) for _ in range(24)]), EDGES_S)
            for t in range(10)
        ),
        amounts={stage: random_.uniform(0.0, 2.0) for stage in STAGES},
    )  # fmt: skip


# -- what hands do ---------------------------------------------------------------------------------------------------


def acted(profile_name: str, scene: Scene, *messages: str) -> list[tuple]:
    driver = Driver(find_profile(profile_name))
    return [tuple(action) for message in messages for action in driver.receive(bytes.fromhex(message), scene, 10.0)[0]]


def test_launchpad_side_is_solo_and_top_acknowledges():
    scene = busy_scene(0)
    assert acted("launchpad-mini-mk3", scene, "b0597f", "b05900") == [("solo", "backend-0", 0.0)]
    assert acted("launchpad-x", scene, "b05b7f") == [("acknowledge", "", 0.0)]
    assert acted("launchpad-x", scene, "b0627f") == [("mute_all", "", 0.0)]


def test_mackie_buttons_knobs_and_faders():
    scene = busy_scene(0)
    assert acted("mackie", scene, "90097f", "900900", "90117f") == [
        ("solo", "backend-1", 0.0),
        ("mute", "backend-1", 0.0),
    ]
    assert acted("mackie", scene, "90027f") == [("acknowledge", "", 0.0)]
    (kind, stage, amount), (_, _, less) = acted("mackie", scene, "b01002", "b01042")
    assert (kind, stage) == ("amount", "eq")
    assert amount - scene.amounts["eq"] == pytest.approx(0.1)
    assert less - scene.amounts["eq"] == pytest.approx(-0.1)
    assert acted("mackie", scene, "90217f") == [("amount", "compressor", 1.0)]
    assert acted("mackie", scene, "e27f7f") == [("trim", "backend-2", 6.0)]
    assert acted("mackie", scene, "e80000") == [("level", "", -40.0)]


def test_a_touched_fader_is_never_moved_and_stays_where_it_was_left():
    desk = Desk(find_profile("x-touch"))
    assert isinstance(desk.device, Mackie)
    scene = busy_scene(0)
    desk.settle(scene)
    desk.device.touched.add(3)
    assert desk.driver.receive(bytes([0x90, 0x6B, 0x7F]), scene, desk.now_s) == ([], [])
    (action,), _ = desk.driver.receive(bytes([0xE3, 0x00, 0x40]), scene, desk.now_s)
    desk.device.faders[3] = 0x40 << 7
    for seed in range(10):  # the device refuses to be moved under a hand
        desk.paint(busy_scene(seed))
    desk.driver.receive(bytes([0x90, 0x6B, 0x00]), scene, desk.now_s)
    desk.device.touched.clear()
    trimmed = tuple(
        strip._replace(trim_db=action.value) if strip.name == action.target else strip for strip in scene.strips
    )
    after = Scene(**{**_fields(scene), "strips": trimmed})
    sent = [message for _ in range(5) for message in desk.paint(after)]
    assert not [message for message in sent if message[0] == 0xE3], "it stands where it should"
    assert desk.wrong(after) == []


def test_banks_reach_backends_beyond_the_eighth():
    strips_ = tuple(Strip(f"b{index}") for index in range(11))
    driver = Driver(find_profile("mackie"))
    scene = Scene(strips=strips_)
    for message, first in (("902f7f", 8), ("902f7f", 8), ("902e7f", 0), ("902e7f", 0)):
        driver.receive(bytes.fromhex(message), scene, 0.0)
        assert driver.first == first
    driver.receive(bytes.fromhex("902f7f"), scene, 0.0)
    assert driver.receive(bytes.fromhex("900a7f"), scene, 0.0)[0][0].target == "b10"
    assert driver.receive(bytes.fromhex("900b7f"), scene, 0.0)[0] == []


def test_mackie_greets_a_device_that_was_switched_on_but_not_its_own_reply():
    driver = Driver(find_profile("mackie"))
    hello = driver.connect(0.0)
    reply = bytes.fromhex("f0000066140130313233343536 00000000f7")
    assert driver.receive(reply, Scene(), 0.1) == ([], [])
    assert driver.receive(reply, Scene(), 60.0) == ([], hello)


def test_x_touch_mini_knobs():
    scene = busy_scene(0)
    ((_, _, more),) = acted("x-touch-mini", scene, "b01103")
    ((_, _, less),) = acted("x-touch-mini", scene, "b01143")
    assert more - scene.amounts["compressor"] == pytest.approx(0.15)
    assert less - scene.amounts["compressor"] == pytest.approx(-0.15)


def test_twister_knobs():
    scene = busy_scene(0)
    assert acted("midi-fighter-twister", scene, "b00f41", "b10f7f") == [("acknowledge", "", 0.0)]
    ((kind, stage, amount),) = acted("midi-fighter-twister", scene, "b00041")
    assert (kind, stage) == ("amount", "eq")
    assert amount - scene.amounts["eq"] == pytest.approx(0.05)


def test_apc40_tracks_are_told_apart_by_channel():
    scene = busy_scene(0)
    assert acted("apc40-mk2", scene, "94317f", "84317f") == [("solo", "backend-4", 0.0)]
    assert acted("apc40-mk2", scene, "95327f") == [("mute", "backend-5", 0.0)]
    assert acted("apc40-mk2", scene, "b0107f") == [("amount", "eq", 2.0)]


@pytest.mark.parametrize(("name", "status", "number"), [("apc-mini-mk2", 0xB0, 48), ("apc40-mk2", 0xB0, 7)])
def test_a_fader_without_a_motor_does_nothing_until_it_passes_the_value(name, status, number):
    driver = Driver(find_profile(name))
    scene = Scene(strips=(Strip("a", trim_db=-17.0),))  # half of the way
    moved = [driver.receive(bytes([status, number, value]), scene, 0.0)[0] for value in (0, 20, 40)]
    assert moved == [[], [], []]
    ((action,), _) = driver.receive(bytes([status, number, 70]), scene, 0.0)
    assert action.kind == "trim"
    held = Scene(strips=(Strip("a", trim_db=action.value),))
    assert driver.receive(bytes([status, number, 90]), held, 0.0)[0], "in charge now"
    elsewhere = Scene(strips=(Strip("a", trim_db=-39.0),))  # somebody else turned it
    assert driver.receive(bytes([status, number, 91]), elsewhere, 0.0)[0] == []


def test_the_x_touch_mini_fader_takes_over_softly():
    driver = Driver(find_profile("x-touch-mini"))
    assert driver.receive(bytes([0xE8, 0, 127]), Scene(trim_db=0.0), 0.0)[0] == []
    assert driver.receive(bytes([0xE8, 0, 100]), Scene(trim_db=0.0), 0.0)[0]


# -- who is who ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("launchpad-mini-mk3", ["Launchpad Mini MK3 LPMiniMK3 DA 24:0", "Launchpad Mini MK3 LPMiniMK3 MI 24:1"]),
        ("launchpad-mini-mk3", ["LPMiniMK3 MIDI 0", "MIDIOUT2 (LPMiniMK3 MIDI) 1"]),
        ("launchpad-mini-mk3", ["Launchpad Mini MK3 LPMiniMK3 DAW Out", "Launchpad Mini MK3 LPMiniMK3 MIDI Out"]),
        ("launchpad-x", ["Launchpad X:Launchpad X LPX DAW In 28:0", "Launchpad X:Launchpad X LPX MIDI In 28:1"]),
        ("launchpad-pro-mk3", ["LPProMK3 DAW", "LPProMK3 DIN", "LPProMK3 MIDI"]),
        ("x-touch", ["X-TOUCH MINI:X-TOUCH MINI MIDI 1 20:0", "X-Touch:X-Touch X-TOUCH_INT 24:0"]),
        ("x-touch-extender", ["X-Touch:X-Touch X-TOUCH_INT 24:0", "X-Touch-Ext:X-Touch-Ext X-TOUCH_INT 28:0"]),
        ("x-touch-mini", ["X-Touch:X-Touch X-TOUCH_INT 24:0", "X-TOUCH MINI:X-TOUCH MINI MIDI 1 20:0"]),
        ("mackie", ["Midi Through:Midi Through Port-0 14:0", "MCU Pro USB v3.1:MCU Pro USB v3.1 MIDI 1 32:0"]),
        ("apc-mini-mk2", ["APC mini mk2:APC mini mk2 Notes 24:1", "APC mini mk2:APC mini mk2 Contr 24:0"]),
        ("apc40-mk2", ["Midi Through:Midi Through Port-0 14:0", "APC40 mkII:APC40 mkII MIDI 1 24:0"]),
        ("midi-fighter-twister", ["Midi Fighter Twister:Midi Fighter Twister MIDI 1 20:0"]),
    ],
)  # fmt: skip
def test_the_right_port_is_found_by_name(name, ports):
    assert port_of(find_profile(name), ports) == ports[-1]
    assert port_of(find_profile(name), reversed(ports)) == ports[-1]


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("f07e0006020020291301000000030105f7", "launchpad-mini-mk3"),
        ("f07e0006020020290301000000030105f7", "launchpad-x"),
        ("f07e0006020020292301000000030105f7", "launchpad-pro-mk3"),
        ("f07e000602474f0019000100000000f7", "apc-mini-mk2"),
        ("f07e00060247290019000100000000f7", "apc40-mk2"),
    ],
)
def test_identity_replies(reply, name):
    profile = identified(bytes.fromhex(reply))
    assert profile is not None
    assert profile.name == name


@pytest.mark.parametrize("message", ["f7", "f07e7f0601f7", "f07e000602004001000000f7", "904040"])
def test_other_messages_are_no_identity(message):
    assert identified(bytes.fromhex(message)) is None


def test_whole_launchpad_is_one_message():
    driver = Driver(find_profile("launchpad-x"))
    driver.connect(0.0)
    assert len(driver.paint(busy_scene(3), 0.1)) == 1


def test_the_grid_bytes_of_a_launchpad():
    profile = find_profile("launchpad-mini-mk3")
    pads = [control for control in profile.controls if control.role.what == "heat"]
    (message,) = profile.encode([(pad, Light(1, 2, 3)) for pad in pads])
    assert len(message) == 328
    assert message[:12].hex(" ") == "f0 00 20 29 02 0d 03 03 0b 01 02 03"


def bursts(desk: Desk, scene: Scene) -> Iterator[list[bytes]]:
    for _ in range(20):
        yield desk.paint(scene)


def test_an_apc_mini_is_painted_whole_within_half_a_second():
    desk = Desk(find_profile("apc-mini-mk2"))
    scene = busy_scene(5)
    needed = sum(bool(burst) for burst in bursts(desk, scene))
    assert desk.wrong(scene) == []
    assert needed * PICTURE_S < 0.5


def test_no_device_class_is_lenient():
    for profile in PROFILES:
        device: Device = device_of(profile.name)
        with pytest.raises(AssertionError):
            device.take(bytes.fromhex("f0007f7f00f7"))
