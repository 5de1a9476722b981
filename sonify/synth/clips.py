"""Clips: short sounds drawn once and played when they are due: ticks, the stale motif, drums, earcons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.kernel import kernel

__all__ = ["ClipPlayer", "clips_quantum", "make_clip_player"]

Float32 = NDArray[np.float32]


class ClipPlayer(NamedTuple):
    """Clips and state; C clips.

    `samples` all clips one after the other, `begin` (C + 1,) where each begins, `bus` (C,) 0 for the gauges' bus and 1
    for the signals', `position` (C,) frames played, −1 when silent, `gain` (C,) of the one playing.
    """

    samples: Float32
    begin: NDArray[np.int64]
    bus: NDArray[np.int64]
    position: NDArray[np.int64]
    gain: Float32


def make_clip_player(clips: list[Float32], buses: list[int]) -> ClipPlayer:
    """Make a silent player of mono clips, each on its bus."""
    lengths = [len(clip) for clip in clips]
    return ClipPlayer(
        samples=np.concatenate(clips).astype(np.float32),
        begin=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        bus=np.array(buses, np.int64),
        position=np.full(len(clips), -1, np.int64),
        gain=np.zeros(len(clips), np.float32),
    )


@kernel
def clips_quantum(player: ClipPlayer, clip_gain: Float32, out: Float32) -> None:
    """Add one quantum to the two buses `out` (2, quantum).

    `clip_gain` (C,) is the linear gain of a clip that begins with this quantum, 0 where none does. A clip that begins
    again while it plays starts over.
    """
    frames = out.shape[1]
    for clip in range(clip_gain.shape[0]):
        if clip_gain[clip] > np.float32(0.0):
            player.position[clip] = 0
            player.gain[clip] = clip_gain[clip]
        position = player.position[clip]
        if position < 0:
            continue
        first = player.begin[clip] + position
        count = min(frames, player.begin[clip + 1] - first)
        gain = player.gain[clip]
        bus = out[player.bus[clip]]
        for i in range(count):
            bus[i] += gain * player.samples[first + i]
        player.position[clip] = position + count if first + count < player.begin[clip + 1] else -1
