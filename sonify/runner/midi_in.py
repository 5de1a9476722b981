"""`MidiIn`: knobs and buttons of any controller turn what they have learned to turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sonify.midi.learn import Bindings, Learned, Standing
from sonify.runner.controls import Controls
from sonify.runner.midi_port import MidiPort
from sonify.runner.surface_link import apply

__all__ = ["MidiIn"]


class MidiIn:
    """Take what a controller sends.

    Parameters
    ----------
    name : str
        Of the port.
    bindings : mapping of str to Binding
        What was learned of it.
    controls : Controls
        What is turned.
    backends : callable
        Names of the backends, in the order in which they are numbered.
    say : callable
        Told in words how the port is, when that changes.
    """

    def __init__(
        self,
        name: str,
        bindings: Bindings,
        controls: Controls,
        backends: Callable[[], Sequence[str]],
        *,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._port = MidiPort(name, output=False, input=True, is_music=False, on_message=self._take, say=say)
        self._learned = Learned(bindings)
        self._controls = controls
        self._backends = backends
        self._connections = 0

    @property
    def is_open(self) -> bool:
        """Whether the port is there."""
        return bool(self._port.opened)

    @property
    def problem(self) -> str:
        """Why nothing is received; empty while the port is open."""
        return self._port.problem

    def start(self) -> None:
        """Begin; nothing is waited for."""
        self._port.start()

    def stop(self) -> None:
        """Close the port."""
        self._port.close()

    def _take(self, message: bytes) -> None:
        if self._port.connections != self._connections:
            self._connections = self._port.connections
            self._learned.lose()
        knobs = self._controls.knobs
        amounts = {"eq": knobs.eq, "compressor": knobs.compressor, "reverb": knobs.reverb}
        standing = Standing(knobs.trim_db, amounts, self._backends(), knobs.backend_trim_db)
        for action in self._learned.handle(message, standing):
            apply(action, self._controls)
