"""``sonify devices``: what there is to play on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sonify.commands import printable
from sonify.errors import DeviceError

if TYPE_CHECKING:
    from sonify.outputs.sound_card import Card

__all__ = ["devices"]

_EPILOG = """\b
Examples:
  sonify devices
  sonify listen sim:incident --device pulse
  sonify devices --json
"""


@click.command(epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def devices(as_json: bool) -> None:
    """List the sound cards, MIDI ports and control surfaces that `sonify listen` can name."""
    from sonify.runner.midi_port import list_ports

    cards, problems = _cards()
    outputs, inputs, midi_problems = list_ports()
    if as_json:
        found = {
            "sound_cards": [asdict(card) for card in cards],
            "midi_outputs": [port._asdict() for port in outputs],
            "midi_inputs": [port._asdict() for port in inputs],
            "problems": [*problems, *midi_problems],
        }
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    click.echo("sound cards (--device):")
    for card in cards:
        mark = "*" if card.is_default else " "
        channels = f"{card.channels} output{'s' * (card.channels > 1)}"
        click.echo(
            f"{mark} {card.index:>3}  {printable(card.name)}  ({printable(card.host)}, {channels}, {card.rate_hz:g} Hz)"
        )
    if any(card.is_default for card in cards):
        click.echo("  * plays where --device names none")
    for title, ports in (("MIDI outputs (--midi, --surface)", outputs), ("MIDI inputs (--midi-in)", inputs)):
        click.echo(f"{title}:")
        for port in ports:
            click.echo(f"       {printable(port.name)}  ({port.system})")
        if not ports:
            click.echo("       none")
    for problem in [*problems, *midi_problems]:
        click.echo(printable(problem))


def _cards() -> tuple[list[Card], list[str]]:
    """Sound cards, and why there are none."""
    from sonify.outputs.sound_card import list_cards

    try:
        cards = list_cards()
    except DeviceError as error:
        return [], [str(error)]
    return cards, [] if cards else ["no sound card; a sound server such as PulseAudio or PipeWire may not be running"]
