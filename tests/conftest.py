"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("sonify", deadline=None, derandomize=True)
settings.load_profile("sonify")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def real_recordings() -> Path:
    """Real recordings that lie beside the checkout of whoever has them; the project ships none."""
    folder = REAL_DATA / "recordings"
    if not folder.is_dir():
        pytest.skip(f"real recordings are not here: {folder}")
    return folder


def missing_tool(name: str) -> None:
    """Skip because a program is not installed; where CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and under CI=true it must be")
    pytest.skip(f"{name} is not installed")
