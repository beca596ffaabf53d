from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.release.evaluator import DataError, InputError, Release, UsageError, evaluate, load_release
from routerset.release.evaluator.items import load_items, reference_order
from routerset.release.evaluator.routers.yardsticks import BestSingle
from routerset.release.evaluator.task import Task
from routerset.release.evaluator.tasks import make_tasks
from tests.evaluator.releases import SPLITS, paper_sides, random_fixture, write_release


def test_groups_keep_the_candidate_order_and_their_scores(tmp_path: Path) -> None:
    fixture = random_fixture(ms=(5,))
    release = load_release(write_release(tmp_path, [fixture]))
    group = release.groups_of("toy", "paper")[0]
    members = fixture.groups["paper", 5, "all_strong"]
    assert group.candidates == tuple(fixture.models[i] for i in members)
    test = load_items(release, "toy", [group], "minilm", "paper").parts["test"]
    rows = np.flatnonzero(fixture.splits["paper"] == "test")
    assert np.array_equal(test.scores[group], fixture.scores[members][:, rows].T)
    assert np.array_equal(test.vectors, fixture.vectors["minilm"][rows])
    assert test.item_ids == tuple(f"toy-{i:05d}" for i in rows)


@pytest.mark.parametrize("follow", ["paper", "family"])
@pytest.mark.parametrize("scheme", ["paper", "family"])
def test_rows_follow_the_asked_scheme_whichever_the_files_follow(
    tmp_path: Path, follow: str, scheme: str
) -> None:
    fixture = random_fixture()
    release = load_release(write_release(tmp_path, [fixture], follow=follow))
    items = load_items(release, "toy", release.groups_of("toy", "paper"), "minilm", scheme)
    for split in SPLITS:
        expected = {f"toy-{i:05d}" for i in np.flatnonzero(fixture.splits[scheme] == split)}
        assert set(items.parts[split].item_ids) == expected
    assert items.files_follow_scheme == (follow == scheme)
    group = release.groups_of("toy", "paper")[0]
    test = items.parts["test"]
    numbers = [int(i[-5:]) for i in test.item_ids]
    assert np.array_equal(
        test.scores[group], fixture.scores[list(fixture.groups["paper", 3, "all_strong"])][:, numbers].T
    )
    tasks = make_tasks(items, [group], encoder="minilm", scheme=scheme)
    assert tasks[0].read_prompts("test") == [fixture.prompts[i] for i in numbers]


def test_vectors_are_joined_on_item_id_not_on_position(toy_folder: Path, tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture()]))
    expected = load_items(release, "toy", [], "minilm", "paper").parts["train"].vectors
    path = tmp_path / "vectors/minilm/toy/train.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), path)
    assert np.array_equal(load_items(release, "toy", [], "minilm", "paper").parts["train"].vectors, expected)


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4), st.integers(0, 2**31))
def test_reference_order_is_the_order_of_the_legacy_shuffle(sizes: list[int], seed: int) -> None:
    sides, _ = paper_sides(sizes, seed)
    names = np.repeat([f"s{i}" for i in range(len(sizes))], sizes)
    rng = np.random.RandomState(seed)
    shuffled = []
    for i, n in enumerate(sizes):
        order = np.arange(n)
        rng.shuffle(order)
        shuffled.append(sum(sizes[:i]) + order[: int(0.8 * n)])
    train = np.flatnonzero(sides == "train")
    order = reference_order({s: names[sides == s].tolist() for s in SPLITS}, seed)
    assert np.array_equal(train[order], np.concatenate(shuffled))


def test_a_split_that_is_not_the_papers_has_no_reference_order() -> None:
    with pytest.raises(DataError, match=r"5/3/2 items.*cut at int\(\.8n\)"):
        reference_order({"train": ["a"] * 5, "validation": ["a"] * 3, "test": ["a"] * 2}, 42)


def test_compat_needs_files_that_follow_the_paper_split(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture()], follow="family"))
    with pytest.raises(UsageError, match="reference's row order"):
        evaluate(release, ["knn"], compat=True, resamples=0)
    assert evaluate(release, ["knn"], compat=True, scheme="family", resamples=0).rows


