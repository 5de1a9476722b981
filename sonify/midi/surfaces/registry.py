"""All profiles, and which of them a device is: by its reply to an identity request, or by the name of its port."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sonify.errors import UsageError
from sonify.midi.surfaces.apc40_mk2 import APC40_MK2
from sonify.midi.surfaces.apc_mini_mk2 import APC_MINI_MK2
from sonify.midi.surfaces.launchpad import LAUNCHPAD_MINI_MK3, LAUNCHPAD_PRO_MK3, LAUNCHPAD_X
from sonify.midi.surfaces.mackie import MACKIE_CONTROL, MACKIE_EXTENDER, X_TOUCH, X_TOUCH_EXTENDER
from sonify.midi.surfaces.midi_fighter_twister import MIDI_FIGHTER_TWISTER
from sonify.midi.surfaces.profile import Profile
from sonify.midi.surfaces.x_touch_mini import X_TOUCH_MINI

__all__ = ["IDENTITY_REQUEST", "PROFILES", "find_profile", "identified", "port_of"]

PROFILES: tuple[Profile, ...] = (
    LAUNCHPAD_MINI_MK3,
    LAUNCHPAD_X,
    LAUNCHPAD_PRO_MK3,
    X_TOUCH,
    X_TOUCH_EXTENDER,
    X_TOUCH_MINI,
    MACKIE_CONTROL,
    MACKIE_EXTENDER,
    APC_MINI_MK2,
    APC40_MK2,
    MIDI_FIGHTER_TWISTER,
)
IDENTITY_REQUEST = bytes.fromhex("f07e7f0601f7")


def find_profile(name: str) -> Profile:
    """Find a profile by its name.

    Raises
    ------
    UsageError
        There is none; the message lists those that there are.
    """
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise UsageError(f"{name!r} is no surface; allowed: {' '.join(profile.name for profile in PROFILES)}")


def port_of(profile: Profile, names: Iterable[str]) -> str | None:
    """Find the port of a profile; None where it is not there."""
    listed = list(names)
    for pattern in profile.ports:
        for name in listed:
            if re.search(pattern, name, re.IGNORECASE):
                return name
    return None


def identified(message: bytes) -> Profile | None:
    """Say which profile sent this reply to an identity request; None for other messages, and other devices."""
    if len(message) < 7 or message[:2] != b"\xf0\x7e" or message[3:5] != b"\x06\x02":
        return None
    rest = message[5:]
    for profile in PROFILES:
        if any(rest.startswith(identity) for identity in profile.identities):
            return profile
    return None
