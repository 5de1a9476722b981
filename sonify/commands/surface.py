"""``sonify surface``: control surfaces: which there are, a test of one, and a picture of what it would show."""

from __future__ import annotations

import json
import signal
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sonify.commands import printable
from sonify.commands.source_options import SOURCE_HELP, source_options
from sonify.errors import DeviceError, RenderError, UsageError
from sonify.units import parse_duration_s

if TYPE_CHECKING:
    from types import FrameType

    from sonify.midi.surfaces.driver import Driver
    from sonify.midi.surfaces.parts import Control, Value
    from sonify.midi.surfaces.profile import Profile
    from sonify.runner.midi_port import MidiPort

__all__ = ["surface"]

_PICTURE_S = 1.0 / 30.0
_PATIENCE_S = 5.0  # for a port to open
_ALL_S = 1.0  # how long everything is lit at the end

_EPILOG = """\b
Examples:
  sonify surface list
  sonify surface test launchpad-x
  sonify surface test mackie --port "iCON Platform M+"
  sonify surface preview x-touch samples/incident.jsonl.gz -o x-touch.svg
"""


@click.group(epilog=_EPILOG)
def surface() -> None:
    """Control surfaces: MIDI hardware that shows production and turns the controls."""


@surface.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_surfaces(as_json: bool) -> None:
    """List the surfaces that are known, and which of them are connected."""
    from sonify.midi.surfaces.registry import PROFILES, port_of
    from sonify.runner.midi_port import list_ports

    try:
        outputs, _inputs, problems = list_ports()
    except DeviceError as error:
        outputs, problems = [], [str(error)]
    names = [one.name for one in outputs]
    rows = [(profile, port_of(profile, names)) for profile in PROFILES]
    if as_json:
        surfaces = [{"name": profile.name, "title": profile.title, "port": port} for profile, port in rows]
        click.echo(json.dumps({"surfaces": surfaces, "problems": problems}, ensure_ascii=False))
        return
    width = max(len(profile.name) for profile in PROFILES)
    for profile, port in rows:
        mark = "*" if port else " "
        click.echo(printable(f"{mark} {profile.name:<{width}}  {profile.title}{f'  ({port})' if port else ''}"))
    for problem in problems:
        click.echo(f"note: {printable(problem)}", err=True)
    if any(port for _, port in rows):
        click.echo("* is connected")


@surface.command("test")
@click.argument("name")
@click.option("--port", default="", help="MIDI port, where it is not found by its name.")
@click.option("--each", default="0.15s", show_default=True, help="How long each control is lit.")
@click.option("--listen", "listen_for", default="30s", show_default=True, help="How long to name what is touched.")
def test_surface(name: str, port: str, each: str, listen_for: str) -> None:
    """Light every control of a surface in turn and name it, then name whatever is touched. Ctrl-C ends it."""
    from sonify.midi.surfaces.driver import Driver
    from sonify.runner.surface_link import AUTO, find_surface, give_back, open_surface

    each_s, listen_s = (parse_duration_s(text) for text in (each, listen_for))
    if name == AUTO and port:
        raise UsageError("name the surface where you name its --port")
    found = find_surface(name, port=port)
    if isinstance(found, str):
        raise DeviceError(found)
    received: deque[bytes] = deque(maxlen=256)
    opened = open_surface(found, received.append)
    driver = Driver(found.profile, refreshes=False)

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        _wait_for(opened)
        click.echo(printable(f"{found.profile.title} on {opened.opened}"))
        _light_up(driver, opened, each_s)
        _name_touched(driver, received, listen_s)
    except KeyboardInterrupt:
        click.echo("")
    finally:
        give_back(opened, driver)
        signal.signal(signal.SIGTERM, before)


def _wait_for(port: MidiPort) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while not port.opened:
        if time.monotonic() > until_s:
            raise DeviceError(port.problem or "the MIDI port does not open")
        time.sleep(0.02)


def _show(driver: Driver, port: MidiPort, values: dict[str, Value]) -> None:
    """Show values, in as many pictures as the device needs."""
    while messages := driver.show(values, time.monotonic()):
        port.send_all([(message, 0.0) for message in messages])
        time.sleep(_PICTURE_S)