@pytest.mark.parametrize("version", [1, 3])
def test_another_schema_is_refused(tmp_path: Path, version: int) -> None:
    write_release(tmp_path, [random_fixture()], schema_version=version)
    with pytest.raises(InputError, match=f"schema_version {version}, but this evaluator reads 2; use the"):
        load_release(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json here"):
        load_release(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema_version": 1}'])
def test_a_malformed_manifest_is_refused(toy_folder: Path, tmp_path: Path, text: str) -> None:
    write_release(tmp_path, [random_fixture()])
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: "):
        load_release(tmp_path)


def test_columns_of_a_group_are_those_that_the_manifest_names(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "plain", [random_fixture()])
    expected = evaluate(load_release(folder), ["knn"], compat=True, resamples=0).rows
    renamed = Path(shutil.copytree(folder, tmp_path / "renamed"))
    path = renamed / "manifest.json"
    path.write_text(path.read_text().replace('"paper_m3_', '"P'))
    for path in renamed.glob("data/*/*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.rename_columns([n.replace("paper_m3_", "P") for n in table.column_names]), path)
    assert evaluate(load_release(renamed), ["knn"], compat=True, resamples=0).rows == expected


@pytest.mark.parametrize(
    "row",
    [
        "paper_m3_all_weak",
        None,
        {"column": "paper_m3_all_weak"},
        {"column": "c", "label_column": "l", "method": "paper", "m": "three", "kind": "all_weak"},
    ],
)
def test_a_malformed_group_of_the_manifest_is_refused(tmp_path: Path, row: object) -> None:
    path = write_release(tmp_path, [random_fixture()]) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["benchmarks"]["toy"]["groups"][0] = row
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json: a required entry is missing or malformed"):
        load_release(tmp_path)


def test_groups_of_the_manifest_are_those_of_the_table(tmp_path: Path) -> None:
    path = write_release(tmp_path, [random_fixture()]) / "manifest.json"
    manifest = json.loads(path.read_text())
    row = manifest["benchmarks"]["toy"]["groups"].pop(0)
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"manifest\.json: no paper m=3 all_strong of toy, which groups"):
        load_release(tmp_path)
    manifest["benchmarks"]["toy"]["groups"] += [row, row | {"m": 4}]
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"groups\.parquet: no paper m=4 all_strong of toy, which manifest"):
        load_release(tmp_path)


def test_a_group_with_a_repeated_model_is_refused(tmp_path: Path) -> None:
    fixture = random_fixture()
    fixture.groups["paper", 3, "all_weak"] = [1, 1, 2]
    with pytest.raises(DataError, match="paper m=3 all_weak of toy has 2 distinct models; expected 3"):
        load_release(write_release(tmp_path, [fixture]))


@pytest.mark.parametrize(("value", "said"), [(np.nan, "nan"), (1.5, "1.5")])
def test_a_score_outside_the_unit_interval_is_refused(tmp_path: Path, value: float, said: str) -> None:
    fixture = random_fixture()
    model = fixture.groups["paper", 3, "all_strong"][1]
    fixture.scores[model, 4] = value
    release = load_release(write_release(tmp_path, [fixture]))
    expected = rf"paper_m3_all_strong, item toy-00004, model {fixture.models[model]}: score {said}"
    with pytest.raises(DataError, match=expected):
        evaluate(release, ["oracle"], sizes=[3])


def test_nan_in_a_vector_is_refused(tmp_path: Path) -> None:
    fixture = random_fixture()
    fixture.vectors["minilm"][7, 2] = np.nan
    release = load_release(write_release(tmp_path, [fixture]))
    with pytest.raises(DataError, match="the vector of item toy-00007 has NaN"):
        evaluate(release, ["knn"])


def test_an_item_without_a_vector_is_refused(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture()]))
    path = tmp_path / "vectors/minilm/toy/test.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(DataError, match="no vector for 1 of 120 items, first toy-"):
        evaluate(release, ["knn"])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0], [1.0]], "vectors of different lengths, or none: found 2, 1, expected one length"),
        ([[1.0, 2.0, 3.0], [1.0]], "vectors of different lengths"),  # on average they fit
        ([[1.0, 2.0], None], "found 2, none"),
        ([["a"], ["b"]], "embedding: found list<.*string>, expected a list of numbers"),
        ([1.0, 2.0], "embedding: found double, expected a list of numbers"),
        ([[], []], "embedding: found list<.*null>, expected a list of numbers"),
    ],
)
def test_vectors_of_ones_own_that_are_none_are_refused(
    tmp_path: Path, vectors: list[object], message: str
) -> None:
    write_release(tmp_path, [random_fixture()])
    place_vectors(tmp_path, lambda n: [vectors[i % 2] for i in range(n)])
    with pytest.raises(DataError, match=message):
        evaluate(load_release(tmp_path), ["knn"], encoder="mine")


def test_vectors_of_ones_own_are_an_encoder(tmp_path: Path) -> None:
    write_release(tmp_path, [random_fixture()])
    place_vectors(tmp_path, lambda n: [[i, 7] for i in range(n)])
    found = evaluate(load_release(tmp_path), ["knn"], encoder="mine", resamples=0)
    assert {row.encoder for row in found.rows} == {"mine"}
    path = tmp_path / "vectors/mine/toy/test.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    with pytest.raises(DataError, match="1 items have two vectors, expected one each"):
        evaluate(load_release(tmp_path), ["knn"], encoder="mine")


