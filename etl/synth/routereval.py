"""RouterEval's pickles: scores and prompts of many models, one file per leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from routerset.etl.synth import names
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.pickles import PickleWriter
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.truth import Subset, Truth, subsets

_CHUNK = 512


def write(
    folder: Path, truth: Truth, which: str, benchmarks: list[str], targets: tuple[Target, ...]
) -> list[Injury]:
    """Write the benchmarks of one leaderboard (`which`: old, new or mmlu_pro) below `folder`.

    `leaderboard_score/leaderboard_<which>.pkl` = {'model': [names], 'data': {task: {'correctness':
    float64 (items, models)}}} and `leaderboard_prompt/leaderboard_<which>_prompt.pkl` = {task: str
    (items,)}. No matrix is ever held in memory.
    """
    models = truth.models(benchmarks[0])
    file = folder / "leaderboard_score" / f"leaderboard_{which}.pkl"
    file.parent.mkdir(parents=True, exist_ok=True)
    injuries = []
    with PickleWriter(file) as out, out.dictionary():
        out.text("model")
        out.texts(models)
        out.text("data")
        with out.dictionary():
            for name in benchmarks:
                bank = truth.bank(name)
                for subset in bank.sizes:
                    struck = [t for t in targets if (t.benchmark, t.subset) == (name, subset)]
                    out.text(names.pickle_task(bank.benchmark, subset))
                    with out.dictionary():
                        out.text("correctness")
                        shape = (bank.sizes[subset], len(models))
                        out.array(shape, "f8", _scores(truth, name, subset, struck))
                    for hit in struck:
                        row = hit.key if hit.fault is Fault.NAN else None
                        injuries.append(injury(hit, models[hit.model], file, folder, row=row))
            if any(t.fault is Fault.UNKNOWN_TASK for t in targets):
                out.text(names.UNKNOWN_TASK)
                with out.dictionary():
                    out.text("correctness")
                    out.array((1, len(models)), "f8", iter([np.ones((1, len(models)))]))
    _write_prompts(folder / "leaderboard_prompt" / f"leaderboard_{which}_prompt.pkl", truth, benchmarks)
    return injuries


def _scores(truth: Truth, benchmark: str, subset: str, struck: list[Target]) -> Iterator[np.ndarray]:
    start = 0
    for chunk in truth.score_chunks(benchmark, subset):
        rows = chunk.astype("<f8")
        for hit in struck:
            if hit.fault is Fault.NAN and start <= hit.key < start + len(rows):
                rows[hit.key - start, hit.model] = np.nan
        yield rows
        start += len(rows)


def _write_prompts(file: Path, truth: Truth, benchmarks: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with PickleWriter(file) as out, out.dictionary():
        for name in benchmarks:
            for subset in subsets(truth, name, ()):
                width = max(map(len, subset.prompts))
                out.text(names.pickle_task(subset.benchmark, subset.name))
                out.array((len(subset.prompts),), f"U{width}", _prompts(subset, width))


def _prompts(subset: Subset, width: int) -> Iterator[np.ndarray]:
    for start in range(0, len(subset.prompts), _CHUNK):
        yield np.array(subset.prompts[start : start + _CHUNK], f"<U{width}")
