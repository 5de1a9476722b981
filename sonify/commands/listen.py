"""``sonify listen``: metrics as they come, on the sound card."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from sonify.commands import printable
from sonify.commands.source_options import SOURCE_HELP
from sonify.errors import UsageError
from sonify.units import parse_duration_s

if TYPE_CHECKING:
    from sonify.outputs.sound_card import CardSettings
    from sonify.runner.config import ListenConfig
    from sonify.runner.live import Live

__all__ = ["listen"]

_NO_CARD = "none"
_MOST_OUTPUTS = 64
_LEAST_AHEAD_S, _MOST_AHEAD_S = 0.02, 0.5

_EPILOG = f"""\b
Examples:
  sonify listen prometheus+http://127.0.0.1:9090
  sonify listen sim:incident --sound organ --record incident.jsonl.gz
  sonify listen statsd://127.0.0.1:8125 scrape+http://127.0.0.1:9464/metrics --device pulse
  sonify listen otlp://127.0.0.1:4318 --plain --duration 8h
  sonify listen prometheus+http://127.0.0.1:9090 --surface auto --midi virtual
  sonify listen --config office.toml

{SOURCE_HELP}
\b
Several sources are heard side by side. Ctrl-C fades out and ends. `sonify devices` lists the sound cards.
"""


@click.command(epilog=_EPILOG)
@click.argument("sources", nargs=-1)
@click.option("--config", type=click.Path(path_type=Path), help="Take all this from a TOML file; options here win.")
@click.option("--sound", help="Sound preset: a name, or a .toml file.  [default: code-live]")
@click.option("--signals", default="auto", show_default=True, help="Signals preset, or auto, which asks the source.")
@click.option(
    "-O", "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the source; may be repeated."
)
@click.option("--device", help="Sound card: a name, part of it, or a number; none: without.  [default: the system's]")
@click.option("--rate", type=click.IntRange(8_000, 384_000), help="Sample rate of the card.  [default: 48000]")
@click.option("--block", type=click.IntRange(32, 8192), help="Frames that the card asks for at once.  [default: 512]")
@click.option("--channels", help="Outputs for left and right, such as 3,4; one number: mono.  [default: 1,2]")
@click.option("--ahead", help="Sound that is ready ahead of the card.  [default: 100ms]")
@click.option("--record", type=click.Path(path_type=Path), help="FILE.jsonl[.gz] for the frames, as they were played.")
@click.option("--midi", metavar="PORT", help="Play on a MIDI port too: a name, or part of it; virtual makes one.")
@click.option("--midi-in", metavar="PORT", help="A controller that sonify midi learn has learned.")
@click.option("--surface", metavar="NAME", help="A control surface, see sonify surface list; auto finds it.")
@click.option("--plain", is_flag=True, help="A line of text a second; the default where nobody watches.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON a second.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve the engine's own health for Prometheus.")
@click.option("--duration", help="End after this time, such as 8h.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of all randomness.  [default: 0]")
def listen(
    sources: tuple[str, ...],
    config: Path | None,
    sound: str | None,
    signals: str,
    options: tuple[str, ...],
    device: str | None,
    rate: int | None,
    block: int | None,
    channels: str | None,
    ahead: str | None,
    record: Path | None,
    midi: str | None,
    midi_in: str | None,
    surface: str | None,
    plain: bool,
    as_json: bool,
    metrics: str | None,
    duration: str | None,
    seed: int | None,
) -> None:
    """Listen to sources of metrics on the sound card, for as long as you like.

    A source or a sound card that is lost is no end: the loss is heard or shown, and both come back by themselves.
    """
    from sonify.runner.config import ListenConfig, SourceConfig, load_config

    named = tuple(SourceConfig(spec, signals, options) for spec in sources)
    given = load_config(config) if config is not None else ListenConfig(named)
    if named:
        given = _with(given, sources=named)
    if not given.sources:
        raise click.UsageError("name at least one source, or a --config")
    given = _with(
        given,
        sound=sound,
        device=device,
        rate=rate,
        block=block,
        channels=channels,
        ahead=ahead,
        record=None if record is None else str(record),
        midi=midi,
        midi_in=midi_in,
        surface=surface,
        metrics=metrics,
        seed=seed,
    )
    is_watched = not plain and not as_json and sys.stdout.isatty() and sys.stdin.isatty()
    duration_s = None if duration is None else _parsed("--duration", parse_duration_s, duration)
    live = _make(
        given, duration_s, needs_card=not (is_watched or given.record or given.metrics or given.midi or given.surface)
    )
    _compile(live)
    with _ending(live), _served(live, given.metrics), _beside_midi(live, given):
        live.start()
        try:
            _show(live, is_watched=is_watched, as_json=as_json)
        finally:
            live.stop()
    if live.error is not None:
        raise live.error


def _with(config: ListenConfig, **values: object) -> ListenConfig:
    """Replace what was given."""
    from dataclasses import replace
    from typing import Any

    changes: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    return replace(config, **changes)


def _parsed(option: str, parse: Callable[[str], float], text: str) -> float:
    try:
        return parse(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def _make(config: ListenConfig, duration_s: float | None, *, needs_card: bool) -> Live:
    """Check all that can be checked, and build the session."""
    if config.record is not None and not config.record.endswith((".jsonl", ".jsonl.gz")):
        raise UsageError(f"--record {config.record}: a recording is named FILE.jsonl or FILE.jsonl.gz")
    ahead_s = _parsed("--ahead", parse_duration_s, config.ahead or "100ms")
    if not _LEAST_AHEAD_S <= ahead_s <= _MOST_AHEAD_S:
        raise UsageError(f"--ahead {config.ahead}: must be from {_LEAST_AHEAD_S:g} to {_MOST_AHEAD_S:g} s")
    card = _card(config)

    import math

    from sonify.readers.source import open_source
    from sonify.runner.live import Live, LiveSettings

    opened = [open_source(*source) for source in config.sources]
    settings = LiveSettings(
        sound=config.sound or "code-live",
        card=card,
        needs_card=needs_card,
        ahead_s=ahead_s,
        record=None if config.record is None else Path(config.record),
        seed=config.seed or 0,
        duration_s=math.inf if duration_s is None else duration_s,
    )
    return Live(opened, settings)


def _card(config: ListenConfig) -> CardSettings | None:
    from sonify.outputs.sound_card import CardSettings

    if config.device == _NO_CARD:
        return None
    rate_hz = config.rate or 0
    if rate_hz % 100:
        raise UsageError(f"--rate {rate_hz}: must be a multiple of 100")
    try:
        outputs = tuple(int(part) for part in (config.channels or "1,2").split(","))
    except ValueError:
        outputs = ()
    if not 1 <= len(outputs) <= 2 or not all(1 <= output <= _MOST_OUTPUTS for output in outputs):
        raise UsageError(f"--channels {config.channels}: must be one output or two, from 1 up, such as 1 or 3,4")
    return CardSettings(config.device or "", rate_hz, config.block or 512, outputs)


def _compile(live: Live) -> None:
    """Compile before anything plays, where that was never done."""
    from sonify.kernel import kernels_are_compiled, mark_kernels_compiled

    if kernels_are_compiled("live"):
        return
    if not kernels_are_compiled("engine"):
        click.echo("compiling the sound kernels (first run only, about half a minute) …", err=True)
    live.prepare()
    mark_kernels_compiled("live")


@contextmanager
def _ending(live: Live) -> Iterator[None]:
    """Fade out on the first Ctrl-C or SIGTERM; the second ends at once."""
    came: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        live.end()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _served(live: Live, address: str | None) -> Iterator[None]:
    """Serve the engine's own metrics."""
    if address is None:
        yield
        return
    from sonify.runner.self_metrics import SelfMetrics

    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"--metrics {address}: must be HOST:PORT, such as 127.0.0.1:9465")
    with SelfMetrics((host.strip("[]"), int(port)), live) as served:
        click.echo(f"metrics of the engine itself: {served.url}", err=True)
        if served.warning:
            click.echo(served.warning, err=True)
        yield


