"""The workflow that rebuilds on a schedule."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

WORKFLOW = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / ".github/workflows/rebuild.yml").read_text(encoding="utf-8")
)
TRIGGERS = WORKFLOW[True]  # YAML 1.1 reads `on` as a truth value
STEPS = {step.get("name", step.get("uses")): step for step in WORKFLOW["jobs"]["rebuild"]["steps"]}
SET = {"HF_TOKEN": "hf_x", "DATASET": "hf://datasets/org/name", "CONFIG": "configs/full.toml"}


def test_it_runs_off_the_hour_and_by_hand_without_publishing() -> None:
    minute = TRIGGERS["schedule"][0]["cron"].split()[0]
    assert int(minute) % 15 != 0
    dry_run = TRIGGERS["workflow_dispatch"]["inputs"]["dry_run"]
    assert (dry_run["type"], dry_run["default"]) == ("boolean", True)


def test_one_runs_at_a_time_and_none_is_cancelled() -> None:
    assert WORKFLOW["concurrency"] == {"group": "rebuild", "cancel-in-progress": False}


def test_the_validation_is_kept_whatever_happens() -> None:
    step = STEPS["Keep the validation"]
    assert (step["if"], step["with"]["path"]) == ("always()", "${{ env.BUILD }}/validation")


def test_only_steps_that_talk_to_the_hub_get_the_token() -> None:
    given = [name for name, step in STEPS.items() if "HF_TOKEN" in step.get("env", {})]
    assert given == ["Credentials and settings are there", "Build", "Publish"]


@pytest.mark.parametrize("missing", [None, *SET])
def test_a_missing_credential_or_setting_ends_it(missing: str | None) -> None:
    environment = {name: value for name, value in SET.items() if name != missing}
    script = STEPS["Credentials and settings are there"]["run"]
    done = subprocess.run(
        ["bash", "-e", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if missing is None else 1)
    assert done.stdout.startswith("" if missing is None else f"::error::{missing} is empty")


def test_a_publisher_that_fails_ends_it() -> None:
    """`tee` must not hide the exit code; GitHub's own shell sets pipefail only where bash is named."""
    assert STEPS["Publish"]["shell"] == "bash"
