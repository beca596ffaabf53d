"""Files that hold millions of bad records, or of tiny ones: one is staged, and the peak of memory printed.

python -m tests.fuzz.floods FOLDER NAME SCALE
"""

from __future__ import annotations

import gzip
import json
import pickle
import resource
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.sources.base import SourceSpec
from tests.fuzz.bombs import LINES, ZIP, peak_memory
from tests.fuzz.sandbox import Sandbox

ADDRESSES = 4 << 30
"""Bytes that a process may ask for, so that one that goes wrong takes nobody else's."""
PIECE = 10_000
DETAILS = "details_org__a/2024-01-01T00:00:00/details_harness|gsm8k|5_2024-01-01T00:00:00.parquet"


@dataclass(frozen=True)
class Flood:
    """form: the dump format. records: how many the file holds at scale 1. write: the file of n records, below
    a folder. benchmark: of a wide file. reason: why all of them are quarantined, None where not all are.
    """

    form: str
    records: int
    write: Callable[[Path, int], None]
    benchmark: str | None = None
    reason: str | None = None


def repeated(name: str, record: str, start: str = "", end: str = "") -> Callable[[Path, int], None]:
    """A file of one record again and again, `{i}` being its number; compressed or zipped as its name says."""

    def write(folder: Path, n: int) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = "{i}" not in record
        piece = record * PIECE

        def pour(put: Callable[[bytes], object]) -> None:
            put(start.encode())
            for at in range(0, n, PIECE):
                size = min(PIECE, n - at)
                text = piece[: size * len(record)] if plain else ""
                put((text or "".join(record.replace("{i}", str(at + i)) for i in range(size))).encode())
            put(end.encode())

        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive, archive.open("a.json", "w") as member:
                pour(member.write)
        else:
            with gzip.open(path, "wb", 1) if name.endswith(".gz") else path.open("wb") as stream:
                pour(stream.write)

    return write


def several(n_files: int, name: str, record: str) -> Callable[[Path, int], None]:
    """Some such files of equally many records."""

    def write(folder: Path, n: int) -> None:
        for at in range(n_files):
            repeated(name.replace("_a/", f"_a{at}/"), record)(folder, n // n_files)

    return write


def parquet(name: str, columns: Callable[[int], dict[str, object]]) -> Callable[[Path, int], None]:
    """A Parquet file with columns made for a number of rows."""

    def write(folder: Path, n: int) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns(n)), path)

    return write


def scores(
    models: Callable[[int], list[object]], shape: Callable[[int], tuple[int, int]]
) -> Callable[[Path, int], None]:
    """A score pickle, all of whose scores are out of range."""

    def write(folder: Path, n: int) -> None:
        path = folder / "leaderboard_score/a.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"correctness": np.full(shape(n), 7.0)}
        path.write_bytes(pickle.dumps({"model": models(n), "data": {"harness_gsm8k_5": entry}}))

    return write


def same_text(n: int, size: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), n), ["x" * size])


