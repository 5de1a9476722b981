import pytest

from sonify.errors import UsageError
from sonify.runner.config import SourceConfig, load_config

WHOLE = """
sound = "organ"
device = 3
channels = "3,4"
ahead = "80ms"
record = "played.jsonl.gz"
block = 1024
[[source]]
spec = "prometheus+http://127.0.0.1:9090"
signals = "code-live"
options = { interval = "2s", retries = 3 }
[[source]]
spec = "sim:incident"
"""


def load(tmp_path, text):
    path = tmp_path / "listen.toml"
    path.write_text(text)
    return load_config(path)


def test_everything_that_the_command_line_says(tmp_path):
    config = load(tmp_path, WHOLE)
    assert config.sources == (
        SourceConfig("prometheus+http://127.0.0.1:9090", "code-live", ("interval=2s", "retries=3")),
        SourceConfig("sim:incident"),
    )
    assert (config.sound, config.device, config.channels, config.block) == ("organ", "3", "3,4", 1024)
    assert config.record == str(tmp_path / "played.jsonl.gz")
    assert config.seed is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sound = 'organ'", "at least one"),
        ("volume = 3\n[[source]]\nspec='sim:busy'", "volume: no such key"),
        ("[[source]]\nspec='sim:busy'\nspeed=2", "speed: no such key"),
        ("[[source]]\nsignals='auto'", "spec: missing"),
        ("[source]\nspec='sim:busy'", "at least one"),
        ("block = 'big'\n[[source]]\nspec='sim:busy'", "block"),
        ("sound = ''\n[[source]]\nspec='sim:busy'", "sound"),
        ("[[source]]\nspec='sim:busy'\noptions='interval=2s'", "options"),
        ("[[source", "not valid TOML"),
    ],
)
def test_what_is_not_allowed_is_named(text, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        load(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml")
