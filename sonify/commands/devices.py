"""``sonify devices``: what there is to play on."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from sonify.commands import printable

__all__ = ["devices"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def devices(as_json: bool) -> None:
    """List the sound cards that `sonify listen --device` can name."""
    from sonify.outputs.sound_card import list_cards

    cards = list_cards()
    if as_json:
        click.echo(json.dumps({"sound_cards": [asdict(card) for card in cards]}, ensure_ascii=False))
        return
    if not cards:
        click.echo("no sound card; a sound server such as PulseAudio or PipeWire may not be running")
    for card in cards:
        mark = "*" if card.is_default else " "
        outputs = f"{card.channels} output{'s' * (card.channels > 1)}"
        click.echo(
            f"{mark} {card.index:>3}  {printable(card.name)}  ({printable(card.host)}, {outputs}, {card.rate_hz:g} Hz)"
        )
    if any(card.is_default for card in cards):
        click.echo("* plays where --device names none")
