"""The terminal view on a pseudo terminal: what it sends, what it does not, and what it takes."""

import os
import re
import struct
import sys
import time
from pathlib import Path
from types import MappingProxyType

import pytest

pty = pytest.importorskip("pty", reason="pseudo terminals are not here")
import fcntl  # noqa: E402
import select  # noqa: E402
import termios  # noqa: E402

PROGRAM = Path(__file__).with_name("watched_engine.py")
GIVE_UP_S = 60.0
LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"


def watch(size, duration_s, report, keys=(), environment=MappingProxyType({})):
    """Run the program on a terminal of that size; press each key once its text was seen. All that it sent."""
    pid, terminal = pty.fork()
    if pid == 0:
        mine = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        mine |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
        # a new environment: readline puts its own LINES and COLUMNS where os.environ does not see them
        os.execve(sys.executable, [sys.executable, str(PROGRAM), str(duration_s), str(report)], mine)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    sent, waiting = b"", list(keys)
    give_up_s = time.monotonic() + GIVE_UP_S
    while True:
        if time.monotonic() > give_up_s:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            pytest.fail(f"the view did not end: {sent[-300:]!r}")
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError:  # how Linux tells the end of a terminal
            break
        if not chunk:
            break
        sent += chunk
        if waiting and waiting[0][0] in sent:
            os.write(terminal, waiting.pop(0)[1])
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0, sent[-2000:].decode(errors="replace")
    return sent


def text_of(sent):
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", sent).decode(errors="replace")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_it_draws_and_ends_with_the_engine(size, tmp_path):
    sent = watch(size, 2.5, tmp_path / "report")
    shown, after = sent.split(LEAVE_ALTERNATE_SCREEN)
    assert b"\x1b[%d;1H" % size[1] in shown  # its last row is used
    assert "SPECTRUM" in text_of(shown)
    assert "LATENCY" in text_of(shown)
    usage = (tmp_path / "report").read_text()
    print(f"\nterminal view at {size[0]}×{size[1]}: {usage.rsplit(' ', 2)[0]}")
    assert usage.endswith("True False")
    assert "LOUD" in text_of(after)


def test_nothing_else_is_on_the_terminal_while_it_runs(tmp_path):
    sent = watch((80, 24), 0.5, tmp_path / "report")
    shown, after = sent.split(LEAVE_ALTERNATE_SCREEN)
    assert b"LOUD" not in shown
    assert "LOUD descriptor" in text_of(after)
    assert "LOUD libc" in text_of(after)


def test_keys_reach_the_engine_and_q_ends_it(tmp_path):
    keys = [(b"SPECTRUM", b" "), (b" MUTED ", b"q")]
    sent = watch((80, 24), 30.0, tmp_path / "report", keys)
    assert (tmp_path / "report").read_text().endswith("True True")
    assert LEAVE_ALTERNATE_SCREEN in sent


def test_no_colour_sends_none(tmp_path):
    sent = watch((80, 24), 0.5, tmp_path / "report", environment={"NO_COLOR": "1"})
    assert re.search(rb"\x1b\[[0-9;]*[34]8;[25];", sent) is None
    assert re.search(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7])m", sent) is None
