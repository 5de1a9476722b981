"""The sound card: what there is to choose from, and a stream that is fed ahead of time.

The stream itself runs in a process of its own (`sonify.outputs.sound_card_process`); nothing here ever waits for it.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.errors import DeviceError
from sonify.outputs import sound_card_process as program

__all__ = ["Card", "CardSettings", "SoundCard", "list_cards"]

Float32 = NDArray[np.float32]

_CAPACITY_FRAMES = 1 << 17  # 0.7 s at 192 kHz
_LIST_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Card:
    """A sound card that can play."""

    index: int
    name: str
    host: str
    channels: int
    rate_hz: float
    is_default: bool


@dataclass(frozen=True, slots=True)
class CardSettings:
    """What is wanted of a sound card.

    Attributes
    ----------
    device : str
        Name, part of a name or index; empty: the default.
    rate_hz : int
        Sample rate; 0: 48 kHz where the card takes it.
    block_frames : int
        Frames that it asks for at once.
    outputs : tuple of int
        Number of the card's output, from 1, for left and right; only one: both together.
    """

    device: str = ""
    rate_hz: int = 0
    block_frames: int = 512
    outputs: tuple[int, ...] = (1, 2)

    @property
    def num_channels(self) -> int:
        """Channels to open."""
        return max(self.outputs)


def _command(**settings: Any) -> list[str]:
    return [sys.executable, "-P", str(Path(program.__file__).resolve()), json.dumps(settings)]


def list_cards() -> list[Card]:
    """Sound cards that can play.

    Raises
    ------
    DeviceError
        What is missing to ask for them, or that the sound system does not answer.
    """
    try:
        done = subprocess.run(
            _command(list=True), capture_output=True, stdin=subprocess.DEVNULL, timeout=_LIST_TIMEOUT_S, check=False
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise DeviceError(f"the sound system does not answer within {_LIST_TIMEOUT_S:.0f} s") from None
    except (OSError, ValueError):
        raise DeviceError("the sound system cannot be asked for its cards") from None
    if "problem" in answer:
        raise DeviceError(answer["problem"])
    return [Card(**card) for card in answer["cards"]]


def _shared_folder() -> str | None:
    """Memory where there is a folder of it: nothing is ever written to a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class SoundCard:
    """A stream that plays what is written ahead of it.

    It is opened in the background: `poll` tells when `name`, `rate_hz` and `latency_s` are known, or what the `problem`
    is. Then write something, and `start`.

    Attributes
    ----------
    name : str
        Empty until it is open.
    rate_hz : int
        Its sample rate.
    latency_s : float
        From the callback to the ear, as the sound system reports it.
    problem : str
        Why it does not play; empty while all is well.
    """

    def __init__(self, settings: CardSettings) -> None:
        self.name, self.rate_hz, self.latency_s, self.problem = "", 0, math.nan, ""
        self._outputs = settings.outputs
        self._channels = settings.num_channels
        self._seen = 0
        handle, self._path = tempfile.mkstemp(prefix="sonify-", dir=_shared_folder())
        try:
            size = program.AUDIO_OFFSET + 4 * self._channels * _CAPACITY_FRAMES
            os.ftruncate(handle, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        self._numbers = np.frombuffer(self._map, np.int64, program.MESSAGE_OFFSET // 8)
        audio = np.frombuffer(self._map, np.float32, offset=program.AUDIO_OFFSET)
        self._audio = audio.reshape(_CAPACITY_FRAMES, self._channels)
        command = _command(
            path=self._path,
            capacity=_CAPACITY_FRAMES,
            channels=self._channels,
            device=settings.device,
            rate_hz=settings.rate_hz,
            block_frames=settings.block_frames,
        )
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def poll(self) -> bool:
        """Look for news; whether it is open."""
        if self._numbers[program.MESSAGES] > self._seen:
            self._seen = int(self._numbers[program.MESSAGES])
            text = bytes(self._map[program.MESSAGE_OFFSET : program.AUDIO_OFFSET]).split(b"\0", 1)[0]
            message = json.loads(text)
            self.problem = message.get("problem", "")
            if "opened" in message:
                self.name, self.rate_hz = message["opened"], message["rate_hz"]
                self.latency_s = float(message["latency_s"])
                self._forget_file()
        elif not self.problem and self._process.poll() is not None:
            self.problem = "the sound system failed"
        elif not self.problem and self._numbers[program.HAS_ENDED]:
            self.problem = "the sound card is gone"
        return bool(self.name) and not self.problem

    @property
    def num_ready(self) -> int:
        """Frames written that the card has not taken yet."""
        return int(self._numbers[program.WRITTEN] - self._numbers[program.READ])

    @property
    def num_taken(self) -> int:
        """Frames that the card has taken."""
        return int(self._numbers[program.READ])

    @property
    def underruns(self) -> int:
        """How often it asked for more than there was, or reported that it had to wait."""
        return int(self._numbers[program.UNDERRUNS])

    @property
    def callback_age_s(self) -> float:
        """Time since the card asked for audio; NaN before it ever did."""
        last_ns = int(self._numbers[program.LAST_CALLBACK_NS])
        return (time.monotonic_ns() - last_ns) / 1e9 if last_ns else math.nan

    def write(self, audio: Float32) -> None:
        """Append audio, shape (frames, 2), at the card's rate; what does not fit is dropped."""
        written = int(self._numbers[program.WRITTEN])
        audio = audio[: _CAPACITY_FRAMES - self.num_ready]
        begin = written % _CAPACITY_FRAMES
        first = min(len(audio), _CAPACITY_FRAMES - begin)
        for part, at in ((audio[:first], begin), (audio[first:], 0)):
            room = self._audio[at : at + len(part)]
            if len(self._outputs) == 1:
                room[:, self._outputs[0] - 1] = 0.5 * (part[:, 0] + part[:, 1])
            else:
                room[:, self._outputs[0] - 1], room[:, self._outputs[1] - 1] = part[:, 0], part[:, 1]
        self._numbers[program.WRITTEN] = written + len(audio)

    def start(self) -> None:
        """Let it play."""
        self._tell(b"start\n")

    def finish(self) -> None:
        """Let it play what it has, and end; nobody waits."""
        self._tell(b"close\n")

    def end(self, timeout_s: float = 0.0) -> None:
        """End it at once, or once it has finished, after `timeout_s` at the latest."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(timeout_s, 0.001))
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # killed: this is only for the system's list of processes
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._forget_file()

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _forget_file(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)
