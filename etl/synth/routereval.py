"""RouterEval's pickles: scores and prompts of many models, one file per leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from routerset.etl.synth import names
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.pickles import Content, Pieces, write_pickle
from routerset.etl.synth.plan import Fault, Layout
from routerset.etl.synth.truth import Truth, subsets

_CHUNK = 512


def write(folder: Path, truth: Truth, which: str, benchmarks: list[str]) -> list[Injury]:
    """Write the benchmarks of one leaderboard (`which`: old, new or mmlu_pro) below `folder`.

    `leaderboard_score/leaderboard_<which>.pkl` = {'model': [names], 'data': {task: {'correctness':
    float64 (items, models)}}} and `leaderboard_prompt/leaderboard_<which>_prompt.pkl` = {task: str
    (items,)}. No matrix is ever held in memory.
    """
    models = list(truth.models(benchmarks[0]))
    file = folder / "leaderboard_score" / f"leaderboard_{which}.pkl"
    hits = [target for target in truth.targets if target.benchmark in benchmarks]
    scores = _scores(truth, len(models), benchmarks, hits)
    write_pickle(file, iter([("model", models), ("data", scores)]))
    prompts = _prompts(truth, benchmarks)
    write_pickle(folder / "leaderboard_prompt" / f"leaderboard_{which}_prompt.pkl", prompts)
    return [
        injury(hit, models[hit.model], file, folder, row=hit.key if hit.fault is Fault.NAN else None)
        for hit in hits
    ]


def _scores(
    truth: Truth, n_models: int, benchmarks: list[str], hits: list[Target]
) -> Iterator[tuple[str, Content]]:
    """Every task with its scores."""
    for name in benchmarks:
        bank = truth.bank(name)
        for subset, size in bank.sizes.items():
            gaps = [t for t in hits if (t.benchmark, t.subset, t.fault) == (name, subset, Fault.NAN)]
            scores = Pieces((size, n_models), "f8", _with_gaps(truth.score_chunks(name, subset), gaps))
            yield names.task_name(bank.benchmark, subset, Layout.ROUTEREVAL), iter([("correctness", scores)])
    if any(t.fault is Fault.UNKNOWN_TASK for t in hits):
        yield names.UNKNOWN_TASK, iter([("correctness", Pieces((1, n_models), "f8", [np.ones(n_models)]))])


def _with_gaps(chunks: Iterator[np.ndarray], gaps: list[Target]) -> Iterator[np.ndarray]:
    start = 0
    for chunk in chunks:
        for hit in gaps:
            if start <= hit.key < start + len(chunk):
                chunk[hit.key - start, hit.model] = np.nan
        yield chunk
        start += len(chunk)


def _prompts(truth: Truth, benchmarks: list[str]) -> Iterator[tuple[str, Content]]:
    """Every task with its prompts."""
    for name in benchmarks:
        for subset in subsets(truth, name):
            prompts, kind = subset.prompts, f"U{max(map(len, subset.prompts))}"
            chunks = (np.array(prompts[i : i + _CHUNK], f"<{kind}") for i in range(0, len(prompts), _CHUNK))
            task = names.task_name(subset.benchmark, subset.name, Layout.ROUTEREVAL)
            yield task, Pieces((len(prompts),), kind, chunks)