@contextmanager
def _beside_midi(live: Live, config: ListenConfig) -> Iterator[None]:
    """Play on a MIDI port too, and link controller and surface; where a port is missing the rest goes on."""
    with ExitStack() as open_ports:
        if config.midi_in is not None:
            from sonify.midi.learn import find_bindings
            from sonify.runner.midi_in import MidiIn

            bindings = find_bindings(config.midi_in)
            controller = MidiIn(config.midi_in, bindings, live.controls, lambda: live.backends, say=live.say)
            controller.start()
            open_ports.callback(controller.stop)
        if config.midi is not None:
            from sonify.runner.midi_out import MidiOut

            played = MidiOut(config.midi, seed=config.seed or 0, say=live.say)
            live.companion = played
            played.start()
            open_ports.callback(played.stop)
        if config.surface is not None:
            from sonify.runner.surface_link import SurfaceLink

            surface = SurfaceLink(config.surface, live)
            surface.start()
            open_ports.callback(surface.stop)
        yield


def _show(live: Live, *, is_watched: bool, as_json: bool) -> None:
    """Show what happens until it ends."""
    if is_watched:
        from sonify.views.terminal import run_terminal

        run_terminal(live, lambda _name: live.sound)
        return
    from sonify.views.plain import run_plain

    run_plain(live, lambda line: click.echo(printable(line)), as_json=as_json)
