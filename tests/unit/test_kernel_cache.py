"""The cache of compiled kernels: found again, and left behind when any kernel source changes."""

import os
import subprocess
import sys

from sonify import kernel

SCRIPT = """
import sonify.kernel as kernel
print(kernel.cache_directory)
print(kernel.kernels_are_compiled("engine"))
kernel.mark_kernels_compiled("engine")
print(kernel.kernels_are_compiled("engine"))
"""


def run(cache):
    environment = {**os.environ, "SONIFY_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_cache_is_found_again(tmp_path):
    first, before, after = run(tmp_path)
    second, again, _ = run(tmp_path)
    assert first == second
    assert str(tmp_path) in first
    assert (before, after, again) == ("False", "True", "True")


def test_an_edited_kernel_means_another_directory(tmp_path, monkeypatch):
    package = tmp_path / "sonify"
    (package / "dsp").mkdir(parents=True)
    source = package / "dsp" / "x.py"
    source.write_text("a = 1\n")
    monkeypatch.setattr(kernel, "_PACKAGE", package)
    before = kernel._source_digest()
    source.write_text("a = 12\n")
    assert kernel._source_digest() != before


def test_old_caches_are_dropped_but_not_the_newest(tmp_path):
    root = tmp_path / "sonify" / "kernels"
    for age in range(8):
        (root / f"old{age}").mkdir(parents=True)
        os.utime(root / f"old{age}", (1000 - age, 1000 - age))
    current = run(tmp_path)[0]
    left = sorted(path.name for path in root.iterdir())
    assert os.path.basename(current) in left
    assert left[-3:] == ["old0", "old1", "old2"]
    assert len(left) == 4


def test_no_writable_place_means_compiling_each_time_not_failing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(blocked) == ["None", "False", "False"]
