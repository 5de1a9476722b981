"""``sonify verify``: decode the panels from a sound alone, and say how far they are from the recording."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sonify.verify.compare import PanelError

__all__ = ["verify"]

_EPILOG = """\b
Examples:
  sonify render day.jsonl.gz -o day.wav --sound studio --length 10m
  sonify verify day.wav day.jsonl.gz
  sonify verify day.wav day.jsonl.gz --json

\b
Errors are medians over bars and voices. "Right" is the share of values within 1 dB, 1 band, 1 percentage point or
10 %. The score is the mean of what each panel gets: 1 for no error, falling evenly to 0 at 10 dB, 6 bands,
20 percentage points or 100 % (a heatmap: its correlation), times the share that is right.
"""


@click.command(epilog=_EPILOG)
@click.argument("sound_file", metavar="OUT.wav", type=click.Path(path_type=Path))
@click.argument("recording")
@click.option(
    "--sound", default="studio", show_default=True, help="Sound preset of the render: a name, or a .toml file."
)
@click.option("--signals", default="code-live", show_default=True, help="Signals preset: a name, or a .toml file.")
@click.option("--neutral", is_flag=True, help="The render was made with --neutral.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(sound_file: Path, recording: str, sound: str, signals: str, neutral: bool, as_json: bool) -> None:
    """Decode a render and compare it with the RECORDING that was rendered, over its whole length.

    The decoder hears the mixed sound and knows the preset, nothing else. It needs a preset that plays one backend at a
    time without tuning filters, as `studio` does.
    """
    # many small problems: threads of the linear algebra would wait for each other more than work
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from sonify.mapping.preset_file import load_sound_preset
    from sonify.readers.source import open_source
    from sonify.verify.audio import read_audio
    from sonify.verify.compare import PANEL_NAMES, compare, overall_score
    from sonify.verify.decode import decode, obstacles

    preset = load_sound_preset(sound)
    if neutral:
        preset = preset.neutral()
    audio, sample_rate_hz = read_audio(sound_file)
    reasons = obstacles(preset)
    panels: dict[str, PanelError | None] = dict.fromkeys(PANEL_NAMES)
    if not reasons:
        decoded = decode(audio, sample_rate_hz, preset)
        truth = open_source(recording, signals).read(None, None)
        panels = compare(decoded, truth, preset, audio.shape[1] / sample_rate_hz)
    score = overall_score(panels)
    click.echo(_as_json(panels, score, reasons) if as_json else _as_table(panels, score, reasons, preset.name))


def _as_json(panels: dict[str, PanelError | None], score: float | None, reasons: list[str]) -> str:
    from sonify.verify.compare import unit_of

    table: dict[str, Any] = {}
    for name, panel in panels.items():
        table[name] = {"error": None, "unit": unit_of(name), "correlation": None}
        if panel is not None:
            table[name] |= {"error": panel.error, "correlation": panel.correlation, **panel.extra}
    document: dict[str, Any] = {"panels": table, "score": score}
    if reasons:
        document["not_decoded"] = reasons
    return json.dumps(document, indent=2)


def _as_table(panels: dict[str, PanelError | None], score: float | None, reasons: list[str], preset: str) -> str:
    from sonify.verify.compare import unit_of

    if reasons:
        return f"the preset {preset} cannot be decoded: {'; '.join(reasons)}"
    lines = [f"{'panel':<18}{'error':>9}  {'unit':<20}{'correlation':>11}"]
    for name, panel in panels.items():
        if panel is None:
            lines.append(f"{name:<18}{'–':>9}  not measured, or nothing to compare")
            continue
        correlation = "–" if panel.correlation is None else f"{panel.correlation:.4f}"
        extra = "  ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in panel.extra.items())
        error = "–" if panel.error is None else f"{panel.error:.4f}"
        lines.append(f"{name:<18}{error:>9}  {unit_of(name):<20}{correlation:>11}  {extra}".rstrip())
    lines.append("nothing to score" if score is None else f"score {score:.4f}")
    return "\n".join(lines)
