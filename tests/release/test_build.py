"""A build becomes a release: right, whole, the same bytes everywhere, and nothing that must not leave."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release import layout
from routerset.release import write as tables
from routerset.release.build import seal, write_release
from routerset.release.errors import ReleaseError, ReleaseInputError
from routerset.release.evaluator import evaluate, load_release
from routerset.release.manifest import read_manifest
from routerset.release.verify import verify
from routerset.schemas import store
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.groups import Group
from routerset.schemas.tables import GROUPS, SPLITS, STRENGTHS, Kind, Split
from tests.release.builds import QUESTION, Bench, binary, options, small_benches, write_build


def read(release: Path, path: str) -> pa.Table:
    return pq.ParquetFile(release / path).read()


def data(release: Path, benchmark: str) -> pa.Table:
    """All items of a benchmark, in canonical order."""
    sides = [read(release, layout.data_path(benchmark, split)) for split in Split]
    return pa.concat_tables(sides).sort_by("item")


def members(release: Path, benchmark: str, column: str) -> list[str]:
    group = Group.parse(column)
    rows = [
        row
        for row in read(release, layout.GROUPS).to_pylist()
        if (row["benchmark"], row["method"], row["m"], row["kind"])
        == (benchmark, group.method, group.m, group.kind)
    ]
    return [row["model_id"] for row in sorted(rows, key=lambda row: row["rank"])]


def bench(name: str) -> Bench:
    return next(b for b in small_benches() if b.name == name)


@pytest.mark.parametrize("name", ["gsm8k", "truthfulqa", "gpqa"])
@pytest.mark.parametrize("kind", STRENGTHS)
def test_group_columns_hold_the_scores_of_the_candidates(built: Path, name: str, kind: Kind) -> None:
    column = f"paper_m3_{kind}"
    rows = [int(model[-4:]) for model in members(built / "release", name, column)]
    found = data(built / "release", name)
    scores = bench(name).scores[rows].T
    best = scores.max(axis=1, keepdims=True).astype(np.float64)
    labels = (scores.astype(np.float64) >= 0.95 * best) & (best > 0)
    assert found[column].to_pylist() == scores.tolist()
    assert found[f"{column}_label"].to_pylist() == labels.astype(int).tolist()


def test_data_files_have_the_columns_of_the_contract(built: Path) -> None:
    table = read(built / "release", "data/gsm8k/train.parquet")
    plain = [
        *("item", "item_id", "subset", "category", "question", "question_source", "prompt", "question_id"),
        *("family_id", "license", "split_paper", "split_family"),
    ]
    groups = [f"paper_m{m}_{kind}{end}" for m in (3, 5) for kind in STRENGTHS for end in ("", "_label")]
    assert table.column_names == plain + groups
    assert table.schema.field("paper_m5_all_weak").type.list_size == 5
    assert table.schema.field("paper_m5_all_weak").type.value_type == pa.float32()
    assert table.schema.field("paper_m5_all_weak_label").type.value_type == pa.uint8()


def test_vectors_stand_with_their_items(built: Path) -> None:
    for split in Split:
        items = read(built / "release", layout.data_path("gsm8k", split))
        vectors = read(built / "release", layout.vectors_path("minilm", "gsm8k", split))
        source = read(built, "tables/embeddings/encoder=minilm/benchmark=gsm8k/part-0.parquet")
        assert vectors.column_names[:3] == ["item_id", "subset", "embedding"]
        assert vectors["item_id"].to_pylist() == items["item_id"].to_pylist()
        assert vectors["embedding"].to_pylist() == source["vector"].take(items["item"]).to_pylist()
        assert vectors.select(vectors.column_names[3:]).equals(items.select(vectors.column_names[3:]))


@pytest.mark.parametrize("schemes", [("paper", "family"), ("family", "paper"), ("family",)])
def test_files_follow_the_first_scheme(built: Path, tmp_path: Path, schemes: tuple[str, ...]) -> None:
    write_release(built, tmp_path / "release", options(schemes=schemes))
    for scheme in schemes:
        source = read(built, f"tables/splits/scheme={scheme}/benchmark=gpqa/part-0.parquet")
        found = data(tmp_path / "release", "gpqa")[f"split_{scheme}"]
        assert found.to_pylist() == source["split"].to_pylist()
    for split in Split:
        table = read(tmp_path / "release", layout.data_path("gpqa", split))
        assert set(table[f"split_{schemes[0]}"].to_pylist()) == {split.value}
        assert table["item"].to_pylist() == sorted(table["item"].to_pylist())


def test_scores_and_models_are_those_of_the_build(built: Path) -> None:
    for source, path in (("scores/benchmark=gsm8k/part-0", "scores/gsm8k"), ("models", "models")):
        assert read(built, f"tables/{source}.parquet").equals(read(built / "release", f"{path}.parquet"))


def test_withheld_text_is_nowhere_in_the_release(built: Path) -> None:
    words = QUESTION.format(name="gpqa", item=1).rsplit(" ", 1)[0]
    leaks = []
    for path in sorted((built / "release").rglob("*")):
        if path.suffix == ".parquet":
            cells = [c for column in read(path.parent, path.name).columns for c in column.to_pylist()]
            leaks += [path] * any(words in cell for cell in cells if isinstance(cell, str))
        elif path.is_file():
            leaks += [path] * (words in path.read_text(encoding="utf-8"))
    assert leaks == []
    table = data(built / "release", "gpqa")
    assert (table["question"].null_count, table["prompt"].null_count) == (30, 30)
    assert data(built / "release", "gsm8k")["question"].null_count == 0


def test_two_builds_in_two_folders_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    build = write_build(tmp_path / "elsewhere", small_benches())
    result = write_release(build, tmp_path / "out", options())
    first = {path: (built / "release" / path).read_bytes() for path in result.files}
    assert first == {path: (tmp_path / "out" / path).read_bytes() for path in result.files}
    on_disk = sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()
    )
    assert sorted(result.files) == on_disk


def test_no_file_tells_where_it_was_built(built: Path) -> None:
    told = [
        path
        for path in (built / "release").rglob("*")
        if path.is_file() and str(built.parent).encode() in path.read_bytes()
    ]
    assert told == []


def test_row_groups_do_not_change_the_rows(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CELLS", 60)
    write_release(built, tmp_path / "release", options())
    path = "data/gsm8k/train.parquet"
    assert pq.ParquetFile(tmp_path / "release" / path).num_row_groups > 10
    assert read(tmp_path / "release", path).equals(read(built / "release", path))
    assert verify(tmp_path / "release") == []


def test_a_missing_score_of_a_candidate_is_null_and_no_good_choice(tmp_path: Path) -> None:
    scores = binary(10, 20, 7)
    scores[:, 3] = np.nan
    scores[0, 3] = 1.0
    continuous = scores * np.float32(0.5)
    build = write_build(tmp_path, [Bench("gsm8k", scores), Bench("truthfulqa", continuous)])
    write_release(build, tmp_path / "release", options(skipped_groups=(), accounting=()))
    for name, known in (("gsm8k", scores), ("truthfulqa", continuous)):
        row = data(tmp_path / "release", name).slice(3, 1).to_pylist()[0]
        for column in (f"paper_m5_{kind}" for kind in STRENGTHS):
            models = [int(model[-4:]) for model in members(tmp_path / "release", name, column)]
            expected = [None if np.isnan(known[m, 3]) else known[m, 3] for m in models]
            assert row[column] == expected
            assert row[f"{column}_label"] == [int(value is not None) for value in expected]
    assert verify(tmp_path / "release") == []


def test_the_manifest_counts_what_is_there(built: Path) -> None:
    manifest = read_manifest(built / "release")
    assert (manifest.name, manifest.version, manifest.previous) == ("tiny", "1.0.0", None)
    assert list(manifest.benchmarks) == [n for n in BENCHMARKS if n in {b.name for b in small_benches()}]
    gpqa = manifest.benchmarks["gpqa"]
    assert gpqa.subsets == {"diamond": 6, "extended": 14, "main": 10}
    assert gpqa.splits["paper"] == {"train": 23, "validation": 3, "test": 4}
    assert gpqa.test_items_in_train["paper"] > 0
    assert gpqa.test_items_in_train["family"] == 0
    assert (gpqa.n_items, gpqa.n_models, gpqa.n_scores, gpqa.binary) == (30, 20, 600, True)
    assert (gpqa.n_runs, gpqa.runs_superseded, gpqa.text_published) == (120, 60, False)
    assert gpqa.mean_score == pytest.approx(bench("gpqa").scores.mean(), abs=1e-6)
    assert manifest.benchmarks["truthfulqa"].binary is False
    assert manifest.benchmarks["arc"].groups == ()
    assert manifest.benchmarks["gsm8k"].skipped_groups[0]["m"] == 1000
    assert manifest.encoders["sbert"]["dimension"] == 768
    assert manifest.tables["models.parquet"].rows == 20


def test_no_reference_score_for_another_metric_or_other_items(built: Path) -> None:
    entry = read_manifest(built / "release").benchmarks["gpqa"]
    told = "the reference LLM was scored on 1192 items, these LLMs on 30"
    assert (entry.reference_model, entry.reference_score, entry.reference_note) == ("GPT-4", None, told)
    mc2 = BENCHMARKS["truthfulqa"]
    assert mc2.reference("mc2", 817) == (0.669, None)
    assert mc2.reference("mc1", 817) == (None, "the reference LLM was scored by mc2, these LLMs by mc1")
    rows = evaluate(load_release(built / "release"), ["oracle"], benchmarks=["gpqa"], resamples=0).rows
    assert {(row.metrics["v_r"].value, row.v_r_note) for row in rows} == {(None, told)}


def test_the_evaluator_reads_and_scores_the_release(built: Path) -> None:
    found = load_release(built / "release")
    assert found.encoders("gsm8k") == ["minilm", "sbert"]
    rows = evaluate(found, ["oracle", "knn"], benchmarks=["gsm8k"], sizes=[3], encoder="sbert").rows
    test = data(built / "release", "gsm8k").filter(pa.compute.field("split_paper") == "test")
    expected = np.mean([max(scores) for scores in test["paper_m3_all_weak"].to_pylist()])
    mu_o = {row.kind: row.metrics["mu_o"].value for row in rows if row.router == "oracle"}
    assert {row.encoder for row in rows if row.router == "knn"} == {"sbert"}
    assert mu_o["all_weak"] == pytest.approx(expected, abs=1e-6)


def test_the_evaluator_in_the_release_runs_alone(release: Path) -> None:
    command = [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.'); import evaluator"]
    subprocess.run(command, cwd=release, check=True, capture_output=True)
    shutil.rmtree(release / "evaluator/__pycache__", ignore_errors=True)
    shutil.rmtree(release / "evaluator/routers/__pycache__", ignore_errors=True)
    assert verify(release) == []


def draw(release: Path) -> None:
    """Reports as another verb makes them; the manifest is there by then."""
    version = json.loads((release / "manifest.json").read_text(encoding="utf-8"))["release"]["version"]
    (release / "reports").mkdir(exist_ok=True)
    (release / "reports/figure2_scaling.png").write_bytes(b"picture of " + version.encode())


def test_reports_stand_on_the_card_and_in_the_checksums(built: Path, tmp_path: Path) -> None:
    result = write_release(built, tmp_path / "release", options(), reports=draw)
    assert "reports/figure2_scaling.png" in result.files
    assert "![figure2 scaling](reports/figure2_scaling.png)" in (tmp_path / "release/README.md").read_text(
        "utf-8"
    )
    assert verify(tmp_path / "release") == []


def test_sealing_again_takes_up_new_reports(release: Path) -> None:
    draw(release)
    assert [p.path for p in verify(release)] == ["reports/figure2_scaling.png", "README.md"]
    seal(release)
    assert verify(release) == []
    assert "reports/figure2_scaling.png" in (release / "README.md").read_text("utf-8")


@pytest.fixture
def full_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the disk full when a file of some name is written."""

    def fill(name: str) -> None:
        def failing(write: Callable[..., object]) -> Callable[..., object]:
            def checked(path: Path, *arguments: object) -> object:
                if path.name == name:
                    raise OSError(28, "No space left on device", str(path))
                return write(path, *arguments)

            return checked

        for function in ("write_batches", "write_text", "write_json"):
            monkeypatch.setattr(store, function, failing(getattr(store, function)))

    return fill


