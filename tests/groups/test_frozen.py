"""`[groups] freeze`: published groups stay while models join, which is MINOR; without it, MAJOR."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.groups.check import check_groups
from routerset.etl.groups.frozen import FrozenError
from routerset.etl.pipeline import WorkFailed
from routerset.expectations.validate import validate
from routerset.release.verify import verify
from tests.dumps import write_config, write_items, write_wide
from tests.test_nulls import rasch

OLD, NEW = 24, 8
SCORES = rasch(OLD + NEW, 120, seed=5).astype(float)
NAMES = [f"org/m{row:03}" for row in range(OLD + NEW)]
METHODS = ("greedy", "paper", "universe", "diverse")


def make(
    folder: Path,
    out: str,
    rows: Sequence[int],
    *,
    previous: Path | str | None = None,
    freeze: str | None = None,
    methods: Sequence[str] = METHODS,
    sizes: str = "",
) -> Path:
    """A build of some of the models; returns its folder."""
    keys = [str(key) for key in range(SCORES.shape[1])]
    write_items(folder / "items.csv", keys)
    shutil.rmtree(folder / "dumps", ignore_errors=True)
    write_wide(folder / "dumps" / "a.csv", [NAMES[row] for row in rows], keys, SCORES[[*rows]])
    extra = f"methods = {json.dumps([*methods])}\n"
    extra += f"freeze = {json.dumps(freeze)}\n" if freeze else ""
    extra += f"[release]\nprevious = {json.dumps(str(previous))}\n" if previous else ""
    path = write_config(folder / "x.toml", extra=extra)
    if sizes:
        path.write_text(path.read_text().replace("sizes = [3, 5]", f"sizes = {sizes}"))
    build(load_config(path), folder / out, Runner(), lambda *_: None)
    return folder / out


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the models that came first, and beside it the folder of its published release."""
    folder = tmp_path_factory.mktemp("frozen")
    out = make(folder, "one", range(OLD))
    shutil.copytree(out / "release", folder / "published/v1.0.0")
    return folder


def _version(made: Path) -> str:
    version: str = json.loads((made / "release/manifest.json").read_text())["release"]["version"]
    return version


def test_groups_stay_while_models_join(first: Path) -> None:
    made = make(first, "kept", range(OLD + NEW), previous=first / "published", freeze="v1.0.0")
    old, new = first / "published/v1.0.0", made / "release"
    assert _version(made) == "1.1.0"
    for path in ("groups.parquet", "limits.parquet", "data/gsm8k/train.parquet", "data/gsm8k/test.parquet"):
        assert (old / path).read_bytes() == (new / path).read_bytes()
    assert len(pq.read_table(new / "scores/gsm8k.parquet")) == (OLD + NEW) * SCORES.shape[1]
    frozen = json.loads((new / "manifest.json").read_text())["frozen"]
    groups = {
        (row["method"], row["m"], row["kind"]) for row in pq.read_table(old / "groups.parquet").to_pylist()
    }
    assert frozen["version"] == "1.0.0"
    assert frozen["groups"] == {"gsm8k": sorted(f"{method}_m{m}_{kind}" for method, m, kind in groups)}
    assert "those of version 1.0.0" in (new / "README.md").read_text()
    assert [f"{f.suite}.{f.expectation} {f.examples}" for f in validate(made).errors] == []
    notes: list[str] = []
    assert verify(new, [lambda release: check_groups(release, notes.append)]) == []
    assert any("frozen since v1.0.0" in note for note in notes)


def test_groups_chosen_anew_are_another_major_version(first: Path) -> None:
    made = make(first, "anew", range(OLD + NEW), previous=first / "published")
    assert _version(made) == "2.0.0"
    assert "frozen" not in json.loads((made / "release/manifest.json").read_text())


def test_other_sizes_and_methods_are_chosen_beside_them(first: Path) -> None:
    release = first / "published/v1.0.0/groups.parquet"
    made = make(
        first, "more", range(OLD + NEW), previous=first / "published", freeze=str(release), sizes="[3, 4, 5]"
    )
    groups = pq.read_table(made / "release/groups.parquet").to_pylist()
    assert {row["m"] for row in groups} == {3, 4, 5}
    assert [row for row in groups if row["m"] != 4] == pq.read_table(release).to_pylist()
    assert _version(made) == "1.1.0"
    assert [str(f) for f in validate(made).errors] == []
    assert verify(made / "release", [check_groups]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": range(1, OLD + NEW)}, r"org/m000|candidates"),
        ({"methods": ("greedy", "paper")}, "method 'diverse' is none of the build's: greedy, paper"),
        ({"sizes": "[5]"}, "m 3 is none of the build's: 5"),
        ({"freeze": "v9.9.9"}, r"found no release 'v9\.9\.9'"),
        ({"freeze": "nowhere"}, "found no release"),
    ],
)
def test_what_cannot_be_kept_is_named(first: Path, changes: dict[str, object], said: str) -> None:
    strongest = int(np.argmax(SCORES[:OLD].mean(axis=1)))
    rows = [row for row in range(OLD + NEW) if row != strongest] if "rows" in changes else range(OLD + NEW)
    given: dict[str, object] = {"freeze": "v1.0.0", **changes}
    given.pop("rows", None)
    with pytest.raises((FrozenError, WorkFailed), match=said) as told:
        make(first, "wrong", rows, previous=first / "published", **given)  # type: ignore[arg-type]
    assert told.value.exit_code == 2
    assert "take `freeze` out of [groups]" in str(told.value)


def test_a_version_needs_a_previous_release(first: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"\[groups\] freeze: 'v1.0.0' is a version of \[release\] previous"
    ):
        make(first, "wrong", range(OLD), freeze="v1.0.0")
