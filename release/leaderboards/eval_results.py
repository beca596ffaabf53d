"""Results for the Hub: `.eval_results/NAME.yaml` of a router's own repository (hub-docs, eval-results)."""

from __future__ import annotations

from routerset.release.evaluator.results import Estimate
from routerset.release.leaderboards.boards import Board, Line
from routerset.release.leaderboards.results import Leaderboard

FOLDER = ".eval_results"


def eval_results(
    found: Leaderboard, dataset: str, *, revision: str | None = None, url: str | None = None
) -> dict[str, bytes]:
    """Path -> content, a file for each submission, below the name of its folder.

    The tasks of a release's `eval.yaml` are its benchmarks, and a task has one value: that of the smallest m
    that a submission answers. dataset: ORG/NAME of the release on the Hub. revision: its commit there. url:
    of the page. Without a date: the Hub takes that of the commit.
    """
    import yaml  # a base install can do without
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries: dict[str, list[EvalResultEntry]] = {}
    for board in found.boards:
        for line in board.lines:
            if line.name not in entries:
                entries[line.name] = [
                    EvalResultEntry(
                        dataset_id=dataset,
                        task_id=benchmark,
                        value=score.value,
                        dataset_revision=revision,
                        source_url=url,
                        source_name=None if url is None else f"{found.release} {found.version} leaderboard",
                        notes=_notes(found, board, line, score),
                    )
                    for benchmark, score in line.by.items()
                    if score.value is not None
                ]
    name = dataset.rpartition("/")[2]
    return {
        f"{submission}/{FOLDER}/{name}.yaml": yaml.safe_dump(
            eval_result_entries_to_yaml(told), sort_keys=False, allow_unicode=True, width=100
        ).encode()
        for submission, told in entries.items()
    }


def _notes(found: Leaderboard, board: Board, line: Line, score: Estimate) -> str:
    """How the value was come by, on one line."""
    parts = [
        f"{found.release} {found.version}",
        f"groups {board.method}, split {board.scheme}",
        f"mean score of the chosen LLMs over the kinds of groups of {board.m}",
    ]
    if score.lo is not None and score.hi is not None:
        parts.append(f"95% interval {score.lo:.3f} to {score.hi:.3f}")
    (declared,) = (s.declared for s in found.handed.submissions if s.name == line.name)
    parts.append(f"predictions sha256 {declared.commitment.sha256}")
    return "; ".join(parts)
