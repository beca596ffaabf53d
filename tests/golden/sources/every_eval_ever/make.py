"""Writes the inputs of these golden folders; run it as a script."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
SUMS = [("What is 1 plus 1?", "2"), ("What is 2 plus 3?", "5"), ("What is 4 plus 4?", "8")]
PLACES = [
    ("Which of them is a river?", ["Rhine", "Alps", "Rome"], 0),
    ("Which is a town?", ["Nile", "Oslo"], 1),
]


def uuid(number: int) -> str:
    """A name of a file."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def sample(
    name: object, model: object, key: object, asked: str, gold: list[str], score: object, **more: object
) -> dict[str, object]:
    """One line of schema 0.3.0. more: members to add, or to write over."""
    return {
        "schema_version": "0.3.0",
        "evaluation_id": f"fair/{model}/1760000000.5",
        "model_id": model,
        "evaluation_name": name,
        "sample_id": key,
        "sample_hash": None,
        "interaction_type": "single_turn",
        "input": {"raw": asked, "formatted": f"Q: {asked}\nA:", "reference": gold, "choices": None},
        "output": {"raw": [gold[0] if gold else ""], "reasoning_trace": []},
        "messages": None,
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": "x",
                "extraction_method": "exact_match",
                "is_terminal": True,
            }
        ],
        "evaluation": {
            "score": score,
            "is_correct": score == 1.0,
            "num_turns": None,
            "tool_calls_count": None,
        },
        "token_usage": {"input_tokens": 10 + len(asked), "output_tokens": 3, "total_tokens": 13 + len(asked)},
        "performance": {"latency_ms": 125.0, "time_to_first_token_ms": None},
        "error": None,
        "metadata": {"topic": "sums"},
    } | more


def aggregate(model: str, results: Iterable[dict[str, object]] = (), **more: object) -> dict[str, object]:
    """The file beside the samples."""
    return {
        "schema_version": "0.3.0",
        "evaluation_id": f"fair/{model}/1760000000.5",
        "evaluation_timestamp": "2025-10-01T08:00:00Z",
        "retrieved_timestamp": "1760000000.5",
        "source_metadata": {"source_type": "evaluation_run", "source_organization_name": "Fair"},
        "eval_library": {"name": "own", "version": "1"},
        "model_info": {
            "name": model,
            "id": model,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
        },
        "evaluation_results": list(results),
    } | more


def metric(result: str, evaluation: str, name: str) -> dict[str, object]:
    """One result of an aggregate."""
    return {
        "evaluation_result_id": result,
        "evaluation_name": evaluation,
        "metric_config": {"metric_name": name, "lower_is_better": False, "score_type": "continuous"},
        "score_details": {"score": 0.5},
    }


def put(case: str, path: str, value: object) -> None:
    """Write lines, or one object; compressed where the name says so."""
    file = HERE / case / "dump" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    text = (
        "".join(json.dumps(line) + "\n" for line in value) if isinstance(value, list) else json.dumps(value)
    )
    text = value if isinstance(value, str) else text
    data = text.encode("utf-8", "surrogatepass")
    file.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)


def sound() -> None:
    """Two models, two evaluations in one file of each; one model in two runs, the older of schema 0.2."""
    for number, (model, right) in enumerate((("lab/small", (1, 0, 1)), ("lab/large", (1, 1, 1)))):
        lines = [
            sample("gsm8k", model, f"sum_{i}", asked, [gold], float(score))
            for i, ((asked, gold), score) in enumerate(zip(SUMS, right, strict=True))
        ]
        for i, (asked, choices, gold) in enumerate(PLACES):
            line = sample("places", model, f"p{i}", asked, [choices[gold]], 0.5 + number / 2)
            line["input"]["choices"] = choices  # type: ignore[index]
            line["evaluation"]["is_correct"] = bool(number)  # type: ignore[index]
            lines.append(line)
        folder = f"data/fair/{model}"
        put("sound", f"{folder}/{uuid(number)}_samples.jsonl", lines)
        revised = {
            "model_info": {"id": model, "additional_details": {"revision": "v2" if number else "main"}}
        }
        put("sound", f"{folder}/{uuid(number)}.json", aggregate(model, **revised))
    old = [
        sample("gsm8k", "lab/small", f"sum_{i}", asked, [gold], 0.0)
        | {"schema_version": "instance_level_eval_0.2.1", "evaluation_id": "fair/lab/small/1700000000"}
        for i, (asked, gold) in enumerate(SUMS)
    ]
    put("sound", f"data/fair/lab/small/{uuid(7)}.jsonl.gz", old)
    put("sound", f"data/fair/lab/tiny/{uuid(8)}.json", aggregate("lab/tiny"))


