"""`[curate] duplicates`: what is left out, where it is listed, and that all else stays as it was."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.expectations.validate import validate
from routerset.release.evaluator import evaluate, load_release
from routerset.release.evaluator.errors import UsageError
from routerset.release.evaluator.items import load_items
from routerset.release.manifest import read_manifest
from routerset.release.verify import verify
from tests.dumps import Truth, truth, write_config, write_items, write_wide

TEXT = '[curate]\nduplicates = "text"\n'
ITEMS, SPLITS = (
    "tables/items/benchmark=gsm8k/part-0.parquet",
    "tables/splits/scheme={}/benchmark=gsm8k/part-0.parquet",
)


TO_SPLITS = ("ingest", "curate", "splits")
PLAIN = ("ingest", "splits")


def run(config: Path, out: Path, stages: tuple[str | None, ...] = (None,)) -> None:
    """Build, some stages alone where they are named."""
    for stage in stages:
        build(load_config(config), out, Runner(), lambda *_: None, stage)


def digests(folder: Path, inside: str) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / inside).rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, Truth]:
    """Forty items, of which six ask one thing and two another."""
    known = truth(n_items=40)
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    texts = dict.fromkeys(known.keys[:6], "Who is it?") | dict.fromkeys(known.keys[6:8], "What  is it?")
    texts[known.keys[3]] = "who  is IT?"
    write_items(tmp_path / "items.csv", known.keys, texts)
    return write_config(tmp_path / "x.toml", extra=TEXT), known


def left_out(out: Path, scheme: str) -> list[str]:
    ids = pq.read_table(out / ITEMS)["item_id"].to_pylist()
    sides = pq.read_table(out / SPLITS.format(scheme))["split"].to_pylist()
    return [name for name, side in zip(ids, sides, strict=True) if side == "left_out"]


def test_the_first_train_item_of_a_question_stays(planted: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = planted
    out, without = tmp_path / "out", tmp_path / "without"
    run(config, out, TO_SPLITS)
    run(write_config(tmp_path / "y.toml"), without, PLAIN)
    questions = pq.read_table(out / ITEMS)["question_id"].to_pylist()
    ids = pq.read_table(out / ITEMS)["item_id"].to_pylist()
    for scheme in ("paper", "family"):
        before = pq.read_table(without / SPLITS.format(scheme))["split"].to_pylist()
        expected, seen = [], set()
        for name, question, side in zip(ids, questions, before, strict=True):
            if side == "train" and question in seen:
                expected.append(name)
            if side == "train":
                seen.add(question)
        assert expected
        assert left_out(out, scheme) == expected
        after = pq.read_table(out / SPLITS.format(scheme))["split"].to_pylist()
        assert all(a in (b, "left_out") for a, b in zip(after, before, strict=True))
    listed = pq.read_table(out / "tables/curated.parquet").to_pylist()
    assert {(row["scheme"], row["id"]) for row in listed} == {
        (scheme, name) for scheme in ("paper", "family") for name in left_out(out, scheme)
    }
    kept = [path for path in digests(out, "tables") if "/items/" in path or "/scores/" in path]
    assert [digests(out, "tables")[path] for path in kept] == [
        digests(without, "tables")[path] for path in kept
    ]


def test_everywhere_leaves_one_item_of_a_question(planted: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = planted
    config.write_text(config.read_text() + 'scope = "everywhere"\n')
    run(config, tmp_path / "out", TO_SPLITS)
    assert len(left_out(tmp_path / "out", "paper")) == 6 == len(left_out(tmp_path / "out", "family"))
    assert not validate(tmp_path / "out", stage="splits").errors


def test_release_counts_loads_and_verifies(planted: tuple[Path, Truth], tmp_path: Path) -> None:
    from datasets import load_dataset

    config, known = planted
    out = tmp_path / "out"
    run(config, out)
    release, gone = out / "release", left_out(out, "paper")
    told = read_manifest(release).curated["records"]["gsm8k"]
    away = len(gone) * len(known.models)
    assert told == {"kept": 480, "used": 480 - away, "curated_away": away}
    assert not verify(release)
    assert not validate(release).errors
    loaded = load_dataset(str(release), "gsm8k", cache_dir=str(tmp_path / "cache"))
    assert loaded["left_out"]["item_id"] == gone
    assert not set(gone) & set(loaded["train"]["item_id"])
    assert sum(len(rows) for rows in loaded.values()) == 40
    listed = load_dataset(str(release), "curated", cache_dir=str(tmp_path / "cache"))["train"]
    assert set(gone) <= set(listed["id"])
    opened = load_release(release)
    for scheme in ("paper", "family"):
        parts = load_items(opened, "gsm8k", [], None, scheme).parts
        shown = [name for part in parts.values() for name in part.item_ids]
        assert len(shown) == len(set(shown)) == 40 - len(left_out(out, scheme))
        assert not set(shown) & set(left_out(out, scheme))
    with pytest.raises(UsageError, match="drop --compat"):
        evaluate(opened, routers=["best_single"], compat=True)


def test_without_curate_every_byte_is_as_before(planted: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = planted
    plain = write_config(tmp_path / "y.toml")
    run(plain, tmp_path / "plain")
    run(config, tmp_path / "out")
    assert (tmp_path / "out/tables/curated.parquet").exists()
    run(plain, tmp_path / "out")
    for inside in ("tables", "release"):
        assert digests(tmp_path / "out", inside) == digests(tmp_path / "plain", inside)
    assert "curated" not in (tmp_path / "out/release/manifest.json").read_text()
    assert "curated" not in (tmp_path / "out/release/README.md").read_text()


def test_no_duplicates_leave_no_table(tmp_path: Path) -> None:
    known = truth()
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_items(tmp_path / "items.csv", known.keys)
    run(write_config(tmp_path / "x.toml", extra=TEXT), tmp_path / "out", TO_SPLITS)
    assert not (tmp_path / "out/tables/curated.parquet").exists()
    assert left_out(tmp_path / "out", "paper") == []


def test_order_of_files_does_not_matter(planted: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = planted
    run(config, tmp_path / "one", TO_SPLITS)
    (tmp_path / "dumps/a.csv").unlink()
    for name, rows in (("b", slice(6, None)), ("c", slice(0, 6))):
        write_wide(tmp_path / f"dumps/{name}.csv", known.models[rows], known.keys, known.scores[rows])
    run(config, tmp_path / "two", TO_SPLITS)
    found = [digests(tmp_path / name, "tables") for name in ("one", "two")]
    assert len({path for path in found[0] if "curated" in path or "splits" in path}) == 3
    for path in found[0]:
        assert "runs" in path or found[0][path] == found[1][path]


def test_a_build_that_was_cut_short_ends_the_same(planted: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = planted
    out = tmp_path / "out"
    run(config, out, TO_SPLITS)
    before = digests(out, "tables")
    for lost in ("curated.parquet", "splits"):
        path = out / "tables" / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        run(config, out, TO_SPLITS)
        assert digests(out, "tables") == before
    run(config, tmp_path / "new", ("ingest", "curate"))  # killed between stages
    run(config, tmp_path / "new", TO_SPLITS)
    assert digests(tmp_path / "new", "tables") == before


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('[curate]\nduplicates = "txt"\n', 'did you mean "text"'),
        ('[curate]\nduplicates = "text"\nscope = "test"\n', "train, everywhere"),
        ("[curate]\nduplicate = 1\n", "valid keys: preset, duplicates, scope"),
    ],
)
def test_a_wrong_section_is_refused(tmp_path: Path, extra: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(write_config(tmp_path / "x.toml", extra=extra))
