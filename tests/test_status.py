"""`routerset status`: what a build, a release and published versions say of themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routerset.etl.build import build
from routerset.etl.cli import main
from routerset.etl.config import Runner, load_config
from routerset.etl.stages.rows import STAGES
from routerset.release.publish import folder as publish_folder
from routerset.release.publish.hub import publish
from tests.dumps import truth, write_config, write_items, write_wide


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of twelve models, without a gate, and what was published of it."""
    place = tmp_path_factory.mktemp("place")
    known = truth()
    write_wide(place / "dumps/a.csv", known.models, known.keys, known.scores)
    with (place / "dumps/a.csv").open("a") as dump:
        dump.write("org/bad," + ",".join(["7"] * len(known.keys)) + "\n")
    write_items(place / "items.csv", known.keys)
    make(write_config(place / "x.toml", extra='[release]\nprevious = "published"\n'), place / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_folder, "check_arrival", lambda *_: [])
        publish(place / "out/release", str(place / "published"))
    return place


def make(config: Path, out: Path, only: str | None = None) -> None:
    build(load_config(config), out, Runner(), lambda *_: None, only)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["status", *words, "--format", "json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def states(found: dict[str, object]) -> dict[str, str]:
    return {row["stage"]: row["state"] for row in found["stages"]}  # type: ignore[index, attr-defined]


def test_a_build_tells_its_stages_and_records(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = place / "out"
    found = asked(capsys, str(out))
    assert (found["what"], found["version"], found["last run"]) == ("build", "1.0.0", "done")
    assert found["records"] == {"read": 260, "kept": 240, "superseded": 0, "quarantined": 20}
    assert found["quarantined"] == {"score_out_of_range": 20}
    assert found["benchmarks"][0]["models"] == 12  # type: ignore[index]
    assert set(states(found)) == {stage.name for stage in STAGES}
    assert states(found)["groups"] == "fresh"
    assert main(["status", str(out)]) == 0
    told = capsys.readouterr().out
    assert max(len(line) for line in told.splitlines() if "/" not in line) <= 80
    assert "score_out_of_range  20" in told


def test_a_changed_config_makes_stages_stale(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (place / "x.toml").read_text().replace("sizes = [3, 5]", "sizes = [3]")
    other = place / "other.toml"
    other.write_text(text)
    found = asked(capsys, str(place / "out"), "--config", str(other))
    assert states(found)["splits"] == "fresh"
    assert states(found)["groups"] == states(found)["release"] == "stale"
    assert found["next"] == f"routerset build {other} --out {place / 'out'}"


def test_a_build_that_failed_or_was_cut_off_says_so(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    make(place / "x.toml", out, "ingest")
    found = asked(capsys, str(out))
    assert (states(found)["ingest"], states(found)["splits"]) == ("fresh", "never ran")
    assert (found["version"], found["next"]) == (
        "no release yet",
        f"routerset build {place / 'x.toml'} --out {out}",
    )
    with pytest.raises(ValueError, match="needs stage splits first"):
        make(place / "x.toml", out, "groups")
    found = asked(capsys, str(out))
    assert (found["last run"], "needs stage splits first" in str(found["error"])) == ("failed", True)
    (out / "staging/last_run.json").unlink()
    part = next((out / "tables/scores").rglob("*.parquet"))
    part.write_bytes(b"x")
    assert states(asked(capsys, str(out)))["ingest"] == "altered"


def test_a_release_and_published_versions_tell_theirs(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(capsys, str(place / "out/release"))
    assert (found["what"], found["version"], found["missing"]) == ("release", "1.0.0", 0)
    target = place / "published"
    found = asked(capsys, str(target))
    assert (found["version"], found["latest"], found["cut off"]) == ("1.0.0", "v1.0.0", "nothing")
    assert [row["version"] for row in found["versions"]] == ["1.0.0"]  # type: ignore[attr-defined, index]
    (target / ".v1.1.0.draft").mkdir()
    try:
        assert asked(capsys, str(target))["cut off"] == ".v1.1.0.draft"
    finally:
        (target / ".v1.1.0.draft").rmdir()


@pytest.mark.parametrize("name", ["nothing", "dumps"])
def test_a_place_with_nothing_of_ours_is_told(
    place: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(place / name)]) == 3
    assert "expected a build, a release, or a place" in capsys.readouterr().err
