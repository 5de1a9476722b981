"""Every error that sonify raises on purpose.

    SonifyError
    ├── UsageError      a command line or a value typed by a person
    ├── PresetError     a sound or signals preset
    ├── ReaderError     a source of metrics, or what it sent
    ├── DeviceError     a sound card, MIDI port or surface
    ├── RenderError     an output that could not be made
    └── CancelledError  Ctrl-C, and what became of the work

A message names the file or URL, the key, the value found and what is allowed; it fits one line.
"""

from __future__ import annotations

__all__ = ["CancelledError", "DeviceError", "PresetError", "ReaderError", "RenderError", "SonifyError", "UsageError"]

EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # as shells count a program ended by Ctrl-C


class SonifyError(Exception):
    """Base of all errors that the command line prints as one clear line."""

    exit_code = EXIT_FAILURE


class UsageError(SonifyError):
    """A value that a person typed does not mean anything, or is out of range."""

    exit_code = EXIT_BAD_INPUT


class PresetError(SonifyError):
    """A preset is missing, is not valid TOML, or holds a key or value that is not allowed."""

    exit_code = EXIT_BAD_INPUT


class ReaderError(SonifyError):
    """A source of metrics cannot be reached, or sent something that cannot be read."""

    exit_code = EXIT_BAD_INPUT


class DeviceError(SonifyError):
    """A sound card, MIDI port or control surface is missing or failed."""


class CancelledError(SonifyError):
    """Somebody pressed Ctrl-C; the message says what became of the work."""

    exit_code = EXIT_INTERRUPTED


class RenderError(SonifyError):
    """An output could not be written whole."""
