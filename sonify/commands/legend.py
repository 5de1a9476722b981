"""``sonify legend``: hear what each mapping of a preset sounds like, in a minute, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sonify.errors import RenderError
from sonify.units import format_duration

if TYPE_CHECKING:
    from sonify.lessons.narration import Float32
    from sonify.lessons.tour import Tour
    from sonify.mapping.preset import SoundPreset

__all__ = ["legend"]

_PAUSE_S = 0.3  # between what is said and what it is about

_EPILOG = """\b
Examples:
  sonify legend -o legend.wav
  sonify legend -o legend.wav --speak
  sonify legend -o mine.wav --sound mine.toml --captions json > captions.json
"""


@click.command(epilog=_EPILOG)
@click.option("--sound", default="code-live", show_default=True, help="Sound preset: a name, or a .toml file.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="FILE.wav or FILE.flac to write; needed, because sonify cannot play yet. Subtitles go beside it, as FILE.srt.",
)
@click.option(
    "--captions",
    default="text",
    show_default=True,
    type=click.Choice(["text", "srt", "json"]),
    help="How captions are printed.",
)
@click.option("--speak", is_flag=True, help="Say what comes, through espeak-ng or espeak; takes about twice as long.")
def legend(sound: str, output: Path, captions: str, speak: bool) -> None:
    """Hear a guided tour of a sound preset: what each panel sounds like, from green to red, in about a minute.

    It is made from metrics, through the same mapping and engine as everything else, and printed with the time of
    each thing that is shown.
    """
    from sonify.lessons.speech import find_engine
    from sonify.outputs.audio_file import check_audio_path

    check_audio_path(output, "16")
    engine = find_engine() if speak else None
    from sonify.lessons.captions import FORMATS
    from sonify.mapping.preset_file import load_sound_preset

    preset = load_sound_preset(sound)
    tour, sounds = _lay_out(preset, engine)
    _write(tour, sounds, output, printed=captions == "text")
    _write_text(output.with_suffix(".srt"), FORMATS["srt"](tour.captions))
    if captions != "text":
        click.echo(FORMATS[captions](tour.captions), nl=False)


def _lay_out(preset: SoundPreset, engine: str | None) -> tuple[Tour, list[Float32]]:
    """Lay out the tour, and say its texts where there is an engine for that."""
    from sonify.dsp.quantum import SAMPLE_RATE_HZ
    from sonify.lessons.speech import speak
    from sonify.lessons.tour import make_tour

    sounds: list[Float32] = []

    if engine is None:
        return make_tour(preset), sounds

    def lengths_s(texts: Sequence[str]) -> list[float]:
        sounds.extend(speak(engine, texts, SAMPLE_RATE_HZ))
        return [len(sound) / SAMPLE_RATE_HZ + _PAUSE_S for sound in sounds]

    return make_tour(preset, lengths_s), sounds


def _write(tour: Tour, sounds: list[Float32], output: Path, *, printed: bool) -> None:
    from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
    from sonify.lessons.captions import CaptionPrinter
    from sonify.lessons.playing import play_tour
    from sonify.outputs.audio_file import AudioFile
    from sonify.outputs.metering import MeterSink

    meter = MeterSink(SAMPLE_RATE_HZ, 2)
    num_frames = tour.num_quanta * QUANTUM_FRAMES
    captions = CaptionPrinter(tour.captions if printed else (), click.echo, SAMPLE_RATE_HZ)
    with AudioFile(output, sample_rate_hz=SAMPLE_RATE_HZ, num_channels=2, depth="16", num_frames=num_frames) as file:
        play_tour(tour, (meter, file, captions), sounds, say=lambda line: click.echo(line, err=True))
    click.echo(
        f"{output}: {format_duration(num_frames / SAMPLE_RATE_HZ)}, {meter.integrated_lufs():.1f} LUFS, "
        f"true peak {meter.true_peak_dbtp():.1f} dBTP; subtitles in {output.with_suffix('.srt')}",
        err=True,
    )


def _write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it when it is whole."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None
