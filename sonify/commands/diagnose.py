"""``sonify diagnose``: what is not well, since when, how sure, and what to do."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from sonify.commands import printable
from sonify.commands.source_options import SOURCE_HELP, source_options
from sonify.errors import EXIT_FAILURE

if TYPE_CHECKING:
    from sonify.diagnosis.figure import Figure
    from sonify.diagnosis.findings import Finding
    from sonify.metrics.recording import Recording

__all__ = ["diagnose"]

_EPILOG = f"""\b
Examples:
  sonify diagnose samples/incident.jsonl.gz
  sonify diagnose prometheus+http://127.0.0.1:9090 --since -1h --json
  sonify diagnose day.jsonl.gz --sound ours.toml --fail-on red && echo nothing red

\b
Grades: red and yellow are limits of the sound preset; unusual is far from the backend's own normal within its limits;
stale means that the metrics were lost. Few requests prove nothing: each finding says how sure it is.

{SOURCE_HELP}
"""

GRADES = ("unusual", "yellow", "red", "stale")
_SURE, _LIKELY = 1.0 - 1e-9, 1.0 - 1e-6


@click.command(epilog=_EPILOG)
@source_options
@click.option("--sound", default="code-live", show_default=True, help="Preset with the limits.")
@click.option("--since", help="Begin here; -1h is an hour before the source's end.")
@click.option("--until", help="End here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-on",
    type=click.Choice([*GRADES, "nothing"]),
    default="nothing",
    show_default=True,
    help="Exit with 1 where something of this grade, or worse, is found (stale is the worst).",
)
def diagnose(
    source: str,
    signals: str,
    options: tuple[str, ...],
    sound: str,
    since: str | None,
    until: str | None,
    as_json: bool,
    fail_on: str,
) -> None:
    """Say in words what is not well in a range of time, how the system behaves under load, and what may help.

    Findings come incident by incident, the first cause first. The system's own filters read it like a room: compressor
    (load against latency), reverb (how issues fade), EQ (where the work is).
    """
    from sonify.commands.reading import read_range
    from sonify.diagnosis.findings import diagnose as find
    from sonify.diagnosis.findings import not_measured
    from sonify.diagnosis.hints import hints
    from sonify.diagnosis.system_filters import system_filters
    from sonify.mapping.preset_file import load_sound_preset

    limits = load_sound_preset(sound).limits
    recording = read_range(source, signals, options, since, until, lambda line: click.echo(line, err=True))
    findings, unmeasured = find(recording, limits), not_measured(recording)
    filters = system_filters(recording, findings)
    advice = hints(recording, filters)
    if as_json:
        click.echo(json.dumps(_as_json(recording, findings, unmeasured, filters, advice), indent=2))
    else:
        lines = [*_findings_text(findings, unmeasured), *_figures_text(filters, advice)]
        click.echo("\n".join(map(printable, lines)))
    if fail_on != "nothing" and any(GRADES.index(one.state) >= GRADES.index(fail_on) for one in findings):
        click.get_current_context().exit(EXIT_FAILURE)


def _findings_text(findings: list[Finding], unmeasured: list[str]) -> list[str]:
    from sonify.diagnosis.findings import incidents

    lines: list[str] = []
    for number, incident in enumerate(incidents(findings), 1):
        lines.append(f"{number}. {incident[0].sentence} [{_how_sure(incident[0].confidence)}]")
        lines += [f"     and {one.sentence} [{_how_sure(one.confidence)}]" for one in incident[1:]]
        lines += [f"   → {action}" for action in dict.fromkeys(one.action for one in incident)]
    if not findings:
        lines.append("nothing found")
    if unmeasured:
        lines.append(f"not measured: {', '.join(unmeasured)}")
    return lines


def _figures_text(filters: list[Figure], advice: list[Figure]) -> list[str]:
    """Write what is known, and in one line a group what is not."""
    lines = ["", "the system's own filters"]
    for group in ("compressor", "reverb", "eq"):
        of_group = [one for one in filters if one.filter == group]
        lines += [f"  {group:<11}{_figure_text(one)}" for one in of_group if one.is_known]
        unknown = dict.fromkeys(one.sentence.partition(", at")[0] for one in of_group if not one.is_known)
        if not any(one.is_known for one in of_group):
            lines += [f"  {group:<11}{sentence}" for sentence in unknown]
    lines += ["hints", *(f"  {one.name:<11}{_figure_text(one)}" for one in advice)]
    return lines


def _figure_text(figure: Figure) -> str:
    who = f"{figure.backend}: " if figure.backend else ""
    return f"{who}{figure.sentence}" + (f" ({figure.method})" if figure.method else "")


def _how_sure(confidence: float) -> str:
    return "certain" if confidence >= _SURE else "sure" if confidence >= _LIKELY else f"{confidence:.3%} sure"


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _figure_json(figure: Figure) -> dict[str, object]:
    return {
        "filter": figure.filter,
        "name": figure.name,
        "backend": figure.backend or None,
        "value": _number(figure.value),
        "low": _number(figure.low),
        "high": _number(figure.high),
        "unit": figure.unit,
        "method": figure.method,
        "text": figure.sentence,
    }


def _as_json(
    recording: Recording,
    findings: list[Finding],
    unmeasured: list[str],
    filters: list[Figure],
    advice: list[Figure],
) -> dict[str, object]:
    return {
        "source": recording.source,
        "since": recording.start_s,
        "until": recording.end_s,
        "findings": [
            {
                "panel": one.panel,
                "backend": one.backend or None,
                "state": one.state,
                "since": one.since_s,
                "until": one.until_s,
                "ongoing": one.ongoing,
                "times": one.times,
                "standing": one.standing,
                "worst": _number(one.worst),
                "limit": _number(one.limit),
                "ratio": _number(one.ratio),
                "confidence": one.confidence,
                "text": one.sentence,
                "action": one.action,
            }
            for one in findings
        ],
        "not_measured": unmeasured,
        "filters": [_figure_json(one) for one in filters],
        "hints": [_figure_json(one) for one in advice],
    }