def place_vectors(release: Path, make: Callable[[int], list[object]]) -> None:
    """An encoder `mine`, as the evaluator's README says."""
    for data in (release / "data/toy").glob("*.parquet"):
        ids = pq.read_table(data, columns=["item_id"])["item_id"]
        out = release / "vectors/mine/toy" / data.name
        out.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"item_id": ids, "embedding": make(len(ids))}), out)


def test_an_empty_test_split_is_refused(tmp_path: Path) -> None:
    fixture = random_fixture()
    fixture.splits["paper"][fixture.splits["paper"] == "test"] = "train"
    release = load_release(write_release(tmp_path, [fixture]))
    with pytest.raises(DataError, match="the test split of scheme 'paper' is empty"):
        evaluate(release, ["oracle"])


def test_an_unknown_scheme_names_the_known_ones(toy: Release) -> None:
    with pytest.raises(UsageError, match="no split scheme 'random'; this release has paper, family"):
        evaluate(toy, ["oracle"], scheme="random")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture()]))
    (tmp_path / "data/toy/validation.parquet").unlink()
    with pytest.raises(InputError, match=r"validation\.parquet: no such file"):
        evaluate(release, ["oracle"])


@pytest.mark.parametrize(
    "name", ["data/toy/test.parquet", "vectors/minilm/toy/train.parquet", "groups.parquet"]
)
@pytest.mark.parametrize("keep", [300, 0])
def test_a_file_cut_short_is_named(tmp_path: Path, name: str, keep: int) -> None:
    write_release(tmp_path, [random_fixture()])
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"{name}: (missing or )?unreadable"):
        evaluate(load_release(tmp_path), ["knn"])


def test_a_missing_group_column_is_named(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture()]))
    path = tmp_path / "data/toy/train.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["paper_m3_all_weak"]), path)
    with pytest.raises(InputError, match=r"no column 'paper_m3_all_weak'; it has item, item_id"):
        evaluate(release, ["oracle"])


def test_prompts_that_are_not_published_are_an_error(tmp_path: Path) -> None:
    fixture = random_fixture()
    fixture.prompts = [None] * len(fixture.prompts)
    release = load_release(write_release(tmp_path, [fixture]))
    groups = release.groups_of("toy", "paper")
    task = make_tasks(load_items(release, "toy", groups, None, "paper"), groups, encoder=None)[0]
    with pytest.raises(DataError, match="publishes no prompts"):
        task.read_prompts("train")


class Reader:
    """A router that reads texts."""

    uses_vectors = False

    def fit(self, task: Task) -> None:
        self.texts = task.read_prompts("test")

    def predict_proba(self, task: Task) -> np.ndarray:
        return np.array([[float(len(text) % task.m == k) for k in range(task.m)] for text in self.texts])


def blank(folder: Path, benchmark: str, *columns: str) -> None:
    """Take a text from every item of a benchmark."""
    for path in (folder / "data" / benchmark).iterdir():
        table = pq.read_table(path)
        for name in columns:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pa.nulls(len(table), pa.string()))
        pq.write_table(table, path)


@pytest.mark.parametrize("lost", ["prompt", "question"])
def test_a_question_stands_in_for_a_prompt(tmp_path: Path, lost: str) -> None:
    fixture = random_fixture()
    release = load_release(write_release(tmp_path, [fixture]))
    before = evaluate(release, [Reader], sizes=[3], resamples=0)
    blank(tmp_path, "toy", lost)
    assert evaluate(release, [Reader], sizes=[3], resamples=0) == before


def test_a_benchmark_without_text_is_left_out_with_a_note(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture(), random_fixture("bare", seed=1)]))
    blank(tmp_path, "bare", "prompt", "question")
    found = evaluate(release, [Reader, BestSingle], sizes=[3], resamples=0)
    assert {(row.benchmark, row.router) for row in found.means} == {
        ("toy", "Reader"),
        ("toy", "BestSingle"),
        ("bare", "BestSingle"),
    }
    assert [note for note in found.notes if "bare, router Reader: this release publishes no prompts" in note]


def test_a_benchmark_without_test_items_is_left_out_with_a_note(tmp_path: Path) -> None:
    empty = random_fixture("empty", seed=1)
    empty.splits["paper"][empty.splits["paper"] == "test"] = "train"
    release = load_release(write_release(tmp_path, [random_fixture(), empty]))
    found = evaluate(release, ["oracle"], resamples=0)
    assert {row.benchmark for row in found.rows} == {"toy"}
    assert ["the test split of scheme 'paper' is empty" in note for note in found.notes] == [True]


def test_the_manifest_may_lack_a_reference(tmp_path: Path) -> None:
    write_release(tmp_path, [random_fixture()])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["benchmarks"]["toy"] |= {"reference_model": None, "reference_score": None}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    rows = evaluate(load_release(tmp_path), ["oracle"]).rows
    assert all(row.metrics["v_r"].value is None for row in rows)
