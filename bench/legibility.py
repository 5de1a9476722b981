"""How legible each preset is: render incidents, decode the WAV alone, compare; a table of presets × panels.

Presets play their own bands, pitches and curves, but one backend at a time and through no filter (`--neutral`).

python -m bench.legibility            prints it
python -m bench.legibility --write    also puts it into README.md, between its two markers
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sonify.mapping.preset_file import list_sound_presets

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- legibility: made by bench/legibility.py -->", "<!-- legibility: end -->"
SCENARIOS = ("incident", "flapping", "source-lost")
LENGTH = "3m"
SONIFY = [sys.executable, "-m", "sonify"]


def measured(preset: str, folder: Path) -> list[dict[str, object]]:
    """Verdicts of `sonify verify` on every scenario, played by one preset."""
    verdicts = []
    for scenario in SCENARIOS:
        recording, wav = folder / f"{scenario}.jsonl.gz", folder / f"{scenario}-{preset}.wav"
        if not recording.exists():
            subprocess.run([*SONIFY, "simulate", scenario, "-o", str(recording)], check=True, capture_output=True)
        render = [
            *SONIFY,
            "render",
            str(recording),
            "-o",
            str(wav),
            "--sound",
            preset,
            "--length",
            LENGTH,
            "-q",
            "--neutral",
        ]
        subprocess.run(render, check=True)
        verify = [*SONIFY, "verify", str(wav), str(recording), "--sound", preset, "--neutral", "--json"]
        verdicts.append(json.loads(subprocess.run(verify, check=True, capture_output=True, text=True).stdout))
        wav.unlink()
    return verdicts


def cell(verdicts: list[dict[str, object]], panel: str) -> str:
    """Median error of a panel over the scenarios that have it, with its unit."""
    found = [verdict["panels"][panel] for verdict in verdicts if verdict["panels"].get(panel)]
    errors = [entry["error"] for entry in found if entry["error"] is not None]
    return f"{statistics.median(errors):.2g}" if errors else "–"


def score(verdicts: list[dict[str, object]]) -> str:
    """Mean score over the scenarios; a dash where the preset is not made to be read back."""
    found = [verdict["score"] for verdict in verdicts if verdict["score"] is not None]
    return f"{statistics.mean(found):.3f}" if found else "–"


def table(presets: list[str]) -> str:
    """Markdown table of all presets and panels."""
    with tempfile.TemporaryDirectory() as folder:
        verdicts = {preset: measured(preset, Path(folder)) for preset in presets}
    entries = [one["panels"] for several in verdicts.values() for one in several]
    panels = {name: entry["unit"] for found in entries for name, entry in found.items() if entry}
    lines = [
        "| panel (unit of the median error) | " + " | ".join(f"`{preset}`" for preset in presets) + " |",
        "|---|" + "---|" * len(presets),
    ]
    for panel, unit in panels.items():
        lines.append(f"| {panel} ({unit}) | " + " | ".join(cell(verdicts[p], panel) for p in presets) + " |")
    lines.append("| **score** (0–1) | " + " | ".join(score(verdicts[preset]) for preset in presets) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("presets", nargs="*", help="by default all that are shipped")
    options = parser.parse_args()
    made = table(options.presets or list_sound_presets())
    print(made)
    if options.write:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
