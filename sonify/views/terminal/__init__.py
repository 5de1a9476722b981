"""The terminal view: what you hear, to see. Needs textual, which comes with ``sonify[live]``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sonify.errors import UsageError
from sonify.views.live_view import LiveView

if TYPE_CHECKING:
    from sonify.views.terminal.board import SoundOf

__all__ = ["run_terminal"]


def run_terminal(live: LiveView, sound_of: SoundOf | None = None) -> None:
    """Show a live engine until somebody quits or it ends by itself; it is stopped in any case.

    Parameters
    ----------
    live : LiveView
        The engine.
    sound_of : callable, optional
        Which sound preset plays, for its limits and notes; the shipped one of that name by default.

    Raises
    ------
    UsageError
        textual is not installed.
    """
    try:
        import textual  # noqa: F401
    except ImportError:
        raise UsageError("the terminal view needs textual: pip install 'sonify[live]', or use --plain") from None
    from sonify.views.terminal.app import TerminalView
    from sonify.views.terminal.board import shipped_sound
    from sonify.views.terminal.quiet import quiet_stderr
    from sonify.views.wording import clean

    try:
        with quiet_stderr() as said:
            view = TerminalView(live, sound_of or shipped_sound)
            view.run(mouse=False)
    finally:
        live.stop()
    for line in said:
        print(clean(line), file=sys.stderr)
    if view.failure is not None:
        raise view.failure
