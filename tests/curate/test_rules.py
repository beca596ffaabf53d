"""The rules of `[curate]` on planted worlds: what each takes, what it leaves, and what it says it lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.release.auditing.pruning import prune
from routerset.release.auditing.reading import Tables
from routerset.release.curating.curate import Curated, Look, curated_of_benchmark
from routerset.release.curating.rules import PRESETS, Curate, CurateError
from routerset.schemas import store
from routerset.schemas.splits import splits_table
from routerset.schemas.tables import SCORES
from tests.dumps import truth, write_config, write_items, write_wide

SIZES = {"algebra": 40, "geometry": 40, "history": 100, "law": 60}
NAMES = np.repeat([*SIZES], [*SIZES.values()])
N = len(NAMES)
MODELS = tuple(f"org/model-{at:02}" for at in range(12))


def answers(seed: int = 0) -> np.ndarray:
    """(models, items) 0 and 1: all alike but for model 3, who is a specialist of geometry."""
    rng = np.random.default_rng(seed)
    chance = np.linspace(0.3, 0.6, len(MODELS))[:, None] * np.ones(N)
    chance[3, NAMES == "geometry"] = 1
    chance[-1, NAMES == "history"] = 0.95
    return np.asarray(rng.random((len(MODELS), N)) < chance, np.uint8)


def directions() -> np.ndarray:
    """(items, d) unit vectors: algebra and geometry in one place, the others each in their own."""
    rng = np.random.default_rng(1)
    place = {"algebra": 0, "geometry": 0, "history": 1, "law": 2}
    found = np.eye(8)[[place[name] for name in NAMES]] + 0.1 * rng.standard_normal((N, 8))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Look]:
    """A benchmark of four categories. vectors: what there is of them; scores: (models, items)."""

    def make(vectors: np.ndarray | str = "there are no vectors", scores: np.ndarray | None = None) -> Look:
        values = answers() if scores is None else scores
        items = np.arange(N, dtype=np.int32)
        table = pa.table(
            {
                "model_id": pa.array(np.repeat(MODELS, N)).dictionary_encode(),
                "item": np.tile(items, len(MODELS)),
                "score": values.ravel().astype(np.float32),
            }
        )
        path = tmp_path / "scores.parquet"
        store.write_table(path, SCORES, table.cast(SCORES))
        columns = {
            "item": items,
            "item_id": [f"item-{at}" for at in items],
            "subset": [*NAMES],
            "category": pa.nulls(N, pa.string()),
            "question_id": [f"q{at}" for at in items],
            "family_id": [f"f{at}" for at in items],
        }
        nowhere = tmp_path / "none"
        return Look(Tables("world", pa.table(columns), path, None, lambda: vectors, nowhere, nowhere))

    return make


def kept(found: Curated) -> dict[str, int]:
    """Items of each category that stay under the first scheme."""
    return {name: int((~found.left_out & (name == NAMES)).sum()) for name in SIZES}


def run(look: Look, **keys: object) -> Curated:
    return curated_of_benchmark(look, ("paper", "family"), Curate.of(keys))


def test_cosine_joins_what_lies_together_and_nothing_else(look: Callable[..., Look]) -> None:
    vectors = directions()
    vectors[[5, 9, 70]] = vectors[2]
    found = run(look(vectors), duplicates="cosine", scope="everywhere")
    assert np.flatnonzero(found.left_out).tolist() == [5, 9, 70]
    assert {row["detail"] for row in found.rows} == {"lies where item-2 lies"}
    assert not run(look(vectors), duplicates="text", scope="everywhere").rows


def test_of_redundant_categories_the_one_with_a_specialist_stays(look: Callable[..., Look]) -> None:
    found = run(look(directions()), tasks={"weak": False})
    assert kept(found) == SIZES | {"algebra": 0}
    assert {(row["rule"], row["detail"]) for row in found.rows} == {
        ("tasks", "category algebra lies where geometry lies")
    }
    assert {row["scheme"] for row in found.rows} == {"paper", "family"}


def test_a_category_without_specialists_keeps_the_median_size(look: Callable[..., Look]) -> None:
    # the generalist is by far the best in history, and in law nobody is better than others
    found = run(look(), tasks={"redundant": False})
    assert kept(found) == SIZES | {"history": 50, "law": 50}
    again = run(look(), tasks={"redundant": False, "world/history": 20, "world/law": 10_000})
    assert kept(again) == SIZES | {"history": 20, "law": 50}
    gone = [set(np.flatnonzero(each.left_out).tolist()) for each in (found, again)]
    assert gone[0] < gone[1]  # items go in one order, whatever the cap


@pytest.mark.parametrize("similarity", ["jaccard", "residual"])
def test_pools_are_pruned_on_train_items_alone(look: Callable[..., Look], similarity: str) -> None:
    scores, world = answers(), look()
    train = world.train("paper")
    expected = prune(scores[:, train], 0.8, similarity)[:4]
    keys = {"models": 8, "similarity": similarity, "lambda": 0.8}
    assert run(world, **keys).pruned == tuple(sorted(MODELS[row] for row in expected))
    other = scores.copy()
    other[:, ~train] = 1 - other[:, ~train]
    assert run(look(scores=other), **keys).pruned == run(look(), **keys).pruned
    assert len(run(look(), models=2 / 3).pruned) == 4
    assert run(look(), models=12).pruned == ()


def test_a_pseudo_specialist_is_right_as_often_as_it_says(look: Callable[..., Look]) -> None:
    told = ["world/law", {"target": "world/history", "accuracy": 0.5}]
    world = look()
    found = run(world, pseudo_specialists=told)
    assert found.added == ("pseudo-specialist/world-history", "pseudo-specialist/world-law")
    assert found.scores["is_synthetic"].to_pylist() == [True] * (2 * N)
    items = world.tables.items
    sides = np.array(splits_table("paper", items["family_id"], items["subset"], 42)["split"].to_pylist())
    train, scores = sides == "train", answers()
    made = found.scores["score"].to_numpy().reshape(2, N)
    for of_model, target, there in ((made[0], "history", 0.5), (made[1], "law", None)):
        for name in SIZES:
            here = scores[:, train & (name == NAMES)].mean(axis=1)
            p = here.mean() if name != target else here.max() + 0.25 if there is None else there
            for side in ("train", "validation", "test"):
                cell = (name == NAMES) & (sides == side)
                assert of_model[cell].sum() == round(min(1.0, float(p)) * int(cell.sum()))
    assert run(look(), pseudo_specialists=told).scores.equals(found.scores)
    assert {row["rule"] for row in found.rows} == {"pseudo_specialists"}


def test_the_preset_is_its_keys(look: Callable[..., Look]) -> None:
    found = run(look(directions()), **PRESETS["routerbench+"])
    assert len(found.pruned) == 12 - round(12 * 82 / 112)
    assert len(found.added) == 3
    assert kept(found)["algebra"] == 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"duplicates": "cosine"}, r"world: .*needs vectors of the questions, and there are no vectors; add"),
        ({"tasks": {}}, r"world: .*needs vectors of the questions"),
        ({"tasks": {"redundant": False, "world/x": 3}}, "world has no category 'x'; it has algebra, geom"),
        ({"pseudo_specialists": ["world/x"]}, "world has no category 'x'"),
    ],
)
def test_what_is_lacking_is_said(look: Callable[..., Look], keys: Mapping[str, object], said: str) -> None:
    with pytest.raises(CurateError, match=said) as caught:
        run(look(), **keys)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lam = 0.5", "valid keys: .*lambda"),
        ('lambda = "x"', "lambda: expected float, found 'x'"),
        ("lambda = 1.5", "lambda: expected a number from 0 to 1, found 1.5"),
        ("models = 1", "models: expected a whole number from 2 on"),
        ("models = 1.5", "models: expected a whole number from 2 on, or a share"),
        ('similarity = "cosine"', "valid: jaccard, residual"),
        ('preset = "routerbench"', 'did you mean "routerbench\\+"'),
        ("tasks = { redundent = true }", "expected|found 'redundent'"),
        ("tasks = { weak = 1 }", "tasks.weak: expected true or false, found 1"),
        ('tasks = { "gsm8k/x" = 0 }', "expected a number of items from 1 on, found 0"),
        ('pseudo_specialists = ["nothing/x"]', "found 'nothing/x'"),
        ('pseudo_specialists = [{ target = "gsm8k/x", acc = 1 }]', "acc"),
        ('pseudo_specialists = [{ target = "gsm8k/x", accuracy = 2 }]', "from 0 to 1, found 2"),
        ('pseudo_specialists = ["gsm8k/x", "gsm8k/x"]', "more than once"),
    ],
)
def test_a_wrong_key_is_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(write_config(tmp_path / "x.toml", extra=f"[curate]\n{line}\n"))


@pytest.mark.parametrize("line", ['duplicates = "cosine"', "tasks = {}", 'preset = "routerbench+"'])
def test_a_rule_on_vectors_without_an_encoder_costs_no_time(tmp_path: Path, line: str) -> None:
    known = truth()
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_items(tmp_path / "items.csv", known.keys)
    config = load_config(write_config(tmp_path / "x.toml", extra=f"[curate]\n{line}\n"))
    with pytest.raises(ConfigError, match=r"needs vectors of questions: add \[embed\] encoders"):
        build(config, tmp_path / "out", Runner(), lambda *_: None)
    assert not (tmp_path / "out").exists()
