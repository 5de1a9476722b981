"""``sonify calibrate``: a sound preset with the limits, level and baseline of the system's own normal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sonify.commands import printable
from sonify.commands.source_options import SOURCE_HELP, source_options
from sonify.errors import RenderError, UsageError

if TYPE_CHECKING:
    from sonify.diagnosis.calibration import Calibration
    from sonify.metrics.recording import Recording

__all__ = ["calibrate"]

_EPILOG = f"""\b
Examples:
  sonify calibrate prometheus+http://127.0.0.1:9090 --since -7d -o ours.toml
  sonify calibrate week.jsonl.gz --sound night-shift -o ours-at-night.toml
  sonify render week.jsonl.gz --sound ours.toml -o week.wav

{SOURCE_HELP}
"""

_UNITS = {"latency_p95": "ms", "request_rate": "/s", "glitch_rate": "/s", "error_ratio": "%", "fallback_ratio": "%"}


@click.command(epilog=_EPILOG)
@source_options
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="PRESET.toml to write.")
@click.option("--sound", default="code-live", show_default=True, help="Preset to start from: a name, or a .toml file.")
@click.option("--since", help="Begin here; -7d is a week before the source's end.")
@click.option("--until", help="End here.")
def calibrate(
    source: str,
    signals: str,
    options: tuple[str, ...],
    output: Path,
    sound: str,
    since: str | None,
    until: str | None,
) -> None:
    """Learn what is normal from a range of time, and write it as a sound preset.

    Take a range in which the system was mostly well, of a day or a week: outliers are left out, as long as they are
    less than half. From two days on the limits fit the busiest hour of the day.
    """
    if output.suffix != ".toml":
        raise UsageError(f"-o {output}: a preset is named PRESET.toml")
    from sonify.commands.reading import read_range
    from sonify.diagnosis.calibration import calibrate as learn
    from sonify.mapping.preset_file import load_sound_preset, parse_sound_preset, preset_path

    def say(text: str) -> None:
        click.echo(printable(text), err=True)

    preset = load_sound_preset(sound)
    recording = read_range(source, signals, options, since, until, say).on_bands(preset.bands.latency_bands)
    calibration = learn(recording, preset)
    text = _preset_text(preset_path(sound).read_text(encoding="utf-8"), calibration, recording, output.stem)
    parse_sound_preset(text, str(output), output.stem)  # what is written can be read
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RenderError(f"{output}: cannot be written: {error.strerror or error}") from None
    for panel, limit in calibration.limits.items():
        new = "limits as before" if limit.limits is None else " / ".join(map(str, _limit_texts(panel, limit.limits)))
        say(f"{panel:<16}{limit.reason:<28}{new}")
    say(f"{output}: limits, level and baseline of {len(calibration.baseline)} backends; use it with --sound {output}")


def _preset_text(base: str, calibration: Calibration, recording: Recording, name: str) -> str:
    """Change the values in a preset's text, and keep all that a person wrote."""
    import tomlkit

    from sonify.units import format_duration

    document = tomlkit.parse(base)
    document["title"] = name
    table: Any = document.setdefault("limits", tomlkit.table())
    for panel, limit in calibration.limits.items():
        if limit.limits is not None:
            table[panel] = _limit_texts(panel, limit.limits)
        if panel in table:
            table[panel].comment(limit.reason)
    if calibration.reference_rate is not None:
        level: Any = document.setdefault("level", tomlkit.table())
        level["reference_rate"] = f"{calibration.reference_rate:g}/s"
        level["reference_rate"].comment(f"usually {calibration.in_flight:.3g} requests are in flight")
    document.pop("baseline", None)
    text = tomlkit.dumps(document).rstrip() + "\n"
    if calibration.baseline:
        learned = f"learned from {format_duration(recording.duration_s)} of {printable(recording.source) or 'metrics'}"
        baseline = tomlkit.table()
        for backend, rates in calibration.baseline.items():
            baseline[backend] = [float(f"{rate:.3g}") for rate in rates]
        text += f"\n# Normal rate of each latency band in 1/s: {learned}\n"
        text += tomlkit.dumps({"baseline": baseline})
    return text


def _limit_texts(panel: str, limits: Any) -> list[str | float]:
    unit = _UNITS.get(panel, "")
    scale = {"ms": 1000.0, "%": 100.0}.get(unit, 1.0)
    values = [value * scale for value in (limits.yellow, limits.red)]
    if not unit:
        return [int(value) if math.floor(value) == value else value for value in values]
    return [f"{value:g}{unit}" for value in values]