RESULT = '{"dataset_name":"gsm8k","split":"s","model_name":"m","records":['
SAMPLES = "a_samples.jsonl"
SAMPLE = '{"model_id":"m","evaluation_name":"gsm8k","sample_id":"{i}","evaluation":{"score":0.{i}}}\n'
CELL = 'org/m{i},"no score {i}"\n'
FLOODS = {
    "bad lines": Flood("lm_eval", 12_000_000, several(3, LINES, "x\n"), reason="malformed_row"),
    "lines without a metric": Flood(
        "lm_eval", 4_000_000, repeated(LINES, '{"doc_id":{i}}\n'), reason="missing_metric"
    ),
    "bad scores": Flood("lm_eval", 2_000_000, repeated(LINES, '{"doc_id":{i},"exact_match":"no {i}"}\n')),
    "one document": Flood("lm_eval", 4_000_000, repeated(LINES, '{"doc_id":1,"exact_match":{i}}\n')),
    "good lines": Flood("lm_eval", 4_000_000, repeated(LINES, '{"doc_id":{i},"exact_match":1.0}\n')),
    "a line of empty lists": Flood(
        "lm_eval", 5_000_000, repeated(LINES, "[],", '{"doc_id":1,"exact_match":1.0,"doc":[', "0]}\n")
    ),
    "an unknown task": Flood(
        "lm_eval",
        4_000_000,
        repeated("org__a/samples_what_2024-01-01T00-00-00.0.jsonl", "x\n"),
        reason="unknown_task",
    ),
    "long keys": Flood(
        "lm_eval", 600_000, repeated(LINES, '{"doc_id":"' + "x" * 2000 + '{i}","exact_match":1.0}\n')
    ),
    "bad cells": Flood("wide", 5_000_000, repeated("a.csv", CELL, "model,q1\n"), "gsm8k"),
    "bad cells of one model": Flood(
        "wide", 5_000_000, repeated("a.csv", 'org/m,"no {i}"\n', "model,q1\n"), "gsm8k"
    ),
    "bad cells of some models": Flood(
        "wide",
        5_000_000,
        repeated("a.csv", "org/m{i},no,no,no,no,no,no,no,no\n", "model,q1,q2,q3,q4,q5,q6,q7,q8\n"),
        "gsm8k",
    ),
    "bad rows": Flood("wide", 40_000_000, repeated("a.csv.gz", "a,b,c,d\n", "model,q1\norg/a,1\n"), "gsm8k"),
    "rows without a model": Flood(
        "wide", 5_000_000, repeated("a.csv", ",1\n", "model,q1\norg/a,1\n"), "gsm8k"
    ),
    "bad scores in long": Flood(
        "long", 3_000_000, repeated("b.csv", "org/m,{i},no {i}\n", "model,doc_key,score\na,0,1\n"), "gsm8k"
    ),
    "a model a row in long": Flood(
        "long", 3_000_000, repeated("b.csv", "org/m{i},{i},1\n", "model,doc_key,score\n"), "gsm8k"
    ),
    "keys in long": Flood(
        "long", 3_000_000, repeated("b.csv", "org/m,{i},1,-1\n", "model,doc_key,score,usd\n"), "gsm8k"
    ),
    "lines of long": Flood(
        "long", 3_000_000, repeated("b.jsonl", '{"model":"a","doc_key":{i},"score":1}\n'), "gsm8k"
    ),
    "records of a result": Flood(
        "llmrouterbench", 3_000_000, repeated("a.json", '{"index":{i},"score":1},', RESULT, "0]}")
    ),
    "no records of a result": Flood(
        "llmrouterbench", 5_000_000, repeated("a.json", "{i},", RESULT, "0]}"), reason="not_an_object"
    ),
    "records of an unknown dataset": Flood(
        "llmrouterbench",
        5_000_000,
        repeated("a.json", "{i},", RESULT.replace("gsm8k", "what"), "0]}"),
        reason="unknown_task",
    ),
    "members of a result": Flood(
        "llmrouterbench", 2_000_000, repeated("a.json", '"m{i}":0,', RESULT[:-12], '"records":[]}')
    ),
    "lines of samples": Flood("every_eval_ever", 2_000_000, repeated(SAMPLES, SAMPLE)),
    "lines of samples of an unknown evaluation": Flood(
        "every_eval_ever",
        2_000_000,
        repeated(SAMPLES, SAMPLE.replace("gsm8k", "what")),
        reason="unknown_task",
    ),
    "evaluations": Flood("every_eval_ever", 2_000_000, repeated(SAMPLES, SAMPLE.replace("gsm8k", "e{i}"))),
    "bad scores in item_major": Flood(
        "item_major", 600_000, repeated("b.csv", "{i},7.{i}\n", "doc_key,org/m\na,0\n"), "gsm8k"
    ),
    "a model a column in item_major": Flood(
        "item_major",
        50_000,
        parquet("b.parquet", lambda n: {"doc_key": ["1"], **{f"org/m{i}": [1.0] for i in range(n)}}),
        "gsm8k",
    ),
    "columns of nothing in item_major": Flood(
        "item_major", 100_000, repeated("b.csv", ",org/m{i}", "doc_key", "\n1,1\n"), "gsm8k"
    ),
    "names in lines of item_major": Flood(
        "item_major", 3_000_000, repeated("b.jsonl", '{"doc_key":{i},"m{i}":1}\n'), "gsm8k"
    ),
    "samples of a log": Flood(
        "inspect",
        260_000,
        repeated(
            "a.json",
            '{"id":{i},"epoch":1,"input":"{i}","scores":{"x":{"value":"C"}},"total_time":1.5},',
            '{"eval":{"task":"gsm8k","model":"org/a"},"samples":[',
            "{}]}",
        ),
    ),
    "samples of nothing of a log": Flood(
        "inspect",
        4_000_000,
        repeated("a.json", "{},", '{"eval":{"task":"gsm8k","model":"org/a"},"samples":[', "{}]}"),
    ),
    "models twice": Flood(
        "wide",
        2_000_000,
        lambda folder, n: repeated(
            "a.csv", CELL, "model,q1\n" + "".join(CELL.replace("{i}", str(i)) for i in range(n // 2))
        )(folder, n // 2),
        "gsm8k",
    ),
    "a long header": Flood("wide", 30_000_000, repeated("a.csv", "a,", "model,"), "gsm8k"),
    "a wide header": Flood("wide", 5_000_000, repeated("a.csv", '"a {i}",', "model,"), "gsm8k"),
    "columns of nothing": Flood("wide", 100_000_000, repeated("a.csv", ",", "model,q1\n"), "gsm8k"),
    "bad cells in Parquet": Flood(
        "wide",
        5_000_000,
        parquet(
            "a.parquet",
            lambda n: {"model": [f"org/m{i}" for i in range(n)], "q1": [f"no {i}" for i in range(n)]},
        ),
        "gsm8k",
    ),
    "one text in Parquet": Flood(
        "wide",
        2_000_000,
        parquet("a.parquet", lambda n: {"model": same_text(n, 4096), "q1": pa.repeat(1.0, n)}),
        "gsm8k",
    ),
    "one cell in Parquet": Flood(
        "wide",
        100_000,
        parquet("a.parquet", lambda n: {"model": [f"org/m{i}" for i in range(n)], "q1": same_text(n, 40960)}),
        "gsm8k",
    ),
    "empty objects": Flood("mmlu_pro", 20_000_000, repeated(ZIP, "{},", "[", "{}]")),
    "empty lists": Flood("mmlu_pro", 80_000_000, repeated(ZIP, "[],", "[", "[]]")),
    "rows of nothing": Flood(
        "mmlu_pro", 5_000_000, repeated(ZIP, '{"question_id":{i},"pred":null},', "[", "{}]")
    ),
    "objects in lines": Flood("mmlu_pro", 5_000_000, repeated(ZIP, '{"question_id":{i},"pred":null}\n')),
    "NaN among objects": Flood("mmlu_pro", 5_000_000, repeated(ZIP, "{},", "[NaN,", "{}]")),
    "an element of lists": Flood("mmlu_pro", 40_000_000, repeated(ZIP, "[],", "[[", "0]]")),
    "numbers": Flood("mmlu_pro", 80_000_000, repeated(ZIP.replace(".zip", ".json.gz"), "1,", "[", "1]")),
    "choices of nothing": Flood(
        "details",
        20_000_000,
        parquet(
            DETAILS,
            lambda n: {"question": ["q"], "example": ["e"], "choices": pa.array([[""] * n]), "acc": [1.0]},
        ),
    ),
    "one choice": Flood(
        "details",
        100_000,
        parquet(
            DETAILS,
            lambda n: {
                "example": ["e"] * n,
                "choices": pa.ListArray.from_arrays(
                    pa.array(np.arange(n + 1), pa.int32()), same_text(n, 40960)
                ),
                "acc": [1.0] * n,
            },
        ),
    ),
    "bad scores in details": Flood(
        "details",
        1_000_000,
        parquet(DETAILS, lambda n: {"example": [str(i) for i in range(n)], "acc": [7.0] * n}),
    ),
    "texts in details": Flood(
        "details",
        100_000,
        parquet(
            DETAILS,
            lambda n: {"example": [f"{i}\U0001f600" + "x" * 1200 for i in range(n)], "acc": [1.0] * n},
        ),
    ),
    "scores out of range": Flood(
        "routereval", 40_000_000, scores(lambda n: [f"org/m{i}" for i in range(40)], lambda n: (n // 40, 40))
    ),
    "unnamed models": Flood("routereval", 1_000_000, scores(lambda n: [None] * n, lambda n: (1, n))),
}


def main(folder: Path, name: str, scale: float) -> None:
    """Stage a flood; one line of JSON: bytes at peak, and what became of it."""
    flood, sandbox = FLOODS[name], Sandbox(folder)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    staged = sandbox.stage(SourceSpec(flood.form, str(sandbox.dumps), benchmark=flood.benchmark))
    found = {"peak": peak_memory(), "n_read": staged.n_read, "rows": len(staged.reasons)}
    print(json.dumps(found | {"reasons": sorted(set(staged.reasons))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
