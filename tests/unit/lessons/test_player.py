"""Players: the first that is installed and works, and never our input."""

import sys

import pytest

from sonify.lessons.player import PLAYERS, Player


@pytest.fixture
def programs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(name, body="pass"):
        path = tmp_path / name
        note = f"open({str(tmp_path / 'log')!r}, 'a').write({name!r} + repr(sys.argv[1:]) + chr(10))"
        path.write_text(f"#!{sys.executable}\nimport sys\n{note}\n{body}\n")
        path.chmod(0o755)

    def log():
        file = tmp_path / "log"
        return file.read_text().splitlines() if file.exists() else []

    install.log = log
    return install


@pytest.mark.usefixtures("programs")
def test_without_a_player_it_says_so_and_goes_on(tmp_path):
    said = []
    assert not Player(said.append).play(tmp_path / "clip.wav", 1.0)
    assert len(said) == 1
    assert all(name in said[0] for name in PLAYERS)


def test_the_first_in_order_plays(programs, tmp_path):
    programs("ffplay")
    programs("aplay")
    said = []
    assert Player(said.append).play(tmp_path / "clip.wav", 20.0)
    assert said == []
    assert programs.log() == [f"aplay{['-q', str(tmp_path / 'clip.wav')]!r}"]


def test_one_that_fails_is_told_once_and_the_next_one_plays(programs, tmp_path):
    programs("paplay", "print('\\nConnection\\x1b refused', file=sys.stderr); sys.exit(1)")
    programs("aplay")
    said = []
    player = Player(said.append)
    player.play(tmp_path / "clip.wav", 20.0)
    player.play(tmp_path / "clip.wav", 20.0)
    assert said == ["paplay cannot play: Connection refused; trying aplay."]
    assert [line.split("[")[0] for line in programs.log()] == ["paplay", "aplay", "aplay"]


def test_one_that_fails_as_if_all_were_well(programs, tmp_path):
    programs("ffplay", "print('audio open failed', file=sys.stderr)")
    said = []
    Player(said.append).play(tmp_path / "clip.wav", 20.0)
    assert said == ["ffplay cannot play: audio open failed; play the clips yourself."]


def test_one_that_does_not_end_is_ended(programs, tmp_path):
    programs("paplay", "import time; time.sleep(60)")
    said = []
    Player(said.append).play(tmp_path / "clip.wav", 0.5)
    assert "does not end" in said[0]


def test_a_player_gets_nothing_to_read(programs, tmp_path):
    programs("paplay", "sys.exit(len(sys.stdin.read()))")
    said = []
    Player(said.append).play(tmp_path / "clip.wav", 20.0)
    assert said == []