def metrics() -> None:
    """Samples scored in several ways."""
    by_filter = [
        sample(f"gsm8k/{way}", "lab/small", str(i), asked, [gold], score)
        for i, (asked, gold) in enumerate(SUMS)
        for way, score in (("flexible-extract", 1.0), ("strict-match", 0.0), ("own-filter", 0.5))
    ]
    put("metrics", "filters_samples.jsonl", by_filter[:-3] + by_filter[-3:-2])
    by_result = [
        sample("places", "lab/small", f"id{i}", asked, [choices[gold]], score, evaluation_result_id=result)
        for i, (asked, choices, gold) in enumerate(PLACES)
        for result, score in (("rouge_l:test", 0.25), ("grade:test", 1.0 - i), ("grade:test:typos", 0.75))
    ]
    put("metrics", "results_samples.jsonl", by_result)
    told = [
        sample("places", "lab/large", f"id{i}", asked, [choices[gold]], score, evaluation_result_id=result)
        for i, (asked, choices, gold) in enumerate(PLACES)
        for result, score in (("r1", 0.25), ("r2", 1.0 - i))
    ]
    put("metrics", "told_samples.jsonl", told)
    put(
        "metrics",
        "told.json",
        aggregate("lab/large", [metric("r1", "places", "f1"), metric("r2", "places", "grade")]),
    )
    put("metrics", "strange_samples.jsonl", told)
    put(
        "metrics",
        "strange.json",
        aggregate("lab/large", [metric("r1", "places", "f1"), metric("r2", "places", "em")]),
    )
    put(
        "metrics",
        "leaves_samples.jsonl",
        [line | {"evaluation_result_id": f"leaf{i}"} for i, line in enumerate(told[1::2])],
    )
    put("metrics", "one_samples.jsonl", [line for line in told if line["evaluation_result_id"] == "r1"])
    put("metrics", "one.json", aggregate("lab/large", [metric("r1", "places", "f1")]))


def odd() -> None:
    """Values of every kind."""
    asked = [(f"What is {i} squared?", [str(i * i)]) for i in range(16)]

    def line(at: int, score: object, **more: object) -> dict[str, object]:
        return sample("squares", "lab/m", f"s{at}", *asked[at], score, **more)

    lines: list[object] = [
        line(0, 10),
        line(1, "7.5"),
        line(2, None),
        line(3, float("nan")),
        line(4, 11),
        line(5, "no"),
        line(6, 0, evaluation={"is_correct": True}),
        line(7, 0, evaluation={"is_correct": False}, error="out of time"),
        line(8, 0, evaluation={"is_correct": None}),
        line(9, 0, evaluation=None),
        line(
            10, 5, token_usage={"input_tokens": -1, "output_tokens": "12"}, performance={"latency_ms": "soon"}
        ),
        line(11, 5, token_usage=None, performance=None, metadata=None, error="too long"),
        line(12, 5, interaction_type="agentic", output=None, messages=[{"turn_idx": 0, "role": "user"}]),
        line(12, 5),
        line(13, 1),
        line(13, 2),
        line(14, 1, sample_id=None, sample_hash="abc"),
        line(14, 1, sample_id=14),
        line(15, 1, input=None),
        line(15, 1, model_id=None),
        line(15, 1, model_id=".."),
        line(15, 1, evaluation_name="circles"),
        line(15, 1, evaluation_name=None),
        line(15, 1, schema_version="1.0.0"),
        line(15, 1, evaluation_id="other/run/1750000000", schema_version="0.2.2"),
        line(15, 1, model_id="lab/n", input={"raw": "So \ud800?", "reference": ["a", "b"], "choices": []}),
        line(15, 1, model_id="lab/n", evaluation_name="topics", metadata={"topic": "../x"}),
        line(15, 1, model_id="lab/n", evaluation_name="topics", metadata={"topic": "cubes"}),
        7,
        None,
    ]
    put("odd", "mine_samples.jsonl", lines)
    put("odd", "mine.json", "no aggregate")
    put(
        "odd",
        "only_is_correct_samples.jsonl",
        [line(at, 0, evaluation={"is_correct": at > 0}) for at in range(3)],
    )
    put("odd", "all_null_samples.jsonl", [line(at, None) for at in range(2)])


def unreadable() -> None:
    """Files that are cut short, empty, or hold something else."""
    lines = [sample("gsm8k", "lab/m", str(i), asked, [gold], 1.0) for i, (asked, gold) in enumerate(SUMS)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    put("unreadable", "cut_samples.jsonl", text[:-200])
    put("unreadable", "empty_samples.jsonl", "")
    put("unreadable", "blank_samples.jsonl", "\n \n")
    put("unreadable", "aggregate_samples.jsonl", [aggregate("lab/m")])
    put("unreadable", "versions_samples.jsonl", [line | {"schema_version": 2} for line in lines])
    put("unreadable", "numbers_samples.jsonl", "1\n2\n")
    put("unreadable", "list_samples.json", json.dumps(lines, indent=1))
    data = gzip.compress(text.encode(), mtime=0)
    put("unreadable", "damaged_samples.jsonl", "")
    (HERE / "unreadable" / "dump" / "damaged_samples.jsonl").write_bytes(data[:-20])


if __name__ == "__main__":
    sound()
    metrics()
    odd()
    unreadable()
