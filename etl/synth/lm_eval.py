"""lm-evaluation-harness sample logs and Open LLM Leaderboard v2: one JSON-lines file per model and task.

Models take turns in the three ages of the format: June 2024 (`.json`, arguments as lists, no hashes),
later (`.jsonl`, hashes), and since November 2024 one row per document and filter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

import msgspec

from routerset.etl.synth import names
from routerset.etl.synth.documents import document
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.records import Record, mistaken, other_score, records, row_at_fault
from routerset.etl.synth.truth import Subset, Truth, subsets
from routerset.etl.synth.wording import LETTERS, Item, target
from routerset.schemas.tables import Reason

_GPUS = 8


class Age(IntEnum):
    """Ages of the format; a model's place on the leaderboard, modulo three, is its age."""

    FIRST = 0
    HASHES = 1
    FILTERS = 2


_DAYS = {Age.FIRST: "2024-06-16", Age.HASHES: "2024-09-18", Age.FILTERS: "2024-12-05"}


@dataclass(frozen=True)
class _Document:
    """What every model's log repeats of one document: JSON of its parts, and hashes."""

    item: Item
    doc: msgspec.Raw
    prompt: msgspec.Raw
    hashes: dict[str, str]

    def fields(self, age: Age) -> dict[str, object]:
        """Fields of a line between its number and its responses."""
        pairs = _arguments(self.item, self.prompt)
        fields: dict[str, object] = {"doc": self.doc, "target": target(self.item)}
        if age is Age.FIRST:
            return fields | {"arguments": pairs}
        named = {f"gen_args_{i}": {"arg_0": a, "arg_1": b} for i, (a, b) in enumerate(pairs)}
        return fields | {"arguments": named} | self.hashes


def write(folder: Path, truth: Truth, benchmark: str, targets: tuple[Target, ...]) -> list[Injury]:
    """Write one benchmark below `folder`: `<org__name>/samples_<task>_<time>.json[l]` and results files."""
    models = truth.models(benchmark)
    injuries = []
    for subset in subsets(truth, benchmark, targets):
        documents = [_document(i, p) for i, p in zip(subset.items, subset.prompts, strict=True)]
        scores = truth.scores(benchmark, subset.name)
        for place, model in enumerate(models):
            run = _Run(folder, subset, documents, place, model)
            injuries += run.write(scores[:, place].tolist())
    return injuries


