"""Every format, read by a reader written from its layout: each score is there, once, and no other."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from routerset.release.evaluator.errors import UsageError
from routerset.release.exporting.export import export
from routerset.release.exporting.semantic_router import CATEGORIES, category_of
from routerset.release.exporting.settings import Settings
from tests.exporting.truth import SIDES, Item, firsts, group_of, items_of

KIND = "all_strong"
Export = Callable[..., Path]


@pytest.fixture
def exported(release: Path, tmp_path: Path) -> Export:
    """Exports the groups of three strong models of a benchmark; returns the folder of the group."""

    def run(form: str, benchmark: str = "gsm8k", **more: str) -> Path:
        asked = {"sizes": (3,), "kind": KIND} if form != "routellm" else {}
        export(release, form, tmp_path / "out", Settings((benchmark,), **asked, **more))  # type: ignore[arg-type]
        return tmp_path / "out" / benchmark / (f"m3_{KIND}" if form != "routellm" else "pair")

    return run


@pytest.fixture
def models(release: Path) -> list[str]:
    return group_of(release, "gsm8k", 3, KIND)


@pytest.fixture
def items(release: Path, models: list[str]) -> list[Item]:
    return items_of(release, "gsm8k", models)


def lines(path: Path) -> list[dict[str, object]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def scores_by(rows: list[dict[str, object]], key: str, score: str) -> dict[tuple[object, object], object]:
    """(key, model) -> score; every pair stands once."""
    found = {(row[key], row["model_name"]): row[score] for row in rows}
    assert len(found) == len(rows)
    return found


def test_llmrouter(exported: Export, items: list[Item], models: list[str]) -> None:
    folder = exported("llmrouter")
    kept = firsts(items)
    ids: dict[int, str] = {}
    for side in ("train", "test"):
        own = {text: item for (of, text), item in kept.items() if of == side and item.scores}
        queries = lines(folder / f"query_data_{side}.jsonl")
        assert [row["query"] for row in queries] == list(own)
        keys = ["task_name", "query", "ground_truth", "metric", "choices", "task_id"]
        assert {tuple(row) for row in queries} == {tuple(keys)}
        answers = lines(folder / f"default_routing_{side}_data.jsonl")
        assert list(answers[0]) == [
            *keys, "model_name", "response", "token_num", "input_tokens", "output_tokens", "response_time",
            "api_key_used", "performance", "embedding_id", "user_id", "fig_id",
        ]  # fmt: skip
        expected = {(t, m): s for t, item in own.items() for m, s in item.scores.items()}
        assert scores_by(answers, "query", "performance") == expected
        assert all(row["input_tokens"] == 100 for row in answers)
        assert all(row["token_num"] == 100 + row["output_tokens"] for row in answers)  # type: ignore[operator]
        ids |= {row["embedding_id"]: row["query"] for row in answers}  # type: ignore[misc]
    assert sorted(ids) == list(range(len(ids)))
    llms = json.loads((folder / "default_llm.json").read_text())
    assert set(llms) == set(models)
    assert all(info["size"].endswith("B") and info["input_price"] is None for info in llms.values())
    assert {
        len(info["embedding"])
        for info in json.loads((folder / "default_llm_embeddings.json").read_text()).values()
    } == {6}
    named = [line.split(": ") for line in (folder / "config.yaml").read_text().splitlines()[1:]]
    assert {key.strip() for key, _ in named} == {
        "query_data_train", "query_data_test", "query_embedding_data", "routing_data_train",
        "routing_data_test", "llm_data", "llm_embedding_data",
    }  # fmt: skip
    assert all((folder / name).is_file() for _, name in named)


def test_the_vectors_of_llmrouter_open_in_torch(exported: Export, release: Path, items: list[Item]) -> None:
    torch = pytest.importorskip("torch")
    folder = exported("llmrouter")
    found = torch.load(folder / "query_embeddings_longformer.pt", weights_only=True)
    by_id = vectors(release)
    ids = {item.text: item.item_id for item in reversed(items)}
    for side in ("train", "test"):
        for row in lines(folder / f"default_routing_{side}_data.jsonl"):
            vector = found[row["embedding_id"]]
            assert vector.dtype == torch.float32
            assert vector.tolist() == by_id[str(row["task_id"])].tolist()
    assert ids
    whole = torch.load(exported("embedllm") / "question_embeddings.pth", weights_only=True)
    with (folder / "question_order.csv").open(newline="") as stream:
        assert whole.shape == (len(list(csv.DictReader(stream))), 6)


def vectors(release: Path) -> dict[str, np.ndarray]:
    parts = [pd.read_parquet(path) for path in sorted((release / "vectors/minilm/gsm8k").iterdir())]
    table = pd.concat(parts)
    return dict(zip(table["item_id"], table["embedding"], strict=True))


def test_validation_goes_to_train_on_demand(exported: Export, items: list[Item]) -> None:
    n = len(lines(exported("llmrouter") / "query_data_train.jsonl"))
    more = lines(exported("llmrouter", validation="train") / "query_data_train.jsonl")
    texts = {item.text for item in items if item.side in ("train", "validation") and item.scores}
    assert {row["query"] for row in more} == texts
    assert len(more) > n


def test_costs_order_models_and_weigh_labels(exported: Export, release: Path, items: list[Item]) -> None:
    folder = exported("llmrouter", costs="params_b")
    sizes = dict(pd.read_parquet(release / "models.parquet")[["model_id", "params_b"]].to_numpy().tolist())
    rows = lines(folder / "default_routing_train_data.jsonl")
    ranked = sorted({str(row["model_name"]) for row in rows}, key=sizes.__getitem__)
    kept = firsts(items)
    for row in rows:
        score = kept["train", str(row["query"])].scores[str(row["model_name"])]
        discount = 1 - 0.5 * ranked.index(str(row["model_name"])) / 2
        assert row["performance"] == pytest.approx(score * discount)
    by_query = defaultdict(list)
    for row in rows:
        by_query[row["query"]].append(ranked.index(str(row["model_name"])))
    assert all(order == sorted(order) for order in by_query.values())
    plain = lines(exported("semantic-router", costs="params_b") / "benchmark_training_data.jsonl")
    assert {row["performance"] for row in plain} <= {0.0, 0.5, 0.75, 1.0}


def test_ties_follow_the_mean_on_train(exported: Export, items: list[Item], models: list[str]) -> None:
    rows = lines(exported("llmrouter") / "default_routing_test_data.jsonl")
    means = {m: np.mean([i.scores[m] for i in items_with(items, m, "train")]) for m in models}
    by_query = defaultdict(list)
    for row in rows:
        by_query[row["query"]].append(-means[str(row["model_name"])])
    assert all(order == sorted(order) for order in by_query.values())


def items_with(items: list[Item], model: str, side: str) -> list[Item]:
    return [item for item in items if item.side == side and model in item.scores]


def test_llmrouterbench(exported: Export, items: list[Item], models: list[str]) -> None:
    folder = exported("llmrouterbench")
    found: dict[tuple[str, str], dict[int, tuple[str, str, float]]] = {}
    for path in sorted(folder.rglob("*.json")):
        results, bench, dataset, split, model, name = path.relative_to(folder).parts
        assert (results, bench, dataset) == ("results", "bench", "gsm8k")
        assert name.endswith("_000000.json")
        run = json.loads(path.read_text())
        assert (run["dataset_name"], run["split"]) == (dataset, split)
        assert run["model_name"].replace("/", "__") == model
        assert run["counts"] == len(run["records"])
        for record in run["records"]:
            assert record["prompt_tokens"] == 100
            assert {"prediction", "ground_truth", "raw_output", "cost", "completion_tokens"} <= set(record)
        told = {r["index"]: (r["origin_query"], r["prompt"], r["score"]) for r in run["records"]}
        assert len(told) == len(run["records"])
        found[split, run["model_name"]] = told
    assert set(found) == {(side, model) for side in SIDES for model in models}
    for (side, model), told in found.items():
        expected = [(i.text, i.prompt, i.scores[model]) for i in items_with(items, model, side)]
        assert [told[at] for at in sorted(told)] == expected


def test_embedllm(exported: Export, items: list[Item], models: list[str]) -> None:
    folder = exported("embedllm")
    with (folder / "question_order.csv").open(newline="", encoding="utf-8") as stream:
        texts = {int(row["prompt_id"]): row["prompt"] for row in csv.DictReader(stream)}
    with (folder / "model_order.csv").open(newline="", encoding="utf-8") as stream:
        names = {int(row["model_id"]): row["model_name"] for row in csv.DictReader(stream)}
    assert sorted(names.values()) == sorted(models)
    start = 0
    for side, name in zip(SIDES, ("train", "val", "test"), strict=True):
        own = [item for item in items if item.side == side and item.scores]
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0]) == [
            "prompt_id", "model_id", "category_id", "label", "model_name", "category", "prompt"
        ]  # fmt: skip
        assert all(texts[int(row["prompt_id"])] == row["prompt"] for row in rows)
        assert all(names[int(row["model_id"])] == row["model_name"] for row in rows)
        found = {(int(row["prompt_id"]), row["model_name"]): float(row["label"]) for row in rows}
        expected = {(start + at, m): s for at, item in enumerate(own) for m, s in item.scores.items()}
        assert found == expected
        assert len(found) == len(rows)
        start += len(own)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_routerbench(exported: Export, items: list[Item], models: list[str], ending: str) -> None:
    folder = exported("routerbench")
    for side in SIDES:
        path = folder / f"routerbench_{side}.{ending}"
        table = pd.read_parquet(path) if ending == "parquet" else pd.read_csv(path)
        heads = list(table.columns)
        ordered = heads[3:6]
        assert heads == [
            "sample_id", "prompt", "eval_name", *ordered, *(f"{m}|model_response" for m in ordered),
            *(f"{m}|total_cost" for m in ordered), "oracle_model_to_route_to",
        ]  # fmt: skip
        assert sorted(ordered) == sorted(models)
        own = [item for item in items if item.side == side and item.scores]
        assert table["sample_id"].tolist() == [item.item_id for item in own]
        for item, row in zip(own, table.to_dict("records"), strict=True):
            assert {m: row[m] for m in models if not np.isnan(row[m])} == item.scores
            assert all((row[f"{m}|total_cost"] > 0) == (m in item.scores) for m in models)
            best = [m for m in ordered if item.scores.get(m, 0) == max(item.scores.values()) > 0]
            assert row["oracle_model_to_route_to"] == (best[0] if best else "no_model_correct")


def test_routellm(exported: Export, release: Path, models: list[str]) -> None:
    strong, weak = models[0], models[1]
    folder = exported("routellm", strong=strong, weak=weak)
    both = [item for item in items_of(release, "gsm8k", [strong, weak]) if len(item.scores) == 2]
    train = [item for item in both if item.side == "train"]
    index = json.loads((folder / "prompt_index.json").read_text())
    assert [(row["idx"], row["item_id"]) for row in index] == [(n, i.item_id) for n, i in enumerate(train)]
    pairs = json.loads((folder / "pairwise_train.json").read_text())
    assert {(row["model_a"], row["model_b"]) for row in pairs} == {(strong, weak)}
    expected = {
        n: "model_a" if item.scores[strong] > item.scores[weak] else "model_b"
        for n, item in enumerate(train)
        if item.scores[strong] != item.scores[weak]
    }
    assert {row["idx"]: row["winner"] for row in pairs} == expected
    known = vectors(release)
    matrix = np.load(folder / "prompt_embeddings.npy")
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix, [known[item.item_id] for item in train])
    for side in ("validation", "test"):
        with (folder / f"gsm8k_{side}.csv").open(newline="", encoding="utf-8") as stream:
            heads, *rows = csv.reader(stream)
        assert heads == ["prompt", strong, weak]
        told = [
            (i.text, *(str(i.scores[m] == 1).lower() for m in (strong, weak))) for i in both if i.side == side
        ]
        assert [tuple(row) for row in rows] == told


def test_semantic_router(exported: Export, items: list[Item]) -> None:
    folder = exported("semantic-router")
    kept = firsts(items)
    for side, name in zip(SIDES, ("training", "validation", "test"), strict=True):
        rows = lines(folder / f"benchmark_{name}_data.jsonl")
        assert {tuple(row) for row in rows} == {
            ("query", "model_name", "performance", "response_time", "category")
        }
        assert {row["category"] for row in rows} == {"math"}
        own = {text: item for (of, text), item in kept.items() if of == side}
        expected = {(t, m): s for t, item in own.items() for m, s in item.scores.items()}
        assert scores_by(rows, "query", "performance") == expected


@pytest.mark.parametrize("benchmark", ["gsm8k", "truthfulqa"])
def test_routingcompendium(exported: Export, release: Path, benchmark: str) -> None:
    folder = exported("routingcompendium", benchmark)
    models = group_of(release, benchmark, 3, KIND)
    for side in SIDES:
        own = [item for item in items_of(release, benchmark, models) if item.side == side and item.scores]
        rows = pd.read_parquet(folder / f"{side}.parquet").to_dict("records")
        assert [row["prompt"] for row in rows] == [item.text for item in own]
        for row, item in zip(rows, own, strict=True):
            told = dict(zip(row["models_name"].tolist(), row["models_performance"].tolist(), strict=True))
            assert told == item.scores
            assert len(told) == len(row["models_name"])


def test_categories_of_semantic_router() -> None:
    assert category_of("mmlu", "", "college_mathematics") == "math"
    assert category_of("mmlu", "", "high_school_world_history") == "history"
    assert category_of("mmlu", "", "electrical_engineering") == "other"
    assert category_of("mmlu_pro", "Computer Science", "mmlu_pro") == "computer science"
    assert category_of("mmlu_pro", "", "mmlu_pro_law") == "law"
    assert category_of("arc", "", "arc") == "unknown"
    assert category_of("math_lvl5", "", "geometry") == "math"
    assert len(CATEGORIES) == 14


@pytest.mark.parametrize("form", ["embedllm", "routellm"])
def test_right_and_wrong_alone_refuse_fractions(exported: Export, release: Path, form: str) -> None:
    strong, weak, _ = group_of(release, "truthfulqa", 3, KIND)
    more = {"strong": strong, "weak": weak} if form == "routellm" else {}
    with pytest.raises(ValueError, match="scores between 0 and 1"):
        exported(form, "truthfulqa", **more)


@pytest.mark.parametrize(
    ("form", "more", "message"),
    [
        ("embedllm", {"costs": "params_b"}, "--costs: embedllm has no use for it"),
        ("routerbench", {"encoder": "minilm"}, "--encoder: routerbench has no use"),
        ("embedllm", {"validation": "train"}, "--validation: embedllm has no use"),
        ("llmrouter", {"strong": "a"}, "--strong: llmrouter has no use"),
        ("routellm", {"strong": "org/model-0001"}, "name them, --strong A --weak B"),
        ("llmrouter", {"encoder": "sbert"}, "no vectors of 'sbert'; there are minilm"),
        ("llmrouter", {"scheme": "random"}, "no split scheme 'random'; this release has paper"),
        ("llmrouter", {"method": "greedy"}, "no groups by method 'greedy'; this release has paper"),
        ("llmrouter", {"costs": "gold"}, "no costs 'gold'; valid: usd"),
    ],
)
def test_settings_that_cannot_be_met(exported: Export, form: str, more: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        exported(form, **more)
