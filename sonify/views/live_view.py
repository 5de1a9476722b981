"""What a view needs of a live engine; the runner's own class has it, and so has a fake in the tests."""

from __future__ import annotations

from typing import Protocol

from sonify.runner.controls import Controls
from sonify.runner.snapshot import Snapshot

__all__ = ["LiveView"]


class LiveView(Protocol):
    """A live engine as views see it: it is asked, and never calls back."""

    @property
    def controls(self) -> Controls:
        """What a person may change."""
        ...

    @property
    def is_running(self) -> bool:
        """False once it ended by itself or was stopped."""
        ...

    def snapshot(self) -> Snapshot:
        """Picture of this moment."""
        ...

    def stop(self) -> None:
        """Fade out and end; a second call changes nothing."""
        ...
