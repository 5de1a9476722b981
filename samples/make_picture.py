"""Draw the picture of the README: an incident's latency heatmap above the spectrogram of its sound.

    python samples/make_picture.py samples/incident.jsonl.gz samples/incident.png --sound organ

Needs matplotlib (the extra "picture").
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile

from sonify.mapping.mapper import Mapper
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.recording_format import load_recording

mpl.use("Agg")
import matplotlib.pyplot as plt

LENGTH_S = 60
WINDOW_FRAMES = 8192
HOP_FRAMES = 480
RANGE_DB = 60


def spectrogram_db(path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Power in dB, shape (bins, columns), the bins' frequencies in Hz, and the sample rate."""
    audio, sample_rate_hz = soundfile.read(path, always_2d=True)
    mono = np.pad(audio.mean(axis=1), WINDOW_FRAMES // 2)
    columns = np.lib.stride_tricks.sliding_window_view(mono, WINDOW_FRAMES)[::HOP_FRAMES]
    power = np.abs(np.fft.rfft(columns * np.hanning(WINDOW_FRAMES), axis=1)) ** 2
    return 10 * np.log10(power.T + 1e-12), np.fft.rfftfreq(WINDOW_FRAMES, 1 / sample_rate_hz), sample_rate_hz


def draw(source: Path, picture: Path, sound: str) -> None:
    """Render `source` with the sound preset `sound` and draw it beside its own metrics."""
    preset = load_sound_preset(sound)
    recording = load_recording(source).on_bands(preset.bands.latency_bands)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "sound.wav"
        command = [
            sys.executable,
            "-m",
            "sonify",
            "render",
            str(source),
            "-o",
            str(wav),
            "--sound",
            sound,
            "--length",
            f"{LENGTH_S}s",
            "-q",
        ]
        subprocess.run(command, check=True)
        power_db, frequency_hz, _ = spectrogram_db(wav)
    mapper = Mapper(preset, recording.layout.backends)
    figure, (heat, heard) = plt.subplots(2, 1, figsize=(11, 7.2), layout="constrained")
    in_flight = np.nansum(recording.latency_rate, axis=1) * preset.bands.latency_bands.centres_s
    _heatmap(heat, recording, in_flight, preset)
    low_hz, high_hz = mapper.frequencies_hz[0] * 0.9, mapper.frequencies_hz[-2] * 1.1
    shown = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    top_db = np.percentile(power_db[shown], 99.8)
    image = heard.pcolormesh(
        np.linspace(0, LENGTH_S, power_db.shape[1]), frequency_hz[shown], power_db[shown],
        vmin=top_db - RANGE_DB, vmax=top_db, cmap="magma", shading="nearest", rasterized=True,
    )  # fmt: skip
    heard.set(
        yscale="log", xlabel="time in the WAV (s)", ylabel="frequency (Hz)", title="What you hear: its spectrogram"
    )
    heard.set_yticks([131, 262, 523, 1047, 2093, 4186], ["131", "262", "523", "1047", "2093", "4186"])
    heard.minorticks_off()
    figure.colorbar(image, ax=heard, label="dB", pad=0.01)
    figure.savefig(picture, dpi=100)


def _heatmap(axes: plt.Axes, recording, in_flight: np.ndarray, preset) -> None:
    centres_s = preset.bands.latency_bands.centres_s
    minutes = (recording.t - recording.start_s) / 60
    level_db = 10 * np.log10(np.where(in_flight > 0, in_flight, np.nan)).T
    image = axes.pcolormesh(minutes, centres_s, level_db, cmap="magma", shading="nearest", vmin=-30, vmax=15)
    axes.set(yscale="log", ylabel="latency", title="What happened: requests in flight per latency band, all backends")
    axes.set_yticks([0.001, 0.01, 0.1, 1, 10, 60], ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "60 s"])
    axes.minorticks_off()
    axes.axhline(preset.limits["latency_p95"].red, color="white", lw=0.8, ls=":")
    axes.set_facecolor("black")
    axes.figure.colorbar(image, ax=axes, label="requests in flight (dB)", pad=0.01)
    began = datetime.fromtimestamp(recording.start_s, UTC)
    axes.set_xlabel(f"minutes since {began:%Y-%m-%d %H:%M} UTC")
    for event in recording.events:
        at = (event.t - recording.start_s) / 60
        if minutes[0] <= at <= minutes[-1]:
            axes.axvline(at, color="cyan", lw=0.8)
            if len(recording.events) <= 8:
                row = recording.events.index(event) % 3
                height_s = centres_s[-1] / 2.2**row
                axes.text(at, height_s, f" {event.text}", color="cyan", fontsize=7, va="top", parse_math=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sound", default="code-live")
    options = parser.parse_args()
    draw(options.source, options.picture, options.sound)