@dataclass(frozen=True)
class _Run:
    """One model's runs on one subset."""

    folder: Path
    subset: Subset
    documents: list[_Document]
    place: int
    model: str

    @property
    def age(self) -> Age:
        return Age(self.place % len(Age))

    def time(self, days_before: int = 0) -> str:
        return names.timestamp(_DAYS[self.age], self.place, days_before=days_before)

    def write(self, scores: Sequence[float]) -> list[Injury]:
        """The run, what goes with it, and the fault that strikes it."""
        struck = self.subset.target(self.place)
        n = len(scores)
        # with several GPUs, rows come in the order in which the processes finish
        ranks = _GPUS if self.place % 2 else 1
        rows = records([key for rank in range(ranks) for key in range(rank, n, ranks)], scores, struck)
        file, counts = self.save(names.harness_task(self.subset.benchmark, self.subset.name), rows)
        (file.parent / f"results_{self.time()}.json").write_bytes(
            msgspec.json.encode({"model_name": self.model, "config": {"model": "hf"}})
        )
        return [] if struck is None else [self.strike(struck, file, rows, counts)]

    def save(self, task: str, rows: Sequence[Record], days_before: int = 0) -> tuple[Path, list[int]]:
        """Write one file; returns its path and the number of lines of every record."""
        suffix = "json" if self.age is Age.FIRST else "jsonl"
        folder = self.folder / names.folder_name(self.model)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"samples_{task}_{self.time(days_before)}.{suffix}"
        counts = []
        with file.open("wb") as stream:
            for row in rows:
                lines = [msgspec.json.encode(line) + b"\n" for line in self.lines(row)]
                stream.writelines(lines)
                counts.append(len(lines))
        return file, counts

    def strike(self, struck: Target, file: Path, rows: list[Record], counts: list[int]) -> Injury:
        """Faults of whole files; where the fault is in `rows` already, only its record."""
        place = row_at_fault(struck, rows)
        row = None if place is None else sum(counts[:place])
        match struck.fault:
            case Fault.RERUN:
                task = names.harness_task(self.subset.benchmark, self.subset.name)
                others = [replace(each, score=other_score(each.score)) for each in rows]
                file, _ = self.save(task, others, days_before=30)
            case Fault.UNKNOWN_TASK:
                file, (n,) = self.save(f"leaderboard_{names.UNKNOWN_TASK}", rows[:1])
                made = injury(struck, self.model, file, self.folder, row=n - 1)
                return replace(made, quarantined=n, extra=n)
            case Fault.TRUNCATED:
                *_, last = self.lines(rows[-1])
                with file.open("r+b") as stream:
                    stream.truncate(file.stat().st_size - len(msgspec.json.encode(last)) // 2)
                # the last line of a record that fills two belongs to a filter that does not count
                lost = (rows[-1].key,) if counts[-1] == 1 else ()
                made = injury(struck, self.model, file, self.folder, row=sum(counts) - 1)
                return replace(made, lost=lost, reason=Reason.MALFORMED_ROW)
        return injury(struck, self.model, file, self.folder, len(rows), row)

    def lines(self, row: Record) -> Iterator[object]:
        """Lines of one record: one, or one per filter."""
        if row.stray:
            yield "out of memory"
            return
        document = self.documents[row.key]
        if row.wrong_gold:
            document = _document(mistaken(document.item), self.subset.prompts[row.key])
        metrics = _metrics(self.subset.benchmark.name, row, self.age)
        responses = _responses(document.item, row.score)
        line: dict[str, object] = {
            "doc_id": row.key,
            **document.fields(self.age),
            "resps": [[r] for r in responses],
            "filtered_resps": responses,
        }
        if self.age is not Age.FILTERS:
            yield line | metrics
            return
        line["metrics"] = list(metrics)
        for name in self.subset.benchmark.filters or ("none",):
            counts = name == next(iter(self.subset.benchmark.filters), name)
            # the other filters find other answers; only the first one counts
            found = metrics if counts else {m: float(other_score(row.score)) for m in metrics}
            yield line | {"filter": name} | found


def _document(item: Item, prompt: str) -> _Document:
    doc = document(item)
    hashes = {
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(target(item)),
    }
    encode = msgspec.json.encode
    return _Document(item, msgspec.Raw(encode(doc)), msgspec.Raw(encode(prompt)), hashes)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _arguments(item: Item, prompt: msgspec.Raw) -> list[tuple[object, object]]:
    """Requests that the harness made: one per option, or one generation."""
    match item.benchmark:
        case "gsm8k" | "math_lvl5":
            return [(prompt, {"until": ["Question:", "Problem:"], "do_sample": False, "temperature": 0.0})]
        case "ifeval":
            return [(prompt, {"until": [], "do_sample": False, "max_gen_toks": 1280})]
        case "winogrande":
            # the prompt ends before the blank, and each request fills it in
            before = msgspec.json.decode(prompt)
            ending = item.question.partition("_")[2]
            return [(f"{before} {choice}", ending) for choice in item.choices]
        case "mmlu" | "mmlu_pro":
            return [(prompt, f" {LETTERS[i]}") for i in range(len(item.choices))]
        case "bbh" | "gpqa":
            return [(prompt, f" ({LETTERS[i]})") for i in range(len(item.choices))]
        case _:
            return [(prompt, f" {choice}") for choice in item.choices]


def _responses(item: Item, score: float) -> list[object]:
    """Log-likelihoods per option, the highest on the option chosen, or the text generated."""
    if not item.choices:
        return [f" The answer is {item.answer}." if score == 1.0 else " I do not know."]
    n = len(item.choices)
    chosen = item.gold if score >= 0.5 else (item.gold + 1) % n
    return [[str(-1.5 if i == chosen else -3.25 - i), str(i == chosen)] for i in range(n)]


def _metrics(benchmark: str, row: Record, age: Age) -> dict[str, object]:
    """Metrics of one record; the first files write whole numbers, ifeval truth values."""
    score: object = row.score
    if math.isnan(row.score):
        score = msgspec.Raw(b"NaN")  # as Python's json module spells it
    elif benchmark == "ifeval":
        score = bool(row.score)
    elif age is Age.FIRST and row.score.is_integer():
        score = int(row.score)
    match benchmark:
        case "arc" | "hellaswag":
            # without length normalisation another option often wins
            return {"acc": score if row.key % 3 else 0.0, "acc_norm": score}
        case "math_lvl5" if age is Age.FILTERS:
            return {"exact_match": score, "exact_match_original": 0}
        case "gsm8k" | "math_lvl5":
            return {"exact_match": score}
        case "ifeval":
            inst = {"inst_level_strict_acc": [score], "inst_level_loose_acc": [score]}
            return {"prompt_level_strict_acc": score, "prompt_level_loose_acc": True} | inst
        case "bbh" | "gpqa" | "musr":
            return {"acc_norm": score}
        case _:
            return {"acc": score}
