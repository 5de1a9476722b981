"""``sonify midi``: ports, what is played on them, and learning a controller."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from sonify.commands import printable
from sonify.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from sonify.midi.learn import Binding, Listener
    from sonify.runner.midi_port import MidiPort

__all__ = ["midi"]

_OPEN_TIMEOUT_S = 3.0
_LOOK_S = 0.2


_EPILOG = """\b
Examples:
  sonify midi map
  sonify midi ports
  sonify midi learn --port nanoKONTROL2 trim mute
  sonify listen sim:incident --midi virtual --midi-in nanoKONTROL2
"""


@click.group(epilog=_EPILOG)
def midi() -> None:
    """MIDI: list ports, print what is played on them, learn a controller."""


@midi.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ports(as_json: bool) -> None:
    """List the MIDI ports that `sonify listen --midi` and `--midi-in` can name."""
    from sonify.runner.midi_port import list_ports

    outputs, inputs, problems = list_ports()
    if as_json:
        found = {"outputs": [port._asdict() for port in outputs], "inputs": [port._asdict() for port in inputs]}
        click.echo(json.dumps({**found, "problems": problems}, ensure_ascii=False))
        return
    for title, names in (("outputs (--midi)", outputs), ("inputs (--midi-in)", inputs)):
        click.echo(f"{title}:")
        for port in names:
            click.echo(f"  {printable(port.name)}  ({port.system})")
        if not names:
            click.echo("  none")
    for problem in problems:
        click.echo(problem)
    if sys.platform != "win32":
        click.echo("--midi virtual makes a port of its own")


@midi.command(name="map")
@click.option("--sound", default="code-live", show_default=True, help="Sound preset, whose scale the notes are of.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def chart(sound: str, as_json: bool) -> None:
    """Print which channel, program, controller and note means what; files and ports are alike."""
    from sonify.mapping.preset_file import load_sound_preset
    from sonify.midi.printed_chart import describe, lines

    described = describe(load_sound_preset(sound))
    if as_json:
        click.echo(json.dumps(described, ensure_ascii=False))
        return
    for line in lines(described):
        click.echo(line)


@midi.command()
@click.option("--port", required=True, help="The controller's port: a name, or part of it.")
@click.argument("controls", nargs=-1)
def learn(port: str, controls: tuple[str, ...]) -> None:
    """Learn the knobs and buttons of a controller, one after another, or only those of CONTROLS.

    Move or press what is asked for; Enter leaves one out, Ctrl-C ends and forgets. `sonify listen --midi-in PORT` uses
    what was learned.
    """
    from sonify.midi.learn import TARGETS, Listener, save_bindings
    from sonify.runner.midi_port import MidiPort

    for control in controls:
        if control not in TARGETS:
            raise UsageError(f"{control}: no such control; allowed: {' '.join(TARGETS)}")
    heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    source = MidiPort(port, output=False, input=True, is_music=False, on_message=heard.put)
    source.start()
    try:
        _await_open(source)
        name = source.opened
        click.echo(f"{printable(name)}: move or press what is asked for; Enter leaves it out")
        threading.Thread(target=_pass_on_enter, args=(heard,), daemon=True).start()
        learned: dict[str, Binding] = {}
        for control in controls or TARGETS:
            words, is_knob = TARGETS[control]
            click.echo(f"  {words}: ", nl=False)
            binding = _hear_out(source, heard, Listener(is_knob=is_knob), set(learned.values()))
            click.echo("left out" if binding is None else binding.words)
            if binding is not None:
                learned[control] = binding
    finally:
        source.close()
    if not learned:
        click.echo("nothing learned")
        return
    click.echo(f"written to {save_bindings(name, learned)}")


def _await_open(port: MidiPort) -> None:
    until_s = time.monotonic() + _OPEN_TIMEOUT_S
    while not port.opened:
        if port.problem or time.monotonic() > until_s:
            raise DeviceError(port.problem or "MIDI does not answer")
        time.sleep(0.02)


def _pass_on_enter(heard: queue.SimpleQueue[bytes | None]) -> None:
    for _ in sys.stdin:
        heard.put(None)


def _hear_out(
    source: MidiPort, heard: queue.SimpleQueue[bytes | None], listener: Listener, taken: set[Binding]
) -> Binding | None:
    """Wait for a knob or button that is not taken yet; None for Enter."""
    while True:
        try:
            message = heard.get(timeout=_LOOK_S)
        except queue.Empty:
            if source.problem:
                raise DeviceError(source.problem) from None
            continue
        if message is None:
            return None
        binding = listener.hear(message)
        if binding is not None and binding not in taken:
            return binding