@pytest.mark.parametrize(
    "name", ["test.parquet", "groups.parquet", "manifest.json", "README.md", "SHA256SUMS"]
)
def test_a_failure_leaves_the_old_release_whole(
    release: Path, built: Path, name: str, full_at: Callable[[str], None]
) -> None:
    full_at(name)
    before = {p: p.read_bytes() for p in release.rglob("*") if p.is_file()}
    with pytest.raises(OSError, match="No space left"):
        write_release(built, release, options(name="other"))
    assert {p: p.read_bytes() for p in release.rglob("*") if p.is_file()} == before
    assert [p.name for p in release.parent.iterdir()] == ["release"]


def test_a_run_killed_between_the_two_renames_is_put_right(
    release: Path, built: Path, full_at: Callable[[str], None]
) -> None:
    full_at("manifest.json")
    release.rename(release.with_name(".release.before"))
    (release.with_name(".release.1-0123abcd.tmp") / "data").mkdir(parents=True)
    with pytest.raises(OSError, match="No space left"):
        write_release(built, release, options())
    assert verify(release) == []
    assert [p.name for p in release.parent.iterdir()] == ["release"]


def drop(path: str) -> Callable[[Path], None]:
    return lambda build: (build / "tables" / path).unlink()


def truncate(path: str) -> Callable[[Path], None]:
    def damage(build: Path) -> None:
        file = build / "tables" / path
        file.write_bytes(file.read_bytes()[:-9])

    return damage


