"""The README tells the truth: its first commands, every command, source, preset and file that it names exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sonify.commands import COMMANDS
from sonify.mapping.preset_file import list_sound_presets
from sonify.readers.signals import list_signals
from sonify.readers.source import SOURCES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COPYABLE = [line.strip() for line in re.findall(r"^    (sonify .*)$", README, re.MULTILINE)]


def test_it_opens_with_exactly_the_two_commands():
    assert re.findall(r"^    (\S.*)$", README, re.MULTILINE)[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named_and_has_help_with_examples(command):
    assert f"sonify {command}" in README
    asked = [sys.executable, "-m", "sonify", command, "--help"]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "Examples:" in shown.stdout


@pytest.mark.parametrize("preset", list_sound_presets())
def test_every_sound_preset_is_named(preset):
    assert f"`{preset}`" in README


@pytest.mark.parametrize("preset", list_signals())
def test_every_signals_preset_is_named(preset):
    assert preset in README


@pytest.mark.parametrize("kind", SOURCES, ids=lambda kind: kind.spelling)
def test_every_source_is_named(kind):
    for part in (*kind.prefixes, *kind.suffixes):
        plain = part.removesuffix(".gz")  # that any of them may be packed is said once
        assert plain.replace("http://", "http").replace("https://", "http") in README.replace("(s)", "")


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?<![\w/])(?:samples|presets|sonify|bench|tests)/[\w./-]+\.\w+", README)))
)
def test_every_file_that_is_named_exists(path):
    if "NAME" not in path:
        assert (ROOT / path).exists()


@pytest.mark.parametrize("line", COPYABLE)
def test_every_copyable_command_has_options_that_exist(line):
    """Each is understood: its command exists, and so does every option."""
    words = shlex.split(line.split("#")[0].split(">")[0])
    shown = subprocess.run(
        [sys.executable, "-m", "sonify", *[word for word in words[1:3] if re.fullmatch("[a-z]+", word)], "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert words[1] in COMMANDS
    for option in [word for word in words if word.startswith("--")]:
        assert option in shown.stdout, option
