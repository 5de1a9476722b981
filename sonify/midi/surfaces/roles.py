"""What controls are for: how each role looks in a scene, and what happens when somebody uses it.

=============  ====================================  ==============================
role           shows                                 used
=============  ====================================  ==============================
heat           a latency band at a time              –
panel          state of a panel                      press: acknowledge
backend        state of a backend, dim: not heard    press: solo
solo, mute     whether it is                         press: toggle
alarm          state of a backend, lamp only         press: acknowledge
trim           level of a backend                    turn, move; press: 0 dB
level          level of everything                   turn, move; press: 0 dB
eq …           amount of a tuning filter             turn, move; press: 100 %
meter          peak of a backend                     –
name, reading  name; p95 and error ratio in turn     –
colours        states of all strips                  –
fresh          data comes in (blinks: lost)          –
mute_all       all sound is off                      press: toggle
acknowledge    alarms that stand                     press: acknowledge
preset, bank   –                                     press: next, or the one before
=============  ====================================  ==============================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sonify.metrics.panels import PANELS, State
from sonify.midi.surfaces import text
from sonify.midi.surfaces.heat import shares, zones
from sonify.midi.surfaces.parts import Gesture, Lamp, Role
from sonify.midi.surfaces.scene import STAGES, TRIM_RANGE_DB, Action, Scene, Strip

__all__ = ["Glow", "Look", "acted", "look", "meaning", "share_of_trim"]

_TURN_S = 2.0  # how long p95 and error ratio each stay on a display
_AMOUNT_TICK, _TRIM_TICK_DB = 0.05, 1.0
_HIGHEST_AMOUNT = 2.0
_NOT_HEARD = 0.15  # brightness of a backend that is not heard
_WHITE, _MAGENTA_CODE, _DARK_CODE = 7, 5, 0


class Glow(NamedTuple):
    """Colour of a light, each part 0–1."""

    red: float
    green: float
    blue: float
    blinks: bool = False

    def dimmed(self, share: float) -> Glow:
        """Darker."""
        return Glow(self.red * share, self.green * share, self.blue * share, self.blinks and share == 1.0)


class Look(NamedTuple):
    """How a role looks, on whatever shows it."""

    glow: Glow
    lamp: Lamp = Lamp.OFF
    share: float = 0.0
    is_centred: bool = False
    is_present: bool = True
    level_db: float = -120.0
    text: str = ""
    colours: tuple[int, ...] = ()


_BLACK = Glow(0.0, 0.0, 0.0)
_UNLIT = Glow(0.04, 0.04, 0.04)  # there is something to press
_BLUE = Glow(0.0, 0.0, 1.0)
_STALE = Glow(0.35, 0.0, 0.35)  # no state has this colour
_NO_TRAFFIC = Glow(0.0, 0.0, 0.08)  # a true zero: not dark, which is not measured
_FULL = {
    State.UNKNOWN: Glow(0.12, 0.12, 0.12),
    State.GREEN: Glow(0.0, 0.55, 0.12),
    State.YELLOW: Glow(1.0, 0.7, 0.0),
    State.RED: Glow(1.0, 0.05, 0.0),
}
_LAMPS = {State.YELLOW: Lamp.ON, State.RED: Lamp.BLINK}
_CODES = {State.UNKNOWN: _WHITE, State.GREEN: 2, State.YELLOW: 3, State.RED: 1}
_NOTHING = Look(_BLACK, is_present=False)


def share_of_trim(trim_db: float) -> float:
    """Place of a level on a fader, 0–1."""
    low_db, high_db = TRIM_RANGE_DB
    return min(max((trim_db - low_db) / (high_db - low_db), 0.0), 1.0)


def _trim_of_share(share: float) -> float:
    low_db, high_db = TRIM_RANGE_DB
    return low_db + share * (high_db - low_db)


def look(role: Role, scene: Scene, first: int, size: tuple[int, int], text_width: int) -> Look:
    """How a role looks.

    Parameters
    ----------
    role : Role
        Which.
    scene : Scene
        What there is to show.
    first : int
        Backend on the first strip.
    size : (int, int)
        Columns and rows of the heatmap.
    text_width : int
        Characters of a line.
    """
    if role.what == "heat":
        return Look(_heat(scene, role.number, role.row, size))
    if role.what in _STRIP_LOOKS:
        index = first + role.number
        if index >= len(scene.strips):
            return _NOTHING._replace(text=" " * text_width)
        return _STRIP_LOOKS[role.what](scene, scene.strips[index], text_width)
    if role.what in STAGES:
        return _amount(scene.amounts[role.what])
    if role.what == "colours":
        return Look(_BLACK, colours=tuple(_strip_code(scene, first + index) for index in range(8)))
    return _WHOLE_LOOKS[role.what](scene, role) if role.what in _WHOLE_LOOKS else _NOTHING


def _heat(scene: Scene, column: int, row: int, size: tuple[int, int]) -> Glow:
    num_columns, num_rows = size
    shown = scene.heat[-num_columns:]
    place = column - (num_columns - len(shown))
    if place < 0:
        return _BLACK
    share = shares(shown[place], num_rows)[row]
    glow = _heat_glow(share, zones(shown[place], num_rows, scene.latency_limits)[row])
    if scene.is_fresh:
        return glow
    return _STALE if place == len(shown) - 1 else glow.dimmed(0.3)


def _heat_glow(share: float, zone: State) -> Glow:
    if share < 0.0:
        return _STALE
    if share == 0.0:
        return _NO_TRAFFIC
    return _FULL[zone].dimmed(0.06 + 0.94 * share * share) if share > 0.0 else _BLACK


def _panel(scene: Scene, role: Role) -> Look:
    panel = PANELS[role.number].name
    state = scene.panel_states.get(panel, State.UNKNOWN)
    blinks = panel in scene.unacknowledged
    return Look(_FULL[state]._replace(blinks=blinks), _LAMPS.get(state, Lamp.OFF))


def _backend(scene: Scene, strip: Strip, _width: int) -> Look:
    glow = _FULL[strip.state] if scene.is_fresh else _STALE
    is_heard = scene.is_heard(strip)
    lamp = _LAMPS.get(strip.state, Lamp.OFF) if scene.is_fresh else Lamp.OFF
    return Look(glow if is_heard else glow.dimmed(_NOT_HEARD), lamp)


def _toggle(is_on: bool, glow: Glow) -> Look:
    return Look(glow if is_on else _UNLIT, Lamp.ON if is_on else Lamp.OFF)


def _reading(scene: Scene, strip: Strip, width: int) -> Look:
    if not scene.is_fresh:
        return Look(_BLACK, text=text.fitted("stale", width))
    if strip.request_rate == 0.0:
        return Look(_BLACK, text="0 req/s".ljust(width))
    if int(scene.time_s / _TURN_S) % 2:
        return Look(_BLACK, text=f"err{text.percent(strip.error_ratio)}".ljust(width))
    return Look(_BLACK, text=text.seconds(strip.p95_s).ljust(width))


def _trim(trim_db: float) -> Look:
    return Look(_BLACK, share=share_of_trim(trim_db))


def _amount(amount: float) -> Look:
    share = min(max(amount / _HIGHEST_AMOUNT, 0.0), 1.0)
    return Look(_BLUE, share=share, is_centred=True)


def _strip_code(scene: Scene, index: int) -> int:
    if index >= len(scene.strips):
        return _DARK_CODE
    return _CODES[scene.strips[index].state] if scene.is_fresh else _MAGENTA_CODE


def _acknowledge(scene: Scene, _role: Role) -> Look:
    state = scene.worst if scene.is_fresh else State.UNKNOWN
    glow = _FULL[state] if scene.is_fresh else _STALE
    if scene.unacknowledged:
        return Look(glow._replace(blinks=True), Lamp.BLINK)
    return Look(glow, Lamp.ON if state == State.RED else Lamp.OFF)


def _fresh(scene: Scene, _role: Role) -> Look:
    return Look(_FULL[State.GREEN] if scene.is_fresh else _STALE, Lamp.ON if scene.is_fresh else Lamp.BLINK)


_STRIP_LOOKS: dict[str, Callable[[Scene, Strip, int], Look]] = {
    "backend": _backend,
    "alarm": _backend,
    "solo": lambda _scene, strip, _width: _toggle(strip.is_soloed, Glow(1.0, 0.8, 0.0)),
    "mute": lambda _scene, strip, _width: _toggle(strip.is_muted, Glow(1.0, 0.1, 0.0)),
    "trim": lambda scene, strip, width: _trim(strip.trim_db)._replace(glow=_backend(scene, strip, width).glow),
    "meter": lambda _scene, strip, _width: Look(_BLACK, level_db=strip.level_db),
    "name": lambda _scene, strip, width: Look(_BLACK, text=text.fitted(strip.name, width)),
    "reading": _reading,
}
_WHOLE_LOOKS: dict[str, Callable[[Scene, Role], Look]] = {
    "panel": _panel,
    "level": lambda scene, _role: _trim(scene.trim_db)._replace(glow=_BLUE),
    "fresh": _fresh,
    "mute_all": lambda scene, _role: _toggle(scene.is_muted, Glow(1.0, 0.1, 0.0)),
    "acknowledge": _acknowledge,
    "preset": lambda _scene, _role: Look(_UNLIT),
    "bank": lambda _scene, _role: Look(_UNLIT),
}


def acted(role: Role, gesture: Gesture, amount: float, scene: Scene, first: int) -> Action | None:
    """Say what a person wants who did this; None where it means nothing. Banks are the driver's own affair."""
    if gesture is Gesture.PRESS and role.what in _PRESSES:
        return _PRESSES[role.what](role)
    if role.what in STAGES:
        return _turned_amount(role.what, gesture, amount, scene.amounts[role.what])
    if role.what == "level":
        trim_db = _turned_trim(gesture, amount, scene.trim_db)
        return None if trim_db is None else Action("level", "", trim_db)
    index = first + role.number
    if role.what not in ("backend", "solo", "mute", "trim") or index >= len(scene.strips):
        return None
    strip = scene.strips[index]
    if role.what == "trim":
        trim_db = _turned_trim(gesture, amount, strip.trim_db)
        return None if trim_db is None else Action("trim", strip.name, trim_db)
    if gesture is not Gesture.PRESS:
        return None
    return Action("mute" if role.what == "mute" else "solo", strip.name)


