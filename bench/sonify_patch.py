"""The reference patch rendered by sonify: the very kernels of `sonify render`, driven by the shared curves.

python -m bench.sonify_patch --threads 2 -o patch.wav     one whole process, as the peers are measured
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from bench.peers import reference_patch as patch
from sonify.engine import Engine
from sonify.mapping.mapper import Mapper
from sonify.mapping.preset import Compressor, Eq, Glitches, Motion, Overtones, Reverb, SoundPreset
from sonify.synth.voices import ScoreBlock

BLOCK_QUANTA = 25  # EQ targets move this often; the glides between never come to rest
SHAPES = ("low shelf", "bell", "bell", "high shelf")
BURST_HZ = 2600.0
# the patch's levels in sonify's units: a bus in the centre has a gain of 1 on both sides, overtones are given by their
# summed power, and bursts by what is left of white noise (power 1/3) after the band-pass
CENTRE_GAIN = 0.5**0.5
OVERTONE_GAIN = sum(weight**2 for weight in patch.OVERTONE_WEIGHTS.values()) ** 0.5
BURST_GAIN = patch.BURST_GAIN * (math.pi / 2.0 * BURST_HZ / patch.BURST_Q / (patch.SAMPLE_RATE_HZ / 2) / 3.0) ** 0.5

PRESET = dataclasses.replace(
    SoundPreset(),
    motion=Motion(glide=0.005, width=0.8),
    glitches=Glitches(centre=BURST_HZ, q=patch.BURST_Q, decay=6.9 * patch.BURST_DECAY_S),
    overtones=Overtones(rolloff=2.7),  # nearest to the patch's 1/h
    eq=tuple(Eq(shape=shape, q=q) for shape, q in zip(SHAPES, patch.EQ_Q, strict=True)),
    compressor=Compressor(
        threshold=patch.COMPRESSOR.threshold_db,
        ratio=patch.COMPRESSOR.ratio,
        knee=patch.COMPRESSOR.knee_db,
        attack=patch.COMPRESSOR.attack_s,
        release=patch.COMPRESSOR.release_s,
        makeup=patch.COMPRESSOR.makeup_db,
    ),
    reverb=Reverb(decay=patch.REVERB.decay_s, mix=patch.REVERB.wet_gain),
)


def blocks(num_quanta: int) -> Iterator[tuple[ScoreBlock, list[Eq]]]:
    """The whole patch, block by block, each with the EQ it is heard through."""
    amplitudes, overtones = patch.amplitudes(num_quanta), patch.overtone_gain(num_quanta)
    eq = patch.eq_settings(num_quanta)
    rate_only = np.zeros((num_quanta, patch.NUM_BACKENDS, 1), np.float32)
    gains = np.concatenate([CENTRE_GAIN * amplitudes, rate_only], axis=2, dtype=np.float32)
    overtones = (OVERTONE_GAIN * overtones).astype(np.float32)
    bursts = np.zeros((num_quanta, patch.NUM_BACKENDS), np.float32)
    for backend, offset_s in enumerate(patch.BURST_OFFSETS_S):
        first = round(offset_s * patch.CONTROL_RATE_HZ)
        bursts[first :: round(patch.BURST_PERIOD_S * patch.CONTROL_RATE_HZ), backend] = CENTRE_GAIN * BURST_GAIN
    for begin in range(0, num_quanta, BLOCK_QUANTA):
        part = slice(begin, begin + BLOCK_QUANTA)
        length = len(gains[part])
        block = ScoreBlock(
            partial_gain=gains[part],
            overtone_gain=overtones[part],
            roughness_depth=np.zeros((length, patch.NUM_BACKENDS), np.float32),
            emphasis_gain=np.ones((length, patch.NUM_BACKENDS), np.float32),
            hold_ratio=np.zeros((length, patch.NUM_BACKENDS), np.float32),
            gauges=np.zeros((length, 3), np.float32),
            step=np.arange(length),
            burst_gain=bursts[part],
            clip_gain=np.zeros((length, 0), np.float32),
        )
        tuned = [
            dataclasses.replace(one, at=float(at), gain=float(gain))
            for one, at, gain in zip(PRESET.eq, eq.frequency_hz[begin], eq.gain_db[begin], strict=True)
        ]
        yield block, tuned


def render(threads: int, prepared: list[tuple[ScoreBlock, list[Eq]]]) -> Iterator[np.ndarray]:
    """Audio of the patch, block by block, shape (frames, 2)."""
    engine = Engine(Mapper(PRESET, tuple("abcdef")))
    if threads == 1:
        for block, eq in prepared:
            dry = engine.synthesize(block)
            engine.chain.tune_eq(eq)
            yield engine.mix(dry)
        return
    with ThreadPoolExecutor(1) as worker:
        ahead = [worker.submit(engine.synthesize, prepared[0][0])]
        for index, (_, eq) in enumerate(prepared):
            if index + 1 < len(prepared):
                ahead.append(worker.submit(engine.synthesize, prepared[index + 1][0]))
            engine.chain.tune_eq(eq)
            yield engine.mix(ahead.pop(0).result())


def render_only_s(threads: int, runs: int) -> float:
    """Median time to render the patch, all kernels compiled and all curves made."""
    prepared = list(blocks(patch.num_control_frames()))
    for _ in render(threads, prepared[:8]):
        pass
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        for _ in render(threads, prepared):
            pass
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Render once into a float WAV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2))
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    prepared = list(blocks(patch.num_control_frames()))
    with soundfile.SoundFile(options.output, "w", patch.SAMPLE_RATE_HZ, 2, subtype="FLOAT") as file:
        for audio in render(options.threads, prepared):
            file.write(audio)


if __name__ == "__main__":
    main()
