"""``sonify presets``: what is listed, what is shown, and PromQL that a server takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import missing_tool

from sonify.commands.presets import presets
from sonify.errors import PresetError, UsageError
from sonify.readers.preset_queries import panel_queries
from sonify.readers.signals import list_signals, load_signals


def run(*arguments: str) -> str:
    result = CliRunner().invoke(presets, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def queries_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_list_says_how_signals_were_verified() -> None:
    lines = run("list").splitlines()
    rows = {line.split()[0]: line.split() for line in lines[lines.index("signals") + 1 :]}
    assert sorted(rows) == list_signals()
    assert rows["envoy"][1] == "live"
    assert all(row[1] == load_signals(name).state for name, row in rows.items())
    assert max(map(len, lines)) <= 140


@pytest.mark.parametrize("name", list_signals())
def test_a_shipped_signals_preset_is_good(name: str, tmp_path: Path) -> None:
    assert run("check", name, "--signals") == f"{name}: good\n"
    copy = tmp_path / "mine.toml"
    copy.write_text(run("show", name, "--signals"), encoding="utf-8")
    assert json.loads(run("check", str(copy), "--signals", "--json"))["kind"] == "signals"


def test_a_bad_signals_preset_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[requests]\nmetrik = "x"\n')
    with pytest.raises(PresetError, match=r"requests\.metrik.*did you mean requests\.metric"):
        CliRunner().invoke(presets, ["check", str(path), "--signals"], catch_exceptions=False)


def test_every_panel_has_a_query_and_every_name_its_own() -> None:
    text = run("show", "envoy", "--queries", "--window", "30s")
    for table, signal in load_signals("envoy").panels():
        assert f"# {table}: " in text
        for name in (*signal.metrics, *signal.plus):
            assert any(name in query for query in queries_in(text)), name
    assert 'envoy_response_code_class="5"' in text
    assert "[30s]" in text
    assert "# or, where that is not there:" in text
    assert run("show", "haproxy", "--queries").count("avg by (proxy)") == 2
    assert "minus" not in text
    assert "# active: taken away from it where it is there\nsum (grpc_server_handled_total)" in run(
        "show", "grpc", "--queries"
    )


def test_queries_of_a_file_and_of_a_window_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "a\\nb"\n[backend]\nlabels = ["service.name"]\n[requests]\nmetric = "http.hits"\n')
    text = run("show", str(path), "--queries", "--window", "1.5s")
    assert queries_in(text) == ['sum by ("service.name") (rate({__name__="http.hits","service.name"!=""}[1500ms]))']
    with pytest.raises(UsageError, match="soon"):
        CliRunner().invoke(presets, ["show", "envoy", "--queries", "--window", "soon"], catch_exceptions=False)


def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    promtool = shutil.which("promtool") or missing_tool("promtool")
    rules = []
    for name in list_signals():
        queries = queries_in(run("show", name, "--queries"))
        assert len(queries) == len(panel_queries(load_signals(name)))
        rules += [{"record": f"q:{len(rules) + index}", "expr": query} for index, query in enumerate(queries)]
    assert len(rules) > 200
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(
        [str(promtool), "check", "rules", "--lint=none", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
