"""Speed of reading harness sample logs, against msgspec alone and against what else reads JSON lines.

    python benchmarks/jsonl.py [--megabytes 300] [--repeat 5]

The logs are synthetic, of the Open LLM Leaderboard v2's form: lines of about 6.6 kB, of which 0.1% is not
ASCII, as in real ones. Every reader gets the same three small fields out of the same files; ours also
checks the text's encoding, tells bad lines, and gives keys, prints and scores as columns; staged, it also
computes the SHA-256 of every file, and writes the columns and the text of the documents. All but staging run
on one thread, and all take turns; the least CPU time of each counts, so that a busy machine hurts little, and
all alike; what was waited for stands in the last column, since the SHA-256 is made in a thread beside the
reading. msgspec alone is timed twice: with all bytes of a file in memory, and a line at a time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from string import ascii_lowercase

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import command, machine, versions
from routerset.etl import records
from routerset.etl.ingest import arrow_files
from routerset.etl.ingest.batches import plan_batches
from routerset.etl.ingest.fragments import RUN_FRAGMENTS
from routerset.etl.ingest.shards import RUNS_FILE, SHARDS, stage_batch
from routerset.etl.sources import lm_eval
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.parse.jsonlines import CHUNK
from routerset.schemas import store

LINES = 2_000
WORDS = 3_000
BARE = {"file": "msgspec, a file at a time", "line": "msgspec, a line at a time"}


class Fields(msgspec.Struct):
    """The three small fields."""

    doc_id: int
    doc_hash: str
    acc: float


def write_logs(folder: Path, megabytes: int) -> list[Path]:
    """Logs of as many models as it takes, each of `LINES` lines about the same documents."""
    draw = random.Random(0)
    words = ["".join(draw.choices(ascii_lowercase, k=draw.randint(2, 9))) for _ in range(WORDS)]
    words += [f"{word}é" for word in words[: WORDS // 200]]
    documents = [_document(i, words, draw) for i in range(LINES)]
    paths: list[Path] = []
    size = 0
    while size < megabytes * 1_000_000:
        name = "samples_leaderboard_mmlu_pro_2024-09-18T10-20-30.123456.jsonl"
        path = folder / f"org__model-{len(paths)}" / name
        path.parent.mkdir(parents=True)
        lines = (json.dumps({**d, "acc": float(draw.random() < 0.5)}, ensure_ascii=False) for d in documents)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        paths.append(path)
        size += path.stat().st_size
    return paths


def _document(number: int, words: list[str], draw: random.Random) -> dict[str, object]:
    question, *choices = (" ".join(draw.choices(words, k=k)) for k in (40, *(5,) * 10))
    prompt = " ".join(draw.choices(words, k=29)) + question
    return {
        "doc_id": number,
        "doc": {"question": question, "options": choices, "answer": "B", "answer_index": 1},
        "target": "B",
        "arguments": {f"gen_args_{i}": {"arg_0": prompt, "arg_1": f" {c}"} for i, c in enumerate(choices)},
        "resps": [[["-1.5", "False"]]] * len(choices),
        "filtered_resps": [["-1.5", "False"]] * len(choices),
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": _hash(question),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash("B"),
    }


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def readers(folder: Path, paths: list[Path]) -> dict[str, Callable[[], int]]:
    """Name -> a function that reads all files and returns the number of lines."""
    names = [str(path) for path in paths]
    columns = {"doc_id": "BIGINT", "doc_hash": "VARCHAR", "acc": "DOUBLE"}
    decoder = msgspec.json.Decoder(Fields)
    spec = SourceSpec("lm_eval", str(folder))

    def ours() -> int:
        dumps = list(lm_eval.discover(spec))
        return sum(b.values.size for d in dumps for r in lm_eval.read(d, spec) for b in r.blocks)

    def staged() -> int:
        records._digest.cache_clear()  # a process takes the digest of a file once
        with tempfile.TemporaryDirectory(dir=folder.parent) as staging:
            batches, _ = plan_batches([spec], code="")
            shards = [shard for batch in batches for shard in stage_batch(batch, staging)]
            fragments = [Path(staging, SHARDS, s.folder, f"{s.benchmark}{RUNS_FILE}") for s in shards]
            return sum(
                pc.sum(arrow_files.read_file(f, RUN_FRAGMENTS, ["n_read"])["n_read"]).as_py()
                for f in fragments
            )

    def checksums() -> int:
        return sum(LINES for name in names if store.sha256(name))

    def bare() -> int:
        return sum(len(decoder.decode_lines(path.read_bytes())) for path in paths)

    def bare_lines() -> int:
        n = 0
        for path in paths:
            with path.open("rb") as stream:
                n += len([decoder.decode(line) for line in stream])
        return n

    def bare_chunks() -> int:
        return sum(len(decoder.decode_lines(chunk)) for path in paths for chunk in _chunks(path))

    def standard() -> int:
        n = 0
        for path in paths:
            with path.open(encoding="utf-8") as stream:
                rows = map(json.loads, stream)
                n += len([(row["doc_id"], row["doc_hash"], row["acc"]) for row in rows])
        return n

    def arrow() -> int:
        options = pa.json.ParseOptions(
            explicit_schema=pa.schema(
                [("doc_id", pa.int64()), ("doc_hash", pa.string()), ("acc", pa.float64())]
            ),
            unexpected_field_behavior="ignore",
        )
        whole = pa.json.ReadOptions(use_threads=False, block_size=4 << 20)
        return sum(len(pa.json.read_json(name, whole, options)) for name in names)

    def duck() -> int:
        import duckdb

        connection = duckdb.connect(config={"threads": 1})
        query = "SELECT * FROM read_json($1, format = 'newline_delimited', columns = " + str(columns) + ")"
        return len(connection.sql(query, params=[names]).to_arrow_table())

    def hugging_face() -> int:
        import datasets

        datasets.disable_progress_bars()
        cache = tempfile.mkdtemp(dir=folder.parent)
        try:
            found = datasets.load_dataset("json", data_files=names, split="train", cache_dir=cache)
            return len(found.select_columns(list(columns)))
        finally:
            shutil.rmtree(cache)

    found = {
        "routerset lm_eval": ours,
        "routerset lm_eval, staged": staged,
        "SHA-256, which staging needs": checksums,
        BARE["file"]: bare,
        BARE["line"]: bare_lines,
        f"msgspec, {CHUNK >> 10} KiB at a time": bare_chunks,
        "json of the standard library": standard,
        "pyarrow.json": arrow,
        "DuckDB read_json": duck,
        "datasets.load_dataset('json')": hugging_face,
    }
    if importlib.util.find_spec("polars"):
        found["polars scan_ndjson"] = lambda: _polars(names, list(columns))
    return found


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk + stream.readline()


def _polars(names: list[str], columns: list[str]) -> int:
    import polars

    return len(polars.scan_ndjson(names).select(columns).collect())


def main() -> None:
    """Print MB/s of every reader and its ratio to msgspec alone."""
    parser = argparse.ArgumentParser(description="speed of reading harness sample logs")
    parser.add_argument("--megabytes", type=int, default=300, help="size of all logs (default 300)")
    parser.add_argument("--repeat", type=int, default=5, help="turns of every reader (default 5)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "logs"
        paths = write_logs(folder, arguments.megabytes)
        size = sum(path.stat().st_size for path in paths)
        contenders = readers(folder, paths)
        best, waited = (dict.fromkeys(contenders, float("inf")) for _ in range(2))
        for turn in range(arguments.repeat):
            for name, read in contenders.items():
                # a dataset is cached after its first load, and costs minutes: one turn is enough
                if turn and name.startswith("datasets"):
                    continue
                start, began = time.process_time(), time.perf_counter()
                n = read()
                best[name] = min(best[name], time.process_time() - start)
                waited[name] = min(waited[name], time.perf_counter() - began)
                if n != LINES * len(paths):
                    raise RuntimeError(f"{name}: expected {LINES * len(paths)} lines, found {n}")
    packages = ("msgspec", "pyarrow", "duckdb", "datasets")
    print(command(), versions(*packages), machine(), sep="\n")
    kilobytes = size / LINES / len(paths) / 1e3
    print(f"{len(paths)} files, {size / 1e6:.0f} MB, {kilobytes:.1f} kB a line; CPU time, 1 thread\n")
    print(f"{'':<40}{'':>12}{'ratio to msgspec by':>24}{'waited for':>12}")
    print(f"{'reader':<32}{'MB/s':>8}{'records/s':>12}{'file':>12}{'line':>12}{'line':>12}")
    for name, seconds in sorted(best.items(), key=lambda item: item[1]):
        rate = size / seconds / 1e6
        records = LINES * len(paths) / seconds
        print(f"{name:<32}{rate:>8.0f}{records:>12,.0f}", end="")
        print("".join(f"{best[bare] / seconds:>12.2f}" for bare in BARE.values()), end="")
        print(f"{waited[BARE['line']] / waited[name]:>12.2f}")


if __name__ == "__main__":
    main()
