"""Writes the inputs of these golden folders, tiny Parquet files; `../make.py details` writes them."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

MODEL = "org__model"
V1 = "2023-07-19T13:48:53.093937"
V1_HYPHENS = "2023-12-03T19-20-13.501249"


def parquet(columns: Mapping[str, object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink, compression="none", store_schema=False)
    return sink.getvalue()


def details_file(task: str, time: str, folder: str = f"details_{MODEL}") -> str:
    return f"{folder}/{time}/details_{task}_{time}.parquet"


def files() -> dict[str, dict[str, bytes]]:
    """Files of every case."""
    tokens = [[[1, 2]]] * 3
    asked = ["Which is a metal?", "Which is a gas?", "Which is a metal?"]
    options = [["iron", "wood"], ["stone", "argon"], ["iron", "wood"]]
    old = {
        "example": ["id_7", "id_8", "id_9"],
        "query": [f"Question: {q}\nAnswer:" for q in asked],
        "choices": options,
        "gold": [0, 1, 0],
        "acc": [1.0, 0.0, 1.0],
        "acc_norm": [1.0, 0.0, 0.0],
        "input_tokens": tokens,
        "cont_tokens": tokens,
    }
    new = {
        "example": [f"Question: {q}\nAnswer:" for q in asked],
        "instruction": ["", "", ""],
        "full_prompt": [f"Question: 1+1?\nAnswer: 2\n\nQuestion: {q}\nAnswer:" for q in asked],
        "choices": options,
        "gold": [["iron"], ["argon"], ["iron"]],
        "gold_index": [[0], [1], [0]],
        "metrics": [
            {"acc": 1.0, "acc_norm": 0.0},
            {"acc": 0.0, "acc_norm": 1.0},
            {"acc": 0.0, "acc_norm": 1.0},
        ],
        "input_tokens": tokens,
    }
    lighteval = {
        "doc": [
            {
                "query": q,
                "choices": c,
                "gold_index": g,
                "full_prompt": f"1+1? 2\n\n{q}",
                "id": str(i),
                "tokens": [1],
            }
            for i, (q, c, g) in enumerate(zip(asked[:2], options, (0, 1), strict=False))
        ],
        "metric": [{"acc_norm": 1, "acc": 0}, {"acc_norm": 0, "acc": 1}],
        "model_response": [{"text": ["iron"]}, {"text": ["stone"]}],
    }
    truthful = {
        "example": ["Do stones sleep?"],
        "choices": [["no", "never", "yes"]],
        "gold_index": [[0, 1]],
        "metrics": [{"mc1": 1.0, "mc2": 0.625}],
    }
    sums = {
        "example": ["1+1?", "2+2?"],
        "choices": [[], []],
        "gold": [["#### 2"], ["#### 4"]],
        "gold_index": [[], []],
    }
    broken = pa.array([b"What is \xff?", b"What is x?", b"What is y?"]).view(pa.string())
    rows = {
        "example": ["a?", "b?", None, "d?", "e?", "a?"],
        "choices": [["y", "n"]] * 6,
        "gold": [0, 0, 0, 0, 0, 1],
        "acc_norm": [1.0, None, 1.0, float("nan"), 2.0, 0.0],
    }
    lists = {"example": ["a?", "b?", "c?"], "gold": ["x", "y", "z"], "acc_norm": [[1.0], [0.0, 1.0], [None]]}
    ranked = {  # a request per option
        "example": ["a?", "b?", "c?"],
        "choices": [["y", "n"]] * 3,
        "gold": [0, 1, 0],
        "acc": [1.0, 0.0, 1.0],
        "predictions": [[-1.5, -2.0]] * 3,
        "input_tokens": [[[1, 2, 3], [1, 2, 3, 4, 5]], [[], []], None],
        "cont_tokens": [[[3], [4, 5]], [[3], [4]], [[3], [4]]],
    }
    spelled = {name: [str(value) for value in ranked[name]] for name in ranked}
    spelled["predictions"] = ["[(-1.5, True), (nan, False)]", "[(-1.5, True), (-2.0, False)]", "[]"]
    spelled["input_tokens"][2] = "[tensor([1, 2])]"
    spelled["metrics"] = [f"{{'acc': {score}}}" for score in spelled.pop("acc")]
    written = {
        "example": ["1+1?", "2+2?", "3+3?", "4+4?"],
        "gold": ["2", "4", "6", "8"],
        "acc": [1.0, 0.0, None, 0.0],
        "predictions": ["It is 2.", "[5]", "", ""],
        "input_tokens": [[[1, 2, 3]]] * 4,
        "cont_tokens": [[[4, 5, 6]], [[4], [5, 6]], [[4]], [[]]],
    }
    nested = {
        "doc": lighteval["doc"],
        "metric": lighteval["metric"],
        "model_response": pa.array(
            [
                {"text": [], "logprobs": [-1.5, -2], "input_tokens": [1] * 7, "output_tokens": [[2], [3]]},
                {"text": [], "logprobs": [-1.5, -2], "input_tokens": [], "output_tokens": [[2], [3]]},
            ]
        ),
    }
    asked_once = {
        "doc": lighteval["doc"],
        "metric": [{"acc": 1.0}, {"acc": 0.0}],
        "model_response": [
            {"text": ["iron", "lead"], "input_tokens": [1] * 7, "output_tokens": [[2, 3], [4, 5, 6]]},
            {"text": ["stone", "argon"], "input_tokens": [1] * 9, "output_tokens": [[2], []]},
        ],
    }
    untold = {**ranked, "predictions": [None, [], None]}
    whole = parquet(old)
    arc, arc_hyphen = "harness|arc:challenge|25", "harness|arc-challenge|25"
    return {
        "flat-columns": {details_file(arc, V1): whole},
        "struct-of-metrics": {
            details_file(arc_hyphen, V1_HYPHENS): parquet(new),
            details_file("harness|truthfulqa:mc|0", V1_HYPHENS): parquet(truthful),
            details_file("harness|gsm8k|5", V1_HYPHENS): parquet({**sums, "acc": [1, 0]}),
            details_file("harness%7Cwinogrande%7C5", V1_HYPHENS): parquet(
                {"example": ["a _ b"], "acc": [True]}
            ),
        },
        "lighteval": {
            details_file("leaderboard|arc:challenge|25", V1_HYPHENS, "details/org/model"): parquet(lighteval),
            f"details/{MODEL}/{V1_HYPHENS}/details_{arc}.parquet": parquet(
                {"__doc__": lighteval["doc"], "__metric__": lighteval["metric"]}
            ),
        },
        "tokens": {
            details_file(arc, V1): parquet({**ranked, "acc_norm": ranked["acc"]}),
            details_file("harness|winogrande|5", V1): parquet(spelled),
            details_file("harness|gsm8k|5", V1): parquet(written),
            details_file("harness|hendrycksTest-anatomy|5", V1): parquet(untold),
            details_file("leaderboard|arc:challenge|25", V1_HYPHENS, "details/org/model"): parquet(nested),
            details_file("leaderboard|gsm8k|5", V1_HYPHENS, "details/org/model"): parquet(asked_once),
        },
        "bad-rows": {
            details_file(arc, V1): parquet(rows),
            details_file(arc, V1_HYPHENS): parquet(lists),
            details_file("harness|hellaswag|10", V1): parquet(
                {"example": broken, "choices": [["a"]] * 3, "gold": [0] * 3, "acc_norm": [1.0, 1.0, 0.0]}
            ),
        },
        "bad-files": {
            details_file("harness|alien_arithmetic|5", V1): whole,
            details_file("harness|truthfulqa:mc|0", V1): whole,
            details_file("harness|winogrande|5", V1): parquet({"example": ["a"], "acc": ["good"]}),
            details_file("harness|gsm8k|5", V1): parquet({"acc": [1.0]}),
            details_file("harness|hellaswag|10", V1): whole[: len(whole) * 2 // 3],
            details_file("harness|hellaswag|10", V1_HYPHENS): b"",
            details_file(arc, V1_HYPHENS): parquet(
                {"example": pa.array([], pa.string()), "acc_norm": pa.array([], pa.float64())}
            ),
            details_file(arc, V1, "details_no model"): whole,
        },
    }
