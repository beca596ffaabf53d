"""Two synthetic worlds through the real build: where models have specialities, routers find them; where there
are none, no router has headroom beyond noise.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import soundness
from routerset.etl.cli import main
from routerset.release.evaluator import Evaluation, beyond_noise, evaluate, load_release
from tests.gates import without_gate

ROUTERS = ("privileged", "knn", "c_roberta", "linear", "mean", "random", "best_single")
WIDTH = 256


def add_word_vectors(release: Path, benchmark: str) -> None:
    """Vectors by an encoder that needs no model: how often each word of a question occurs, words hashed."""
    folder = release / "vectors" / "words" / benchmark
    folder.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        path = release / "data" / benchmark / f"{split}.parquet"
        table = pq.read_table(path, columns=["item_id", "question", "prompt"])
        vectors = np.zeros((table.num_rows, WIDTH), np.float32)
        texts = zip(table["question"].to_pylist(), table["prompt"].to_pylist(), strict=True)
        for row, (question, prompt) in enumerate(texts):
            for word in re.findall("[a-z]+", (question or prompt.rpartition("\n\n")[2]).lower()):
                vectors[row, zlib.crc32(word.encode()) % WIDTH] += 1
        embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WIDTH)
        pq.write_table(
            pa.table({"item_id": table["item_id"], "embedding": embedding}), folder / f"{split}.parquet"
        )


def evaluated(folder: Path, world: str) -> Evaluation:
    """gsm8k in full, 100 models, groups of 10 that never saw test, built and evaluated."""
    dumps, config = folder / world, folder / f"{world}.toml"
    order = ["--world", world, "--scale", "full", "--layout", "wide", "--models", "100"]
    assert main(["synth", str(dumps), *order, "--benchmarks", "gsm8k"]) == 0
    text = config.read_text().replace('["minilm"]', "[]")
    config.write_text(
        re.sub(r"\[groups\]\nmethods = .*", '[groups]\nmethods = ["greedy"]\nsizes = [10]', text)
    )
    with without_gate():
        assert main(["build", str(config), "--out", str(folder / "build")]) == 0
    add_word_vectors(folder / "build" / "release", "gsm8k")
    return evaluate(load_release(folder / "build" / "release"), ROUTERS, resamples=2000, pairs=True)


def test_where_models_differ_in_ability_alone_no_router_finds_anything(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "rasch")
    assert beyond_noise(found.differences) == []
    assert {d.n_kinds for d in found.differences} == {3}
    for row in found.rows:
        assert row.noise_oracle_lo is not None
        assert row.noise_oracle_hi is not None
        assert row.headroom_real is not None
        assert row.noise_oracle_lo <= row.oracle_score <= row.noise_oracle_hi
        assert abs(row.headroom_real) < 0.1
    for table, n_rows in ((soundness.floors, 1), (soundness.windows, 16), (soundness.scaling, 1)):
        told = table(tmp_path / "build").splitlines()  # the tables of docs/soundness.md
        assert sum(line.startswith("gsm8k") for line in told) == n_rows


def test_specialities_that_a_question_tells_are_found_by_neighbours_and_by_other_models(
    tmp_path: Path,
) -> None:
    verdict = beyond_noise(evaluated(tmp_path, "topics").differences)
    assert {"privileged", "knn"} <= {d.router_a for d in verdict}
    assert not {"mean", "random"} & {d.router_a for d in verdict}
    assert all((d.metrics["mu_o"].value or 0) > 0.1 for d in verdict)
