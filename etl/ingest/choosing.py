"""Which run of each model and subset counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

SETTINGS = ["few_shot", "chat_template", "dtype"]


def choose_runs(fragments: pd.DataFrame, alike: Callable[[str, str], bool]) -> pd.DataFrame:
    """Mark the fragments of one run of every model and subset as `chosen`.

    The run with scores for most documents counts, of those the newest, of those the one whose source comes
    first in the config, of those the one under the spelling of its model that is kept. A run is all fragments
    of one model, as it is `spelled`, subset, time, source and settings, in whatever files they lie, but
    answers to two tasks about the same documents are two runs. A list of documents that lies in two files
    counts once. A run without any score is never chosen. Tasks about other documents than those of the run
    that counts are added to it, each from the best run of its own, where that differs in its time alone.

    alike: whether two lists of documents are about the same. `other_settings` marks the fragments of runs
    that are not chosen, and were made in another way than the chosen one.
    """
    frame = fragments.assign(moment=fragments["timestamp"].fillna(""), part=_parts(fragments, alike))
    of_model = ["subset", "model_id"]
    run = [*of_model, "spelled", "moment", "source", "part", *SETTINGS]
    frame["run"] = frame.groupby(run, dropna=False, sort=True).ngroup()
    frame["way"] = frame.groupby([name for name in run if name != "moment"], dropna=False).ngroup()
    once = frame.groupby(["run", "docset"])["n_values"].max().groupby("run").sum()
    frame["covered"] = frame["run"].map(once)
    best = (
        frame[frame["covered"] > 0]
        .sort_values(
            [*of_model, "covered", "moment", "order", "run"],
            ascending=[True, True, False, False, True, True],
            kind="stable",
        )
        .drop_duplicates(of_model)
        .set_index(of_model)
    )
    winner = best.reindex(pd.MultiIndex.from_frame(frame[of_model])).set_index(frame.index)
    chosen = (frame["run"] == winner["run"]) & (frame["n_values"] > 0)
    left = frame[(frame["n_values"] > 0) & ~chosen & (frame["way"] == winner["way"])]
    if len(left):
        chosen |= _added(frame, left, frame[chosen])
    ways = [*SETTINGS, "task"]
    known = frame[ways].notna() & winner[ways].notna()
    differs = (known & (frame[ways].astype(object) != winner[ways].astype(object))).any(axis=1)
    return fragments.assign(chosen=chosen, other_settings=differs & ~chosen & (frame["run"] != winner["run"]))


def _added(frame: pd.DataFrame, left: pd.DataFrame, chosen: pd.DataFrame) -> pd.Series:
    """Marks the best run of every task that no chosen fragment is of. left: fragments that may be added."""
    of_task = ["subset", "model_id", "task"]
    taken = pd.MultiIndex.from_frame(chosen[of_task].fillna({"task": ""}))
    left = left.fillna({"task": ""})
    left = left[~pd.MultiIndex.from_frame(left[of_task]).isin(taken)]
    once = left.groupby([*of_task, "run", "moment", "order", "docset"])["n_values"].max()
    covered = once.groupby([*of_task, "run", "moment", "order"]).sum().reset_index()
    best = covered.sort_values(
        [*of_task, "n_values", "moment", "order", "run"],
        ascending=[True, True, True, False, False, True, True],
        kind="stable",
    ).drop_duplicates(of_task)
    runs = pd.MultiIndex.from_frame(best[["run", "task"]])
    added = pd.MultiIndex.from_frame(left[["run", "task"]]).isin(runs)
    return pd.Series(frame.index.isin(left.index[added]), frame.index)


def _parts(fragments: pd.DataFrame, alike: Callable[[str, str], bool]) -> pd.Series:
    """Number of the run that a fragment's task belongs to, among tasks of one subset.

    Tasks about different documents are parts of one run, as of a benchmark by subject.
    """
    tasks = fragments["task"].fillna("")
    numbers: dict[tuple[str, str], int] = {}
    for subset, of_subset in fragments.assign(task=tasks).groupby("subset"):
        largest = of_subset.sort_values(["n_values", "docset"]).drop_duplicates("task", keep="last")
        runs: list[list[str]] = []
        for task, docset in largest.sort_values(["n_values", "task"])[["task", "docset"]].to_numpy()[::-1]:
            place = next(
                (i for i, run in enumerate(runs) if not any(alike(docset, o) for o in run)), len(runs)
            )
            runs += [[]] if place == len(runs) else []
            runs[place].append(docset)
            numbers[str(subset), task] = place
    found = [numbers[key] for key in zip(fragments["subset"], tasks, strict=True)]
    return pd.Series(found, fragments.index, dtype=np.int64)
