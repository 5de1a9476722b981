"""The report page: one file, no network, hostile names inert, and a real browser shows it."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from servers import require_program

ROOT = Path(__file__).parents[2]
HOSTILE = '</script><script>document.title="broken"</script>"\u202e\u2028&'


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of the shipped incident, in which one backend has a name that wants to be a script."""
    folder = tmp_path_factory.mktemp("report")
    lines = gzip.decompress((ROOT / "samples" / "incident.jsonl.gz").read_bytes()).decode().splitlines()
    header = json.loads(lines[0])
    header["backends"][-1] = HOSTILE
    recording = folder / "hostile.jsonl"
    recording.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n", encoding="utf-8")
    path = folder / "hostile.html"
    command = ["render", recording, "-o", folder / "hostile.wav", "--report", path, "--length", "15s"]
    done = subprocess.run(
        [sys.executable, "-m", "sonify", *map(str, command)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return path


def test_it_is_one_small_file_that_asks_nobody(page):
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < 5_000_000
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "http://" not in policy[1]
    assert "https://" not in policy[1]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_a_hostile_name_is_data(page):
    text = page.read_text(encoding="utf-8")
    assert "<script>document.title" not in text
    for block in re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL):
        json.loads(block)


def test_a_browser_shows_it_and_no_script_of_others_runs(page, tmp_path):
    browser = require_program("chromium")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None, done.stderr[-2000:]
    assert title[1] != "broken"
    for word in ("Latency heatmap", "Findings", "Queue depth", "What you hear"):
        assert word in done.stdout
