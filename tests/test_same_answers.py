"""However the files of the same answers are laid out, the same answers are kept."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config

MODELS, DOCUMENTS = 5, 12
CONFIG = '[dataset]\nname = "x"\n[[source]]\nformat = "lm_eval"\npath = "dumps"\n'


@dataclass(frozen=True)
class Layout:
    """What is odd about the files of one model.

    permuted: doc_ids of its own. shuffled: options in an order of its own. processes: files that its run is
    cut into. rerun: a later run with a limit, whose answers differ. zipped: by gzip. nested: deeper down.
    """

    permuted: bool
    shuffled: bool
    processes: int
    rerun: bool
    zipped: bool
    nested: bool


def truth() -> np.ndarray:
    """Scores (models, documents)."""
    return (np.random.default_rng(7).random((MODELS, DOCUMENTS)) < 0.6).astype(float)


def question(document: int) -> str:
    return f"How many stamps are in {document + 2} albums of {document * 3 + 5}?"


def line(document: int, doc_id: int, score: float, order: np.ndarray) -> dict[str, object]:
    """A line of a harness log; the right answer is the first option before they are shuffled."""
    options = [str((document + 2) * (document * 3 + 5) + k) for k in range(4)]
    doc = {
        "id": f"Q{document}",
        "question": question(document),
        "choices": {"text": [options[k] for k in order], "label": ["A", "B", "C", "D"]},
        "answerKey": "ABCD"[int(np.flatnonzero(order == 0)[0])],
    }
    gold = str(int(np.flatnonzero(order == 0)[0]))
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": gold,
        "arguments": {"gen_args_0": {"arg_0": f"Question: {question(document)}\nAnswer:", "arg_1": ""}},
        "resps": [["x"]],
        "filtered_resps": ["x"],
        "filter": "none",
        "metrics": ["acc_norm"],
        "doc_hash": hashlib.sha256(json.dumps(doc).encode()).hexdigest(),
        "prompt_hash": hashlib.sha256(question(document).encode()).hexdigest(),
        "target_hash": hashlib.sha256(gold.encode()).hexdigest(),
        "acc_norm": score,
    }


def write(folder: Path, model: int, layout: Layout, scores: np.ndarray) -> None:
    """The logs of one model."""
    rng = np.random.default_rng(100 + model)
    keys = rng.permutation(DOCUMENTS) if layout.permuted else np.arange(DOCUMENTS)
    orders = [rng.permutation(4) if layout.shuffled else np.arange(4) for _ in range(DOCUMENTS)]
    lines = [line(d, int(keys[d]), float(scores[d]), orders[d]) for d in range(DOCUMENTS)]
    parts = [lines[start :: layout.processes] for start in range(layout.processes)]
    runs = [(part, f"rank{at}" if at else "", "2026-01-01T00-00-00.000000") for at, part in enumerate(parts)]
    if layout.rerun:
        wrong = [line(d, int(keys[d]), 1.0 - float(scores[d]), orders[d]) for d in range(3)]
        runs.append((wrong, "", "2026-02-01T00-00-00.000000"))
    for some, rank, time in runs:
        home = folder / ("deep/er" if layout.nested else "") / rank / f"org__m{model}"
        home.mkdir(parents=True, exist_ok=True)
        data = "".join(json.dumps(each) + "\n" for each in some).encode()
        name = f"samples_arc_challenge_{time}.jsonl"
        if layout.zipped:
            (home / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (home / name).write_bytes(data)


LAYOUTS = st.lists(
    st.builds(
        Layout, st.booleans(), st.booleans(), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans()
    ),
    min_size=MODELS - 2,
    max_size=MODELS - 2,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LAYOUTS)
def test_what_is_kept_does_not_depend_on_how_files_are_laid_out(layouts: list[Layout]) -> None:
    plain = Layout(False, False, 1, False, False, False)
    scores = truth()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for model, layout in enumerate([plain, plain, *layouts]):
            write(root / "dumps", model, layout, scores[model])
        (root / "x.toml").write_text(CONFIG)
        manifest = build(load_config(root / "x.toml"), root / "out", Runner(), lambda *_: None, "ingest")
        items = pq.read_table(root / "out/tables/items/benchmark=arc/part-0.parquet")["question"].to_pylist()
        table = pq.read_table(root / "out/tables/scores/benchmark=arc/part-0.parquet")
        rows = zip(*(table[name].to_pylist() for name in ("model_id", "item", "score")), strict=True)
        kept = {(model, items[item], score) for model, item, score in rows}
    assert kept == {
        (f"org/m{model}", question(document), scores[model, document])
        for model in range(MODELS)
        for document in range(DOCUMENTS)
    }
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert row["read"] == row["kept"] + row["superseded"] + row["quarantined"]
    assert row["quarantined"] == 0
