"""docs/leaderboard.md and the workflow, as those follow them who hand in and who run a leaderboard."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from routerset.etl.cli import _parser, main
from routerset.release.evaluator import Release

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/leaderboard.md").read_text("utf-8")
FLOW = (ROOT / ".github/workflows/leaderboard.yml").read_text("utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(FLOW)
STEPS = WORKFLOW["jobs"]["score"]["steps"]


def blocks(language: str) -> list[str]:
    """Blocks of the page, without the indent of a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def test_the_whole_way_from_a_file_to_the_page(
    opened: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("release").symlink_to(opened.path)
    (script,) = blocks("python")
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    commit, *score = [shlex.split(block)[1:] for block in blocks("sh")]
    assert main(commit) == 0
    sha = capsys.readouterr().out.split()[0]
    mine = Path("submissions/mine")
    mine.mkdir(parents=True)
    (declared,) = blocks("toml")
    (mine / "submission.toml").write_text(declared.replace("SHA256", sha))
    shutil.copytree("submissions", "before")
    shutil.copy("predictions.csv", mine)
    for words in score:
        assert main(words) == 0
        assert "mine" in capsys.readouterr().out
    assert len(score) == 3
    assert Path("board/index.html").is_file()
    assert Path("hub/mine/.eval_results/NAME.yaml").is_file()


def test_the_example_calls_the_workflow_with_inputs_that_it_has() -> None:
    (block,) = blocks("yaml")
    for text in (block, re.sub("^# {0,3}", "", FLOW.partition("name: leaderboard")[0], flags=re.MULTILINE)):
        example = yaml.safe_load(text[text.index("on: pull_request\n") :].partition("\n\n")[0])
        assert (example[True], example["permissions"]) == ("pull_request", {"contents": "read"})
        job = example["jobs"]["score"]
        inputs = WORKFLOW[True]["workflow_call"]["inputs"]
        assert job["uses"] == "ORG/routerset/.github/workflows/leaderboard.yml@COMMIT"
        assert {name for name, of in inputs.items() if of.get("required")} == set(job["with"])


def test_a_stranger_gets_no_secret_and_runs_nothing() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOW["jobs"]["score"]
    assert not re.search(r"secrets\.|pull_request_target:|GITHUB_TOKEN", FLOW)
    uses = [step["uses"] for step in STEPS if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in uses)
    assert not any("${{" in step.get("run", "") for step in STEPS)
    out = [place for place, step in enumerate(STEPS) if "checkout" in step.get("uses", "")]
    assert all(STEPS[place]["with"]["persist-credentials"] is False for place in out)
    (install,) = (place for place, step in enumerate(STEPS) if "pip install" in step.get("run", ""))
    assert install < min(out)
    later = [step for step in STEPS[min(out) :] if "run" in step]
    assert [step["working-directory"] for step in later] == ["${{ runner.temp }}"]


def test_the_workflow_scores_against_the_state_before() -> None:
    (command,) = (step["run"] for step in STEPS if "routerset leaderboard" in step.get("run", ""))
    parsed = _parser().parse_args(shlex.split(command)[1:])
    assert parsed.strict
    assert str(parsed.committed) == "$GITHUB_WORKSPACE/before/$SUBMISSIONS"
    before, after = (step["with"] for step in STEPS if "checkout" in step.get("uses", ""))
    assert (before["path"], after["path"]) == ("before", "after")
    assert "ref" not in after
