"""Writes the inputs of these golden folders; run it as a script."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

HERE = Path(__file__).parent
SUMS = [("What is 1 plus 1?", "2"), ("What is 2 plus 3?", "5"), ("What is 4 plus 4?", "8")]
RIDDLES = [("What has keys and no locks?", "a piano"), ("What runs and has no legs?", "a river")]


def record(index: object, asked: str, answer: object, score: object, cost: object, **more: object) -> object:
    """One answer, as the collector writes it."""
    return {
        "index": index,
        "origin_query": asked,
        "prompt": f"Answer briefly.\n\n{asked}",
        "prompt_tokens": 12,
        "completion_tokens": 30,
        "cost": cost,
        "score": score,
        "prediction": str(answer),
        "ground_truth": answer,
        "raw_output": f'Let me think, "step by step".\n\n[{answer}], {{so}} \\boxed{{{answer}}}',
        "extra_fields": {},
        **more,
    }


def result(
    dataset: object, split: object, model: object, records: object, **more: object
) -> dict[str, object]:
    """One file, as the collector writes it."""
    return {
        "performance": 0.5,
        "time_taken": 1.5,
        "prompt_tokens": 36,
        "completion_tokens": 90,
        "cost": 0.25,
        "counts": len(records) if isinstance(records, list) else 0,
        "model_name": model,
        "dataset_name": dataset,
        "split": split,
        "demo": False,
        "extra_metrics": {"by_topic": [1, [2]]},
        "data_fingerprint": "0" * 64,
        "records": records,
        **more,
    }


def put(case: str, dataset: str, split: str, model: str, time: str, value: object) -> None:
    """Write a result where the collector does."""
    folder = HERE / case / "dump" / "results" / "bench" / dataset / split / model
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset}-{split}-{model}-{time}.json"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


def sound() -> None:
    """Two models, two datasets, one of them in two splits; an older run, and one of two documents."""
    for model, right, price in (("Small-8B", (1, 0, 1), 0.25), ("Large-70B", (1, 1, 1), 0.5)):
        sums = [
            record(i, *each, float(score), price / i)
            for i, (each, score) in enumerate(zip(SUMS, right, strict=True), 1)
        ]
        put("sound", "sums", "test", model, "20250801_101112", result("sums", "test", model, sums))
        riddles = [record(i, *each, 0.5, price) for i, each in enumerate(RIDDLES, 1)]
        put(
            "sound",
            "riddles",
            "train",
            model,
            "20250801_120000",
            result("riddles", "train", model, riddles[:1]),
        )
        put(
            "sound",
            "riddles",
            "test",
            model,
            "20250801_130000",
            result("riddles", "test", model, riddles[1:]),
        )
    worse = [record(i, *each, 0.0, 1.0) for i, each in enumerate(SUMS, 1)]
    put("sound", "sums", "test", "Small-8B", "20250701_000000", result("sums", "test", "Small-8B", worse))
    demo = result("sums", "test", "Small-8B", worse[:2], demo=True)
    put("sound", "sums", "test", "Small-8B", "20250901_000000", demo)


def odd() -> None:
    """Values of every kind, repeats, names without a time, members in another order, compression."""
    asked = [(f"What is {i} squared?", i * i) for i in range(1, 12)]
    scores = [1.0, None, "0.5", float("nan"), True, "wrong", 2.0, [1.0], 1.0, 1.0, 0.25]
    costs = [0.25, 0.25, "0.5", 0.25, None, 0.25, 0.25, -1.0, float("nan"), "free", float("inf")]
    records = [record(i, *e, s, c) for i, (e, s, c) in enumerate(zip(asked, scores, costs, strict=True), 1)]
    records += [
        record(1, *asked[0], 1.0, 0.5),  # said twice
        record(9, *asked[8], 0.0, 0.5),  # and otherwise
        record(
            "12", "What is 12 squared?", ["144", "one gross"], 1, 0, prompt_tokens=-3, completion_tokens=1.5
        ),
        record(13.0, "", "", None, 0.0, prompt=""),  # a call that failed
        record(None, "What has no number?", "this", 1.0, 0.25),
        {"index": 14, "score": 1.0},
        "no record",
        None,
    ]
    put("odd", "squares", "test", "m", "20250801_101112", result("squares", "test", "org/m", records[::-1]))
    folder = HERE / "odd" / "dump"
    last = {"records": [record(2, *asked[1], 1.0, 0.5)]} | result("squares", "test", "org/late", [], counts=7)
    last = {"records": last.pop("records"), **last}
    last["records"] = [record(2, *asked[1], 1.0, 0.5)]
    (folder / "result.json.gz").write_bytes(gzip.compress(json.dumps(last).encode(), mtime=0))
    null = [record(i, *e, None, 0.0) for i, e in enumerate(asked[:3], 1)]
    put("odd", "squares", "test", "n", "none", result("squares", "test", "org/n", null))
    other = [record(1, *asked[0], 1.0, 0.5)]
    put("odd", "cubes", "test", "m", "20250801_101112", result("cubes", "test", "org/m", [*other, 7]))
    put("odd", "squares", "test", "no-model", "20250801_101112", result("squares", "test", "..", other))
    topics = [
        record(i, *e, 1.0, 0.5, topic=t)
        for i, (e, t) in enumerate(zip(asked, ("odd", "even", "../x"), strict=False), 1)
    ]
    put("odd", "topics", "all", "m", "20250801_101112", result("topics", "all", "org/m", topics))


def unreadable() -> None:
    """Files that are cut short, or no results."""
    whole = result("sums", "test", "org/a", [record(i, *each, 1.0, 0.5) for i, each in enumerate(SUMS, 1)])
    text = json.dumps(whole, indent=2)
    folder = HERE / "unreadable" / "dump"
    folder.mkdir(parents=True, exist_ok=True)
    cuts = {
        "cut-in-a-record": text[: text.index('"prediction": "8"')],
        "cut-between-records": text[: text.rindex("    {")].rstrip(),
        "cut-in-the-list": text[: text.rindex("}\n  ]") + 1],
        "cut-in-the-first": text[: text.index('"index": 1')],
        "cut-in-the-head": text[:60],
        "more-behind": text + "\n{}",
    }
    for name, cut in cuts.items():
        (folder / f"{name}.json").write_text(cut)
    values = {
        "a-list": [whole],
        "no-records": {name: value for name, value in whole.items() if name != "records"},
        "records-of-another-kind": {**whole, "records": {"1": whole["records"]}},
        "no-record": {**whole, "records": []},
        "no-objects": {**whole, "records": [1, "two", None, []]},
        "no-dataset": {**whole, "dataset_name": None},
        "no-split": {name: value for name, value in whole.items() if name != "split"},
        "a-model-of-another-kind": {**whole, "model_name": ["a"]},
        "a-number": 7,
    }
    for name, value in values.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    (folder / "empty.json").write_text("")
    (folder / "damaged.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0)[:-40])


if __name__ == "__main__":
    sound()
    odd()
    unreadable()
