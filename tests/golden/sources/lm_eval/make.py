"""The inputs of these golden folders; `../make.py lm_eval` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

MODEL = "org__model"
TIME = "2024-09-18T10-20-30.123456"
JUNE = "2024-06-16T15-25-20.123456"


def line(doc_id: object, **fields: object) -> dict[str, object]:
    """A current log's line about an addition."""
    doc = {"question": f"What is {doc_id} plus {doc_id}?", "choices": {"text": ["odd", "even"]}}
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": "1",
        "arguments": {"gen_args_0": {"arg_0": f"Question: What is {doc_id} plus {doc_id}?", "arg_1": " odd"}},
        "resps": [[["-1.5", "False"]]],
        "filtered_resps": [["-1.5", "False"]],
        "doc_hash": sha256(f"document {doc_id}".encode()).hexdigest(),
        "prompt_hash": sha256(f"prompt {doc_id}".encode()).hexdigest(),
        "target_hash": sha256(b"1").hexdigest(),
        **fields,
    }


def jsonl(*lines: object, end: bytes = b"\n") -> bytes:
    """Lines as the harness writes them; bytes stay as they are."""
    encoded = [
        each if isinstance(each, bytes) else json.dumps(each, ensure_ascii=False).encode() for each in lines
    ]
    return b"\n".join(encoded) + end


def log(task: str, time: str = TIME, suffix: str = "jsonl", folder: str = MODEL) -> str:
    return f"{folder}/samples_{task}_{time}.{suffix}"


def without(record: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in names}


