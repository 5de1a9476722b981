"""Where shipped presets and samples are: in the wheel beside the code, in a checkout at the top."""

from __future__ import annotations

from pathlib import Path

__all__ = ["presets_dir", "samples_dir"]

_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    in_wheel = _PACKAGE / "_data" / name
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / name


def presets_dir() -> Path:
    """Directory of the shipped presets, with ``sound/`` and ``signals/`` inside."""
    return _shipped("presets")


def samples_dir() -> Path:
    """Directory of the shipped recordings."""
    return _shipped("samples")
