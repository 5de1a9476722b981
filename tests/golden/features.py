"""What a listener would notice of a render, as numbers: the goldens are tables of these, not hashes.

python -m tests.golden.features     writes the tables anew; look at their difference before it is kept
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from sonify.commands.render import render

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "samples"
CASES = [(sample, sound) for sample in ("quiet", "incident") for sound in ("code-live", "organ", "studio")]
WINDOW_S = 3.0
COLUMNS = ("second", "level_db", "centroid_hz", "side_db", "flutter_db")


def features(path: Path) -> list[dict[str, float]]:
    """Level, brightness, stereo balance and 70 Hz flutter of every three seconds."""
    audio, rate = soundfile.read(path)
    rows = []
    for begin in range(0, len(audio) - int(WINDOW_S * rate) + 1, int(WINDOW_S * rate)):
        part = audio[begin : begin + int(WINDOW_S * rate)]
        power = np.abs(np.fft.rfft(part.mean(axis=1))) ** 2
        bins = np.fft.rfftfreq(len(part), 1 / rate)
        envelope = np.abs(part.mean(axis=1)).reshape(-1, 120).mean(axis=1)  # 400 Hz
        modulation = np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2
        at_hz = np.fft.rfftfreq(len(envelope), 1 / 400)
        flutter = modulation[np.abs(at_hz - 70.0) < 2.0].sum() / max(len(envelope) * np.sum(envelope**2), 1e-12)
        left, right = np.mean(part**2, axis=0)
        rows.append(
            {
                "second": begin / rate,
                "level_db": 10 * np.log10(np.mean(part**2) + 1e-12),
                "centroid_hz": float(np.sum(bins * power) / max(power.sum(), 1e-12)),
                "side_db": 10 * np.log10((right + 1e-12) / (left + 1e-12)),
                "flutter_db": 10 * np.log10(flutter + 1e-6),
            }
        )
    return rows


def rendered(sample: str, sound: str, folder: Path) -> list[dict[str, float]]:
    """Render a shipped sample into half a minute and measure it."""
    path = folder / f"{sample}-{sound}.wav"
    arguments = [str(SAMPLES / f"{sample}.jsonl.gz"), "-o", str(path), "--sound", sound, "--length", "30s", "-q"]
    render.main(arguments, standalone_mode=False)
    return features(path)


def table(sample: str, sound: str) -> Path:
    """Where the golden of a case is kept."""
    return HERE / f"{sample}-{sound}.csv"


def main() -> None:
    """Write all goldens."""
    with tempfile.TemporaryDirectory() as folder:
        for sample, sound in CASES:
            with table(sample, sound).open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                for row in rendered(sample, sound, Path(folder)):
                    writer.writerow({name: f"{value:.2f}" for name, value in row.items()})


if __name__ == "__main__":
    main()