def shorten_split(build: Path) -> None:
    path = build / "tables/splits/scheme=paper/benchmark=gsm8k/part-0.parquet"
    store.write_table(path, SPLITS, pq.ParquetFile(path).read().slice(1))


def unknown_candidate(build: Path) -> None:
    path = build / "tables/groups/method=paper/benchmark=gsm8k/part-0.parquet"
    rows = pq.ParquetFile(path).read().to_pylist()
    rows[0]["model_id"] = "org/nobody"
    store.write_table(path, GROUPS, pa.Table.from_pylist(rows, schema=GROUPS))


def repeated_candidate(build: Path) -> None:
    path = build / "tables/groups/method=paper/benchmark=gsm8k/part-0.parquet"
    rows = pq.ParquetFile(path).read().to_pylist()
    rows[0]["model_id"] = rows[1]["model_id"]
    store.write_table(path, GROUPS, pa.Table.from_pylist(rows, schema=GROUPS))


def other_dimension(build: Path) -> None:
    shutil.copytree(
        build / "tables/embeddings/encoder=sbert/benchmark=gsm8k",
        build / "tables/embeddings/encoder=minilm/benchmark=gsm8k",
        dirs_exist_ok=True,
    )


def other_items(build: Path) -> None:
    shutil.copytree(
        build / "tables/embeddings/encoder=minilm/benchmark=truthfulqa",
        build / "tables/embeddings/encoder=minilm/benchmark=gsm8k",
        dirs_exist_ok=True,
    )


