"""The workflow, the hook and the examples that others copy fit each other and the command line."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from routerset.etl.cli import _parser

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ".github/workflows/validate.yml"


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def examples(name: str) -> list[Any]:
    """Every YAML block of a page."""
    return [
        yaml.safe_load(block)
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/validation.md"])
def test_the_example_calls_the_workflow_with_inputs_that_it_has(page: str) -> None:
    inputs = load(WORKFLOW)[True]["workflow_call"]["inputs"]  # YAML 1.1 reads the key `on` so
    (job,) = (block["jobs"]["gate"] for block in examples(page) if "jobs" in block)
    assert job["uses"] == f"ORG/routerset/{WORKFLOW}@COMMIT"
    assert job["with"]["package"].endswith("@COMMIT")
    assert set(job["with"]) <= set(inputs)
    assert {name for name, entry in inputs.items() if entry.get("required")} <= set(job["with"])


def test_the_workflow_runs_the_gate_and_keeps_its_pages() -> None:
    steps = load(WORKFLOW)["jobs"]["validate"]["steps"]
    (command,) = (step["run"] for step in steps if "routerset validate" in step.get("run", ""))
    words = shlex.split(re.sub(r"\$\{VALIDATE_\w+:\+(.*?)\} ", r"\1 ", command))
    parsed = _parser().parse_args(words[1:])
    assert (parsed.format, parsed.config) == ("github", Path("$VALIDATE_CONFIG"))
    assert steps[-1]["if"] == "always()"
    assert parsed.out == Path("$RUNNER_TEMP/validation")
    assert steps[-1]["with"]["path"] == "${{ runner.temp }}/validation"


def test_the_workflow_and_the_hook_install_the_gate_alone() -> None:
    workflow = load(WORKFLOW)
    assert workflow[True]["workflow_call"]["inputs"]["package"]["default"] == "routerset[gate]"
    runs = [step["run"] for step in workflow["jobs"]["validate"]["steps"] if "run" in step]
    assert [run for run in runs if "pip install" in run] == ['python -m pip install "$PACKAGE"']
    (hook,) = load(".pre-commit-hooks.yaml")
    assert hook["additional_dependencies"] == [".[gate]"]
    for page in ("README.md", "docs/validation.md"):
        (job,) = (block["jobs"]["gate"] for block in examples(page) if "jobs" in block)
        assert job["with"]["package"].startswith("routerset[gate] @ ")


def test_the_workflow_names_no_package_host() -> None:
    assert "://" not in "".join(step.get("run", "") for step in load(WORKFLOW)["jobs"]["validate"]["steps"])


def test_the_hook_is_the_gate_and_the_example_names_it() -> None:
    (hook,) = load(".pre-commit-hooks.yaml")
    assert hook["entry"] == "routerset validate"
    assert hook["pass_filenames"] is False
    (example,) = (block["repos"][0] for block in examples("docs/validation.md") if "repos" in block)
    (used,) = example["hooks"]
    assert used["id"] == hook["id"]
    _parser().parse_args([*hook["entry"].split()[1:], *used["args"]])


def test_the_hook_runs_whatever_changes_a_deletion_or_the_card_too() -> None:
    (hook,) = load(".pre-commit-hooks.yaml")
    assert hook["always_run"] is True
    assert not {"files", "types", "exclude"} & set(hook)


def test_what_is_pinned_is_a_commit_as_the_page_says() -> None:
    (example,) = (block["repos"][0] for block in examples("docs/validation.md") if "repos" in block)
    assert example["rev"] == "COMMIT"
    page = (ROOT / "docs/validation.md").read_text("utf-8")
    assert "git ls-remote https://github.com/ORG/routerset HEAD" in page


@pytest.mark.parametrize("path", ["release", "out/a b:c", "dumps/" + "x" * 300])
def test_artifacts_of_two_calls_have_two_names_that_are_allowed(path: str, tmp_path: Path) -> None:
    steps = load(WORKFLOW)["jobs"]["validate"]["steps"]
    (step,) = (step for step in steps if step.get("id") == "artifact")
    assert steps[-1]["with"]["name"] == "${{ steps.artifact.outputs.name }}"
    names = set()
    for call in range(2):
        out = tmp_path / str(call)
        environment = {"VALIDATE_PATH": path, "GITHUB_OUTPUT": str(out), "PATH": os.environ["PATH"]}
        subprocess.run(["bash", "-ec", step["run"]], env=environment, check=True)
        (line,) = out.read_text("utf-8").splitlines()
        names.add(line.removeprefix("name="))
    assert len(names) == 2
    assert all(re.fullmatch(r"validation-[\w.-]{3,80}", name, re.ASCII) for name in names)
