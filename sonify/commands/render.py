"""``sonify render``: a source of metrics becomes an audio file."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from sonify.commands import printable
from sonify.commands.delivery_options import Wanted, delivery_options, wanted_from
from sonify.commands.reading import parsed, read_range
from sonify.commands.source_options import SOURCE_HELP, source_options
from sonify.errors import CancelledError
from sonify.units import format_duration, parse_duration_s, parse_speed

if TYPE_CHECKING:
    from sonify.mapping.preset import SoundPreset
    from sonify.mapping.timeline import Timeline
    from sonify.metrics.recording import Recording

__all__ = ["render"]

_LONGEST_IN_REAL_TIME_S = 180.0  # a longer recording is compressed unless told otherwise …
_DEFAULT_LENGTH_S = 60.0  # … to this

_EPILOG = f"""\b
Examples:
  sonify render samples/incident.jsonl.gz -o incident.wav
  sonify render day.jsonl.gz -o day.wav --length 60s
  sonify render day.jsonl.gz -o outage.flac --speed 10x --since 2022-08-22T05:15Z --until 2022-08-22T05:25Z
  sonify render prometheus+http://127.0.0.1:9090 -o last-hour.wav --since -1h
  sonify render "sim:incident?seed=7" -o incident.wav --depth 24
  sonify render day.jsonl.gz -o day.wav --stems stems --midi day.mid --report day.html --checksums
  sonify render day.jsonl.gz -o podcast.mp3 --loudness -16 --tail 60dB