def more_items(build: Path) -> None:
    shutil.copytree(
        build / "tables/scores/benchmark=gsm8k", build / "tables/scores/benchmark=arc", dirs_exist_ok=True
    )


def unregistered(build: Path) -> None:
    (build / "tables/items/benchmark=trivia").mkdir()


def nothing(build: Path) -> None:
    shutil.rmtree(build / "tables/items")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (nothing, ReleaseInputError, "no benchmark found; run `routerset build`"),
        (drop("models.parquet"), ReleaseInputError, "models.parquet: not found"),
        (drop("runs.parquet"), ReleaseInputError, "runs.parquet: not found"),
        (
            drop("splits/scheme=family/benchmark=arc/part-0.parquet"),
            ReleaseInputError,
            "scheme=family.*not found",
        ),
        (
            drop("scores/benchmark=gsm8k/part-0.parquet"),
            ReleaseInputError,
            "scores/benchmark=gsm8k.*not found",
        ),
        (truncate("items/benchmark=gsm8k/part-0.parquet"), ReleaseInputError, "benchmark=gsm8k.*unreadable"),
        (shorten_split, ReleaseError, "gsm8k: splits, scheme paper: found 39 items, expected the 40"),
        (unknown_candidate, ReleaseError, "gsm8k.*no score of org/nobody, which is a candidate"),
        (repeated_candidate, ReleaseError, "paper_m3_all_strong: found 2 models in 3 rows"),
        (other_dimension, ReleaseError, "encoder minilm: found 768 numbers a vector for gsm8k, expected 384"),
        (other_items, ReleaseError, "encoder=minilm/benchmark=gsm8k.*found 30 items, expected the 40"),
        (more_items, ReleaseError, "arc.*found item 12, expected 0 to 11"),
        (unregistered, ReleaseError, "trivia: no such benchmark; declare it"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    built: Path, tmp_path: Path, damage: Callable[[Path], None], error: type[ReleaseError], message: str
) -> None:
    build = Path(shutil.copytree(built, tmp_path / "build", ignore=shutil.ignore_patterns("release")))
    damage(build)
    with pytest.raises(error, match=message):
        write_release(build, tmp_path / "out", options())
    assert [p.name for p in tmp_path.iterdir()] == ["build"]


def test_progress_names_every_benchmark(built: Path, tmp_path: Path) -> None:
    said: list[str] = []
    write_release(built, tmp_path / "release", options(), said.append)
    assert said == list(read_manifest(built / "release").benchmarks)
