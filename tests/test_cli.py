"""The command line: exit codes, messages, help."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from routerset import __version__
from routerset.etl.cli import main
from routerset.etl.config import ConfigError
from routerset.etl.words import sizes_in
from tests.copies import ROOMS, ROOT
from tests.dumps import truth, write_config, write_items, write_wide

VERBS = (
    *("demo", "synth", "init", "build", "validate", "verify", "evaluate", "report", "publish", "audit"),
    *("export", "leaderboard", "status", "diff", "rollback"),
)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "routerset.etl.cli", verb, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "example" in done.stdout or verb == "evaluate"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    known = truth()
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_items(tmp_path / "items.csv", known.keys)
    return write_config(tmp_path / "x.toml")


def test_a_dry_run_touches_nothing(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(config), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    assert ["ingest", "would", "run"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "{tmp}/none.toml", "--out", "{tmp}/out"], 3, "No such file"),
        (["build", "{tmp}/bad.toml", "--out", "{tmp}/out"], 2, "unknown section"),
        (
            ["build", "{tmp}/x.toml", "--out", "{tmp}/out", "--only", "grups"],
            2,
            "valid stages: ingest, embed, curate, splits",
        ),
        (["build", "{tmp}/x.toml", "--out", "{tmp}/out", "--only", "groups"], 2, "needs stage ingest first"),
        (["build", "{tmp}/empty.toml", "--out", "{tmp}/out"], 3, "found nothing, expected a file, a folder"),
        (["build", "{tmp}/x.toml", "--out", "{tmp}/items.csv"], 3, "Not a directory"),
        (
            ["build", "{tmp}/textless.toml", "--out", "{tmp}/out"],
            3,
            "none.csv: no such file; check [[source]] items",
        ),
        (["build", "{tmp}/encoder.toml", "--out", "{tmp}/out"], 2, 'unknown encoder "minlm"; valid: minilm'),
        (["synth", "{tmp}/dumps2", "--layout", "exel"], 2, "layouts: wide, lm_eval"),
        (["synth", "{tmp}/dumps"], 2, "no synthetic dumps"),
        (["verify", "{tmp}"], 1, "expected a release"),
        (["evaluate", "{tmp}"], 3, "manifest.json"),
    ],
)
def test_errors_say_what_to_do(
    config: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.toml").write_text("[grups]\n")
    write_config(tmp_path / "empty.toml", dump="nothing/here")
    write_config(tmp_path / "encoder.toml", extra='[embed]\nencoders = ["minlm"]\n')
    (tmp_path / "textless.toml").write_text(config.read_text().replace("items.csv", "none.csv"))
    assert main([a.replace("{tmp}", str(tmp_path)) for a in arguments]) == code
    said = capsys.readouterr()
    assert message in said.err + said.out
    assert "Traceback" not in said.err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"routerset {__version__}\n"


def test_exit_codes_stand_in_one_place() -> None:
    """Errors name theirs; the evaluator, which ships alone, has its own."""
    number = re.compile(r"\bexit_code = \d|SystemExit\(\d|sys\.exit\(\d")
    ours = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    found = [path for path in ours if number.search(path.read_text(encoding="utf-8"))]
    assert {path.relative_to(ROOT).as_posix() for path in found} == {"release/evaluator/errors.py"}


def test_wrong_usage_exits_with_two() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["buidl"])
    assert stopped.value.code == 2


def test_an_interrupted_build_goes_on(config: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "routerset.etl.cli",
        "build",
        str(config),
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("ingest")
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode in (0, 130)
    assert "Traceback" not in said
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "\n\nrelease 1.0.0: " in again.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is the read-only place that root cannot write")
def test_a_read_only_place_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(config), "--out", "/proc/out"]) == 3
    assert "/proc/out" in capsys.readouterr().err


@pytest.mark.parametrize("sizes", ["", "²", "3,", "x", "1" * 5000])
def test_sizes_are_numbers(sizes: str) -> None:
    with pytest.raises(ConfigError, match="expected numbers, such as 3,5"):
        sizes_in(sizes)
    assert sizes_in("5,3,5") == (5, 3)