def _light_up(driver: Driver, port: MidiPort, each_s: float) -> None:
    from sonify.midi.surfaces.profile import dark
    from sonify.midi.surfaces.roles import meaning

    profile = driver.profile
    port.send_all([(message, 0.0) for message in driver.connect(time.monotonic())])
    values = {control.name: dark(control, profile.text_width) for control in profile.controls}
    blank = {name: value for name, value in values.items() if value is not None}
    _show(driver, port, blank)
    lit = {control.name: _lit(control, profile) for control in profile.controls if control.name in blank}
    for number, control in enumerate(profile.controls, 1):
        click.echo(f"{number:>3}/{len(profile.controls)}  {control.name:<18}{meaning(control.role)}")
        if control.name in lit:
            _show(driver, port, {**blank, control.name: lit[control.name]})
            time.sleep(each_s)
    _show(driver, port, lit)
    time.sleep(_ALL_S)


def _lit(control: Control, profile: Profile) -> Value:
    """Return what is easily seen."""
    from sonify.midi.surfaces.parts import Colours, Fader, Kind, Lamp, Meter, Text
    from sonify.midi.surfaces.roles import Glow, Look
    from sonify.midi.surfaces.text import fitted

    if control.kind is Kind.PAD:
        return profile.light(Glow(0.0, 1.0, 0.0))
    if control.kind is Kind.RING:
        return profile.ring(Look(Glow(0.0, 0.0, 1.0), share=1.0))
    values: dict[Kind, Value] = {
        Kind.BUTTON: Lamp.ON,
        Kind.FADER: Fader(16383),
        Kind.METER: Meter(13),
        Kind.TEXT: Text(fitted(control.name.replace("text ", "#"), profile.text_width)),
        Kind.COLOURS: Colours((1, 2, 3, 4, 5, 6, 7, 1)),
    }
    return values[control.kind]


def _name_touched(driver: Driver, received: deque[bytes], listen_s: float) -> None:
    from sonify.midi.surfaces.parts import Gesture
    from sonify.midi.surfaces.roles import meaning

    click.echo("now touch something; Ctrl-C ends")
    until_s = time.monotonic() + listen_s
    while time.monotonic() < until_s:
        while received:
            message = received.popleft()
            understood = driver.understood(message)
            if understood is None:
                if message[0] != 0xF0:
                    click.echo(f"unknown: {message.hex(' ')}")
                continue
            control, given = understood
            how = given.gesture.value + (f" {given.amount:+g}" if given.gesture is Gesture.TURN else "")
            how += f" to {given.amount:.0%}" if given.gesture is Gesture.MOVE else ""
            click.echo(f"{control.name}: {how}  ({meaning(control.role)})")
        time.sleep(0.02)


@surface.command("preview", epilog=SOURCE_HELP)
@click.argument("name")
@source_options
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="FILE.svg to write.")
@click.option(
    "--sound", default="code-live", show_default=True, help="Sound preset, for its limits: a name, or a file."
)
@click.option("--since", help="Begin here; -1h is an hour before the source's end.")
@click.option("--until", help="End here.")
def preview_surface(
    name: str,
    source: str,
    signals: str,
    options: tuple[str, ...],
    output: Path,
    sound: str,
    since: str | None,
    until: str | None,
) -> None:
    """Draw what a surface would show at the worst moment of a source."""
    from sonify.commands.reading import read_range
    from sonify.mapping.preset_file import load_sound_preset
    from sonify.midi.surfaces.registry import find_profile

    profile = find_profile(name)
    if output.suffix != ".svg":
        raise UsageError(f"--output {output}: a picture is named FILE.svg")
    recording = read_range(source, signals, options, since, until, lambda line: click.echo(line, err=True))

    from sonify.runner.surface_preview import preview

    picture = preview(profile, recording, load_sound_preset(sound))
    beside = output.with_name(output.name + ".part")
    try:
        beside.write_text(picture, encoding="utf-8")
        beside.replace(output)
    except OSError as error:
        raise RenderError(f"{output}: cannot be written: {error.strerror}") from None
    click.echo(f"{output}: {profile.title}", err=True)
