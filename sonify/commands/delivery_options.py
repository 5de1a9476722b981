"""Options that say how a render is delivered, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sonify.commands.reading import parsed
from sonify.errors import UsageError
from sonify.units import parse_duration_s

__all__ = ["Wanted", "delivery_options", "parse_loudness_lufs", "parse_tail_s", "wanted_from"]

_RATES_HZ = {"44.1k": 44_100, "48k": 48_000, "96k": 96_000}
_TARGETS = ("calibrated", "-23", "-16", "-14")
_LONGEST_TAIL_S = 60.0
_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written, and how.

    Attributes
    ----------
    output : Path
        The mix.
    rate_hz, depth, dither
        Of its samples.
    target_lufs : float or None
        None: as calibrated, changed by `gain_db`.
    gain_db : float
        0, or that of another render.
    tail_s : float or None
        Sound behind the end; None: until the reverb has fallen by 60 dB.
    stems : Path or None
        Folder.
    midi, report, dawproject, rpp : Path or None
        Files.
    checksums : bool
        Whether to write a list of all.
    marks_findings : bool
        Whether findings are markers, beside events.
    """

    output: Path
    rate_hz: int
    depth: str
    dither: bool
    target_lufs: float | None
    gain_db: float
    tail_s: float | None
    stems: Path | None
    midi: Path | None
    report: Path | None
    dawproject: Path | None
    rpp: Path | None
    checksums: bool
    marks_findings: bool

    @property
    def is_diagnosed(self) -> bool:
        """Whether findings are wanted: as markers, or because more than the sound is handed over."""
        return self.marks_findings or any((self.stems, self.midi, self.report, self.dawproject, self.rpp))


def delivery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; they come as keyword arguments for `wanted_from`."""
    options = (
        click.option("-o", "--output", required=True, type=_PATH, help="FILE.wav, .flac, .opus or .mp3 to write."),
        click.option("--rate", default="48k", show_default=True, type=click.Choice([*_RATES_HZ]), help="Sample rate."),
        click.option(
            "--depth", default="16", show_default=True, type=click.Choice(["16", "24", "32f"]), help="Bits a sample."
        ),
        click.option("--dither/--no-dither", default=True, show_default=True, help="Triangular dither, for 16 bits."),
        click.option(
            "--loudness",
            default="calibrated",
            show_default=True,
            type=click.Choice(_TARGETS),
            help="LUFS to bring the mix to; calibrated: louder than yesterday stays audible.",
        ),
        click.option("--gain-of", type=_PATH, metavar="FILE", help="The same gain as this earlier render had."),
        click.option(
            "--tail",
            default="0s",
            show_default=True,
            help='Sound behind the end: a time, or "60dB" until the reverb has fallen by that.',
        ),
        click.option(
            "--markers",
            default="events",
            show_default=True,
            type=click.Choice(["events", "findings"]),
            help="What is marked in the sound: noted events, or also what diagnose finds (with --report always).",
        ),
        click.option("--stems", type=_PATH, metavar="DIR", help="Also a WAV for each backend, bus and the reverb."),
        click.option("--midi", type=_PATH, metavar="FILE.mid", help="Also a MIDI file that lines up with the sound."),
        click.option("--report", type=_PATH, metavar="FILE.html", help="Also a page that shows and plays it all."),
        click.option("--dawproject", type=_PATH, metavar="FILE", help="Also a DAWproject, with the stems inside."),
        click.option("--rpp", type=_PATH, metavar="FILE", help="Also a REAPER project that plays the stems."),
        click.option("--checksums", is_flag=True, help="Also OUTPUT.sha256, the SHA-256 of all that was written."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def wanted_from(options: dict[str, Any]) -> Wanted:
    """Check the values of all options before any work is done; raises UsageError."""
    from sonify.outputs.audio_file import check_audio_path
    from sonify.outputs.gain_of import gain_db_of

    output, rate_hz = options["output"], _RATES_HZ[options["rate"]]
    check_audio_path(output, options["depth"], rate_hz)
    target_lufs = parse_loudness_lufs(options["loudness"])
    gain_of = options["gain_of"]
    if gain_of is not None and target_lufs is not None:
        raise click.UsageError("--loudness and --gain-of both set the gain; give one")
    for name, suffix in (("midi", ".mid"), ("report", ".html"), ("dawproject", ".dawproject"), ("rpp", ".rpp")):
        _check_path(f"--{name}", options[name], suffix)
    for name in ("dawproject", "rpp"):
        if options[name] is not None and options["stems"] is None:
            raise click.UsageError(f"--{name} needs --stems DIR: its tracks play the stems")
    _check_folder(options["stems"])
    return Wanted(
        output=output,
        rate_hz=rate_hz,
        depth=options["depth"],
        dither=options["dither"],
        target_lufs=target_lufs,
        gain_db=0.0 if gain_of is None else gain_db_of(gain_of),
        tail_s=parse_tail_s(options["tail"]),
        stems=options["stems"],
        midi=options["midi"],
        report=options["report"],
        dawproject=options["dawproject"],
        rpp=options["rpp"],
        checksums=options["checksums"],
        marks_findings=options["markers"] == "findings",
    )


def parse_loudness_lufs(text: str) -> float | None:
    """LUFS, or None for the calibrated level."""
    return None if text == _TARGETS[0] else float(text)


def parse_tail_s(text: str) -> float | None:
    """Seconds, 0 for none; None for as long as the reverb needs; raises UsageError."""
    plain = text.strip().replace(" ", "").lower().lstrip("-")
    if plain == "60db":
        return None
    if plain in ("0", "0s"):
        return 0.0
    tail_s = parsed("--tail", parse_duration_s, text)
    if not tail_s <= _LONGEST_TAIL_S or not math.isfinite(tail_s):
        raise UsageError(f"--tail: {text!r} is too long; allowed: up to {_LONGEST_TAIL_S:g}s, or 60dB")
    return tail_s


def _check_path(option: str, path: Path | None, suffix: str) -> None:
    if path is None:
        return
    if path.suffix.lower() != suffix:
        raise UsageError(f"{option}: {path}: allowed: a name that ends in {suffix}")
    if not path.parent.is_dir():
        raise UsageError(f"{option}: {path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise UsageError(f"{option}: {path}: is a folder; write the name of a file")


def _check_folder(folder: Path | None) -> None:
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--stems: {folder}: is a file; write the name of a folder")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"--stems: {folder}: the folder {folder.parent} does not exist")