_PRESSES: dict[str, Callable[[Role], Action]] = {
    "panel": lambda _role: Action("acknowledge"),
    "alarm": lambda _role: Action("acknowledge"),
    "acknowledge": lambda _role: Action("acknowledge"),
    "mute_all": lambda _role: Action("mute_all"),
    "preset": lambda role: Action("preset", "", float(role.number)),
}


def _turned_amount(stage: str, gesture: Gesture, amount: float, now: float) -> Action | None:
    if gesture is Gesture.PRESS:
        return Action("amount", stage, 1.0)
    if gesture is Gesture.TURN:
        return Action("amount", stage, min(max(now + _AMOUNT_TICK * amount, 0.0), _HIGHEST_AMOUNT))
    return Action("amount", stage, _HIGHEST_AMOUNT * amount) if gesture is Gesture.MOVE else None


def _turned_trim(gesture: Gesture, amount: float, now_db: float) -> float | None:
    if gesture is Gesture.PRESS:
        return 0.0
    if gesture is Gesture.TURN:
        return min(max(now_db + _TRIM_TICK_DB * amount, TRIM_RANGE_DB[0]), TRIM_RANGE_DB[1])
    return _trim_of_share(amount) if gesture is Gesture.MOVE else None


_MEANINGS = {
    "heat": "latency heatmap",
    "backend": "state of backend {number}; press: solo",
    "alarm": "state of backend {number}; press: acknowledge",
    "solo": "solo backend {number}",
    "mute": "mute backend {number}",
    "trim": "level of backend {number}",
    "meter": "peak of backend {number}",
    "name": "name of backend {number}",
    "reading": "p95 and errors of backend {number}",
    "colours": "states of the backends",
    "level": "level of everything",
    "fresh": "data comes in; blinks: source lost",
    "mute_all": "mute everything",
    "acknowledge": "worst state; press: acknowledge",
    "eq": "amount of the EQ",
    "compressor": "amount of the compressor",
    "reverb": "amount of the reverb",
}


def meaning(role: Role) -> str:
    """Say what a role is for."""
    if role.what == "panel":
        return f"state of {PANELS[role.number].name}; press: acknowledge"
    if role.what in ("preset", "bank"):
        return f"{'next' if role.number > 0 else 'previous'} {'preset' if role.what == 'preset' else 'eight backends'}"
    return _MEANINGS[role.what].format(number=role.number + 1) if role.what in _MEANINGS else "not used"
