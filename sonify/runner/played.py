"""What was played, as a recording: a frame a step, on the engine's grid, that renders into the same sound."""

from __future__ import annotations

from dataclasses import replace

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.metrics.frame import MetricFrame
from sonify.runner.recording import RecordingFiles

__all__ = ["PlayedRecording"]


class PlayedRecording:
    """Write steps as they begin, each once it is known how long it lasted.

    Parameters
    ----------
    files : RecordingFiles
        Where to.
    epoch_s : float
        Time of quantum 0, Unix s; it is put onto the grid.
    speed : float
        Seconds of the frames' time in a second of sound.
    """

    def __init__(self, files: RecordingFiles, *, epoch_s: float, speed: float = 1.0) -> None:
        self._files = files
        self._speed = speed
        self._epoch = round(epoch_s * CONTROL_RATE_HZ)
        self._frame: MetricFrame | None = None

    def begin_step(self, frame: MetricFrame, quantum: int) -> None:
        """Take the frame of a step that begins with a quantum; the step before ends there.

        Raises
        ------
        ReaderError, RenderError
            The file cannot be written, or continued.
        """
        self._end_step(quantum)
        self._frame = frame

    def close(self, quantum: int) -> None:
        """End the last step, and the files; see `begin_step`."""
        self._end_step(quantum)
        self._files.close()

    def _end_step(self, quantum: int) -> None:
        frame, self._frame = self._frame, None
        if frame is not None:
            self._files.write(replace(frame, t=(self._epoch + quantum * self._speed) / CONTROL_RATE_HZ))
