"""Playing a file through a program that is installed, for as long as sonify has no sound card of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["PLAYERS", "Player"]

PLAYERS: dict[str, tuple[str, ...]] = {  # in the order of choice; the file follows
    "paplay": (),
    "pw-play": (),
    "aplay": ("-q",),
    "play": ("-q",),
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error"),
    "afplay": (),
}

_SILENT_FAILURE = "audio open failed"  # ffplay without a sound card says this, and ends as if all were well


class Player:
    """Play files through the first program that works.

    Parameters
    ----------
    say : callable
        Takes a line: which program failed, or that there is none.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._left = [name for name in PLAYERS if shutil.which(name)]
        if not self._left:
            say(f"No program that plays files is installed ({', '.join(PLAYERS)}): play the clips yourself.")

    def play(self, path: Path, longest_s: float) -> bool:
        """Play a file to its end, or for `longest_s`; what fails is not tried again. False: nothing played it."""
        while self._left:
            name = self._left[0]
            problem = _run([shutil.which(name) or name, *PLAYERS[name], str(path.resolve())], longest_s)
            if problem is None:
                return True
            self._left.pop(0)
            ending = f"trying {self._left[0]}" if self._left else "play the clips yourself"
            self._say(f"{name} cannot play: {problem}; {ending}.")
        return False


def _run(command: list[str], longest_s: float) -> str | None:
    """Run a player; None: it played, else what went wrong. It must not read the answers that are for us."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=longest_s, check=False)
    except subprocess.TimeoutExpired:
        return "it does not end"
    except OSError as error:
        return error.strerror or str(error)
    text = done.stderr.decode(errors="replace")
    if done.returncode == 0 and _SILENT_FAILURE not in text:
        return None
    said = text.split("\n")
    lines = ["".join(char for char in line if char.isprintable()).strip() for line in said]
    return next((line[:120] for line in lines if line), f"exit code {done.returncode}")
