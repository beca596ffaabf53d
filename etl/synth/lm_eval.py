"""lm-evaluation-harness sample logs and Open LLM Leaderboard v2: one JSON-lines file per model and task.

Models take turns in the three ages of the format: June 2024 (`.json`, arguments as lists, no hashes),
later (`.jsonl`, hashes), and since November 2024 one row per document and filter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import msgspec

from routerset.etl.synth import names
from routerset.etl.synth.costs import answer_of, is_generated
from routerset.etl.synth.documents import document
from routerset.etl.synth.plan import Layout
from routerset.etl.synth.runs import Record, Run, mistaken, other_score
from routerset.etl.synth.truth import Subset
from routerset.etl.synth.wording import Item, labels, target
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.tables import TOKENS

_GPUS = 8
_RESPONSES: Mapping[str, object] = {"resps": [["-1.5"]], "filtered_resps": ["-1.5"]}
"""What the LLM said; scores do not follow from it."""


class Age(IntEnum):
    """Ages of the format; a model's place on the leaderboard, modulo three, is its age."""

    FIRST = 0
    HASHES = 1
    FILTERS = 2


_DAYS = {Age.FIRST: "2024-06-16", Age.HASHES: "2024-09-18", Age.FILTERS: "2024-12-05"}


@dataclass(frozen=True)
class Logs:
    """Logs as `<org__name>/samples_<task>_<time>.json[l]`, each with a file of results."""

    folder: Path
    subset: Subset

    def order(self, place: int) -> Sequence[int]:
        """With several GPUs, rows come in the order in which the processes finish."""
        ranks = _GPUS if place % 2 else 1
        return [key for rank in range(ranks) for key in range(rank, len(self.subset.items), ranks)]

    def save(self, run: Run) -> tuple[Path, int]:
        """Write one log; returns it, and the number of lines of every record."""
        age, benchmark = Age(run.place % len(Age)), self.subset.benchmark
        known = names.task_name(benchmark, self.subset.name, Layout.LM_EVAL)
        task = f"leaderboard_{names.UNKNOWN_TASK}" if run.unknown else known
        time = names.timestamp(_DAYS[age], run.place, days_before=run.days_before)
        folder = self.folder / names.folder_name(run.model)
        folder.mkdir(parents=True, exist_ok=True)
        results = {"model_name": run.model, "config": {"model": "hf"}}
        (folder / f"results_{time}.json").write_bytes(msgspec.json.encode(results))
        file = folder / f"samples_{task}_{time}.{'json' if age is Age.FIRST else 'jsonl'}"
        with file.open("wb") as stream:
            for row in run.rows:
                answer = _RESPONSES
                if run.tokens and is_generated(benchmark.name):
                    text = answer_of(int(run.tokens[TOKENS[1]][row.key]))
                    answer = {"resps": [[text]], "filtered_resps": [text]}
                lines = self._lines(row, age, answer)
                stream.writelines(msgspec.json.encode(line) + b"\n" for line in lines)
        return file, max(1, len(benchmark.filters)) if age is Age.FILTERS else 1

    @cached_property
    def _documents(self) -> dict[Age, list[dict[str, object]]]:
        """What every log of an age repeats of a document, by key."""
        asked = list(zip(self.subset.items, self.subset.prompts, strict=True))
        return {age: [_document(item, prompt, age) for item, prompt in asked] for age in Age}

    def _lines(self, row: Record, age: Age, answer: Mapping[str, object]) -> Iterator[object]:
        """Lines of one record: one, or one per filter."""
        if row.stray:
            yield "out of memory"
            return
        fields = self._documents[age][row.key]
        if row.wrong_gold:
            fields = _document(mistaken(self.subset.items[row.key]), self.subset.prompts[row.key], age)
        metrics = _metrics(self.subset.benchmark, row, age)
        line = {"doc_id": row.key} | fields | dict(answer)
        if age is not Age.FILTERS:
            yield line | metrics
            return
        first, *others = self.subset.benchmark.filters or ("none",)
        line["metrics"] = list(metrics)
        yield line | {"filter": first} | metrics
        # the other filters find other answers; only the first one counts
        found = dict.fromkeys(metrics, float(other_score(row.score)))
        yield from (line | {"filter": name} | found for name in others)


def _document(item: Item, prompt: str, age: Age) -> dict[str, object]:
    """Fields of a line between its number and its responses."""
    doc, pairs = document(item), _arguments(item, prompt)
    fields: dict[str, object] = {"doc": doc, "target": target(item), "arguments": pairs}
    if age is Age.FIRST:
        return fields
    named = {f"gen_args_{i}": {"arg_0": a, "arg_1": b} for i, (a, b) in enumerate(pairs)}
    spelled = json.dumps(doc, indent=2, ensure_ascii=False)
    hashed = {"doc": spelled, "prompt": prompt, "target": target(item)}
    hashes = {f"{name}_hash": sha256(text.encode()).hexdigest() for name, text in hashed.items()}
    return fields | {"arguments": named} | hashes


def _arguments(item: Item, prompt: str) -> list[tuple[str, object]]:
    """Requests that the harness made: one per option, or one generation."""
    match item.benchmark:
        case "gsm8k" | "math_lvl5":
            return [(prompt, {"until": ["Question:", "Problem:"], "do_sample": False, "temperature": 0.0})]
        case "ifeval":
            return [(prompt, {"until": [], "do_sample": False, "max_gen_toks": 1280})]
        case "winogrande":
            # the prompt ends before the blank, and each request fills it in
            ending = item.question.partition("_")[2]
            return [(f"{prompt} {choice}", ending) for choice in item.choices]
        case _:
            return [(prompt, f" {label}") for label in labels(item)]


def _metrics(benchmark: Benchmark, row: Record, age: Age) -> dict[str, object]:
    """Metrics of one record; the first files write whole numbers, ifeval truth values."""
    score: object = row.score
    if math.isnan(row.score):
        score = msgspec.Raw(b"NaN")  # as Python's json module spells it
    elif benchmark.name == "ifeval":
        score = bool(row.score)
    elif age is Age.FIRST and row.score.is_integer():
        score = int(row.score)
    # the harness has names of its own for two of the metrics that count
    counts = {"truthfulqa": "acc", "gsm8k": "exact_match"}.get(benchmark.name, benchmark.metric)
    match benchmark.name:
        case "arc" | "hellaswag":
            # without length normalisation another option often wins
            return {"acc": score if row.key % 3 else 0.0, counts: score}
        case "math_lvl5" if age is Age.FILTERS:
            return {counts: score, "exact_match_original": 0}
        case "ifeval":
            others = {"inst_level_strict_acc": [score], "inst_level_loose_acc": [score]}
            return {counts: score, "prompt_level_loose_acc": True} | others
        case _:
            return {counts: score}