def files() -> dict[str, dict[str, bytes]]:
    """Files of every case."""
    hashes = ("doc_hash", "prompt_hash", "target_hash")
    old = [
        {
            "doc_id": i,
            "doc": {"input": f"not {i} is", "target": "True"},
            "target": "(A)",
            "arguments": [[f"Q: not {i} is", " (A)"], [f"Q: not {i} is", " (B)"]],
            "resps": [],
            "acc_norm": score,
        }
        for i, score in ((0, 1), (2, 0), (1, 0.0), (3, True))
    ]
    story = {
        "narrative": "A spoon lies on the table.",
        "question": "Where is the spoon?",
        "choices": "['table', 'floor']",
        "answer_index": 0,
    }
    gsm8k = [
        line(i, filter=name, metrics=["exact_match"])
        for i in (0, 1)
        for name in ("strict-match", "flexible-extract")
    ]
    passes = [line(i, exact_match=score) for i, score in ((0, 1.0), (1, 0.0), (0, 1.0), (1, 1.0))]
    rerun = [line(i, exact_match=score) for i, score in ((0, 0.0), (1, 1.0), (0, 0.0), (1, 0.0))]
    arc = [line(i, acc=0.0, acc_norm=score) for i, score in ((0, 0.0), (1, 0.0), (0, 1.0), (1, 0.0))]
    subjects = ("anatomy", "virology", "anatomy", "../virology", None)
    spread = [
        {
            **line(i, acc=1.0),
            "doc": {"question": f"Where is bone {i}?", "subject": subject, "choices": ["here", "there"]},
        }
        for i, subject in enumerate(subjects)
    ]
    faults = jsonl(
        line(0, acc_norm=1.0),
        b'{"doc_id": 1, "acc_norm": ',
        "out of memory",
        b"",
        line(2, acc_norm=float("nan")),
        line(3, acc_norm=None),
        line(4, acc_norm=1.5),
        line(5, acc_norm="yes"),
        line(6, acc_norm=[0.0, 1.0]),
        line(7, acc_norm=[True]),
        without(line(8, acc_norm=1.0), "doc_id"),
        line(9, acc=1.0),
        line(10, acc_norm=0.0),
        line(10, acc_norm=0.0),
        line(11, acc_norm=0.0),
        line(11, acc_norm=1.0),
        line(12, acc_norm=1.0, resps=[float("-inf")]),
        jsonl(line(13, acc_norm=1.0), end=b"").replace(b"odd", b"\xff"),
        jsonl(line(14, acc_norm=1.0), end=b"").replace(b"odd", b"\\ud800"),
        line("", acc_norm=1.0),
        line("a", acc_norm=1.0),
        line(15.0, acc_norm=1.0),
        line(16, acc_norm=1.0, filter=3),
        [1, 2],
        line(17, acc_norm=-float("inf")),
        jsonl(line(18, acc_norm=1.0), end=b"")[:200],
        end=b"",
    )
    return {
        "leaderboard-v2": {
            log("leaderboard_bbh_boolean_expressions", JUNE, "json", f"{MODEL}-details/{MODEL}"): jsonl(*old),
            log("leaderboard_musr_murder_mysteries", folder=f"{MODEL}-details/{MODEL}"): jsonl(
                {
                    **line(0, acc_norm=[1.0], filter="none", metrics=["acc_norm"]),
                    "doc": story,
                    "target": "table",
                }
            ),
            log("leaderboard_ifeval", folder=f"{MODEL}-details/{MODEL}"): jsonl(
                {
                    **line(0, prompt_level_strict_acc=True, inst_level_strict_acc=[True, False]),
                    "doc": {"key": 1000, "prompt": "Say “hello” twice."},
                    "target": 0,
                },
                line(1, prompt_level_strict_acc=False),
            ),
            f"{MODEL}-details/{MODEL}/results_{TIME}.json": b'{"results": {}}\n',
        },
        "metric-names": {
            log("truthfulqa_mc2"): jsonl(line(0, acc=0.625), line(1, acc=0.0)),
            log("gsm8k"): jsonl(line(0, exact_match=1.0), line(1, acc=0.0, exact_match=1.0)),
        },
        "filters": {
            log("gsm8k"): jsonl(
                *({**g, "exact_match": s} for g, s in zip(gsm8k, (1.0, 0.0, 0.0, 1.0), strict=True))
            ),
            log("arc_challenge"): jsonl(
                line(0, acc_norm=1.0, filter="none"), line(1, acc_norm=0.0, filter="none")
            ),
            log("gsm8k", "2024-09-19T00-00-00.000000"): jsonl(
                *({**g, "exact_match": 1.0} for g in gsm8k if g["filter"] == "flexible-extract")
            ),
            log("gsm8k", "2024-09-20T00-00-00.000000"): jsonl(
                *({**g, "exact_match": 1.0} for g in gsm8k[:2]), {**gsm8k[3], "exact_match": 1.0}
            ),
        },
        "appended-runs": {
            log("gsm8k"): jsonl(*passes),
            log("gsm8k", "2024-09-19T00-00-00.000000"): jsonl(*passes, *rerun),
            log("arc_challenge"): jsonl(*arc),
        },
        "one-filter-of-several": {log("gsm8k"): jsonl(*passes)},
        "bad-lines": {log("arc_challenge"): faults},
        "bad-files": {
            log("leaderboard_alien_arithmetic"): jsonl(line(0, acc=1.0), b"", line(1, acc=1.0)),
            log("arc_challenge", folder="no model"): jsonl(line(0, acc_norm=1.0)),
            log("truthfulqa_mc1"): jsonl(line(0, acc=1.0)),
            log("mmlu_anatomy"): jsonl(line(0, acc_norm=1.0), line(1, acc_norm=0.0)),
            log("hellaswag"): b"",
            log("winogrande"): b"\n \n",
            f"{MODEL}/samples_arc_challenge.jsonl": jsonl(line(0, acc_norm=1.0)),
        },
        "subset-from-field": {log("metabench_mmlu"): jsonl(*spread)},
        "no-hashes": {
            log("arc_challenge"): jsonl(*(without(line(i, acc_norm=1.0), *hashes) for i in range(2))),
            log("winogrande"): jsonl(
                {
                    "doc_id": 0,
                    "doc": {
                        "sentence": "The cup did not fit the box because _ was big.",
                        "option1": "cup",
                        "option2": "box",
                    },
                    "target": "was big.",
                    "acc": 1.0,
                }
            ),
        },
    }
