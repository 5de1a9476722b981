"""Which sound preset plays: the one that was asked for, its neighbours, and the newest version of its file."""

from __future__ import annotations

import math
from pathlib import Path

from sonify.errors import PresetError
from sonify.mapping.preset import SoundPreset
from sonify.mapping.preset_file import list_sound_presets, load_sound_preset
from sonify.paths import presets_dir

__all__ = ["PresetChoice"]

_LOOK_EVERY_S = 1.0


class PresetChoice:
    """Follow what is chosen, and the file that holds it.

    Parameters
    ----------
    name_or_path : str
        The first one.

    Attributes
    ----------
    preset : SoundPreset
        The newest that was good.
    problem : str
        Why the newest version of its file is not used; empty while it is.

    Raises
    ------
    PresetError
        The first one cannot be loaded.
    """

    def __init__(self, name_or_path: str) -> None:
        known = list_sound_presets()
        self._names = known if name_or_path in known else [name_or_path, *known]
        self._first = self._names.index(name_or_path)
        self._index = self._first
        self.problem = ""
        self.preset: SoundPreset = load_sound_preset(name_or_path)
        self._stamp = self._file_stamp()
        self._looked_s = -math.inf

    def poll(self, steps: int, now_s: float) -> bool:
        """Look whether another preset is wanted, `steps` on from the first, or a file changed; whether to use it."""
        index = (self._first + steps) % len(self._names)
        if index == self._index:
            if now_s - self._looked_s < _LOOK_EVERY_S:
                return False
            self._looked_s = now_s
            stamp = self._file_stamp()
            if stamp == self._stamp:
                return False
        self._index = index
        self._stamp = self._file_stamp()
        try:
            preset = load_sound_preset(self._names[index])
        except PresetError as error:
            self.problem = str(error)
            return False
        self.problem = ""
        changed = preset != self.preset
        self.preset = preset
        return changed

    def _file_stamp(self) -> tuple[int, int]:
        name = self._names[self._index]
        path = presets_dir() / "sound" / f"{name}.toml"
        if not path.is_file():
            path = Path(name).expanduser()
        try:
            status = path.stat()
        except OSError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_size)