{SOURCE_HELP}
\b
Durations: 90s, 15m, 24h. Times: ISO 8601 (UTC unless it says otherwise), Unix seconds, now, -1h.
"""


class _Stopwatch:
    """How long each part took."""

    def __init__(self) -> None:
        self._begin = self._lap = time.perf_counter()
        self.laps: list[tuple[str, float]] = []

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps.append((name, now - self._lap))
        self._lap = now

    @property
    def total_s(self) -> float:
        return time.perf_counter() - self._begin


@click.command(epilog=_EPILOG)
@source_options
@delivery_options
@click.option("--sound", default="code-live", show_default=True, help="Sound preset: a name, or a .toml file.")
@click.option("--length", help="Compress or stretch time to this length of sound, such as 60s.")
@click.option("--speed", help="Compress time by this factor, such as 60x.")
@click.option("--since", help="Begin here; -1h is an hour before the source's end.")
@click.option("--until", help="End here.")
@click.option(
    "--baseline",
    default="learned",
    show_default=True,
    type=click.Choice(["learned", "none"]),
    help="Normal rates, where the preset has none: learned from the recording, or none, as while listening.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Seed of all randomness.")
@click.option("--neutral", is_flag=True, help="One backend at a time and no filters, for `sonify verify --neutral`.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1, 2), help="Same sound either way.")
@click.option("--timings", is_flag=True, help="Say where the time went.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def render(
    source: str,
    signals: str,
    options: tuple[str, ...],
    sound: str,
    length: str | None,
    speed: str | None,
    since: str | None,
    until: str | None,
    baseline: str,
    seed: int,
    neutral: bool,
    threads: int,
    timings: bool,
    quiet: bool,
    **delivery: Any,
) -> None:
    """Render a source of metrics into an audio file, and what belongs to it: stems, MIDI, a page, DAW sessions.

    Recordings longer than three minutes are compressed to one minute unless --length or --speed says otherwise. All
    files appear together when they are whole.
    """
    watch = _Stopwatch()
    if length and speed:
        raise click.UsageError("--length and --speed both set the speed; give one")
    length_s = parsed("--length", parse_duration_s, length) if length else None
    factor = parsed("--speed", parse_speed, speed) if speed else None
    wanted = wanted_from(delivery)
    watch.lap("imports")

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    from sonify.mapping.preset_file import load_sound_preset

    preset = load_sound_preset(sound)
    if neutral:
        preset = preset.neutral()
    recording = read_range(source, signals, options, since, until, say).on_bands(preset.bands.latency_bands)
    watch.lap("read")
    recording = _give_voices(recording, preset, say)
    timeline = _lay_out(recording, preset, length_s, factor)
    say(_describe(recording, timeline))
    for note in _notes(recording, preset, baseline):
        say(note)
    _render(
        recording, timeline, preset, wanted, baseline=baseline, seed=seed, threads=threads, quiet=quiet, watch=watch
    )
    if timings:
        for name, lap_s in watch.laps:
            click.echo(f"  {name:<18}{lap_s:7.3f} s", err=True)
        click.echo(f"  {'all':<18}{watch.total_s:7.3f} s", err=True)


def _give_voices(recording: Recording, preset: SoundPreset, say: Any) -> Recording:
    """Merge the backends that get no voice of their own."""
    from sonify.mapping.voicing import choose_voices, fold_backends

    kept = choose_voices(recording, preset.limits, preset.arrangement.voices)
    if len(kept) < recording.layout.num_backends:
        say(f"{len(kept)} of {recording.layout.num_backends} backends have their own voice; the rest share one")
    return fold_backends(recording, kept)


def _lay_out(recording: Recording, preset: SoundPreset, length_s: float | None, speed: float | None) -> Timeline:
    from sonify.mapping.timeline import lay_out_for

    duration_s = recording.duration_s
    if length_s is None and speed is None:
        length_s = _DEFAULT_LENGTH_S if duration_s > _LONGEST_IN_REAL_TIME_S else duration_s
    return lay_out_for(preset, recording, speed if speed is not None else duration_s / (length_s or duration_s))


def _describe(recording: Recording, timeline: Timeline) -> str:
    layout = recording.layout
    names = ", ".join(_short(name) for name in layout.backends[:6]) + (" …" if layout.num_backends > 6 else "")
    return (
        f"{len(recording)} frames of {format_duration(layout.interval_s)}, {format_duration(recording.duration_s)}, "
        f"{layout.num_backends} backends ({names}); played at {timeline.speed:.3g}×"
    )


def _notes(recording: Recording, preset: SoundPreset, baseline: str) -> list[str]:
    import numpy as np

    columns = {
        "request rate": recording.request_rate,
        "errors": recording.error_ratio,
        "latency": recording.latency_rate,
        "fallbacks": recording.fallback_ratio,
        "glitches": recording.glitch_rate,
        "queue depth": recording.queue_depth,
        "active requests": recording.active_requests,
        "batch sizes": recording.batch_rate,
    }
    notes = []
    unmeasured = [name for name, column in columns.items() if not np.isfinite(column).any()]
    if unmeasured:
        notes.append(f"not measured, so not heard: {', '.join(unmeasured)}")
    if baseline == "learned" and preset.baseline is None and preset.level.baseline_depth > 0.0:
        notes.append("baseline: the preset has none, so this recording's own median counts as normal")
    return notes


def _render(
    recording: Recording,
    timeline: Timeline,
    preset: SoundPreset,
    wanted: Wanted,
    *,
    baseline: str,
    seed: int,
    threads: int,
    quiet: bool,
    watch: _Stopwatch,
) -> None:
    """Make all files under temporary names, then put them in their places."""
    from sonify.kernel import kernels_are_compiled, mark_kernels_compiled

    groups = ("engine", "delivery")[: 2 if _delivers(wanted) else 1]
    compiled = all(kernels_are_compiled(group) for group in groups)
    if not compiled and not quiet:
        click.echo("compiling the sound kernels (first run only, about half a minute) …", err=True)
    from sonify.commands.rendering import Rendering
    from sonify.outputs.staging import Staging

    watch.lap("load kernels")
    rendering = Rendering(
        recording, timeline, preset, wanted, learns_baseline=baseline == "learned", seed=seed, threads=threads
    )
    watch.lap("set up")
    bar = _progress_bar(timeline.num_quanta + rendering.tail_quanta, hidden=quiet)
    try:
        with Staging(wanted.output.name) as staging, bar:
            told = rendering.write_all(staging, bar.update, watch.lap)
    except KeyboardInterrupt:
        raise CancelledError(f"interrupted: {wanted.output} was not written") from None
    if not compiled:
        for group in groups:
            mark_kernels_compiled(group)
    if not quiet:
        click.echo(f"{wanted.output}: {told}")
        for line in rendering.also_written():
            click.echo(f"also {line}")


def _delivers(wanted: Wanted) -> bool:
    """Whether more than the mix as it is has to be compiled for."""
    plain = wanted.target_lufs is None and wanted.gain_db == 0.0 and wanted.rate_hz == 48_000
    return wanted.stems is not None or not plain


def _progress_bar(num_quanta: int, *, hidden: bool) -> Any:
    """Show progress on stderr where a person watches; the speed so far beside it."""
    begin = time.perf_counter()

    def speed(_item: object) -> str:
        elapsed_s = max(time.perf_counter() - begin, 1e-6)
        return f"{bar.pos / 100 / elapsed_s:.0f}× real time"

    bar = click.progressbar(
        length=num_quanta,
        label="rendering",
        file=sys.stderr,
        hidden=hidden or not sys.stderr.isatty(),
        item_show_func=speed,
        show_pos=False,
    )
    return bar


def _short(name: str) -> str:
    """Show a name from the metrics without control characters, and not too long."""
    shown = printable(name)
    return shown if len(shown) <= 40 else shown[:39] + "…"
