"""Which format a file is of, by its first records: a function per format whose names do not tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from routerset.etl.looking.glimpse import Glimpse, numbers
from routerset.etl.sources.parse.items_file import NAMES
from routerset.etl.sources.parse.table_kinds import what_else, words_of
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import COST_MEASURES

ITEMS = "items"
"""What stands in the place of a format of a file with the texts of items."""
ROLES: Mapping[str, tuple[str, ...]] = {
    "model": (
        "model",
        "model name",
        "model id",
        "llm",
        "llm name",
        "llm id",
        "llm selected",
        "selected model",
    ),
    "score": (
        *(
            "score",
            "correct",
            "is correct",
            "label",
            "performance",
            "accuracy",
            "acc",
            "exact match",
            "em",
            "f1",
        ),
        *("rating", "mark", "points", "quality", "reward", "effect", "grade", "result"),
    ),
    "doc_key": (
        *("doc key", "doc id", "question id", "prompt id", "sample id", "item id", "query id", "example id"),
        *("task id", "global index", "qid", "id", "item", "index", "idx"),
    ),
    "question": ("question", "query", "asked", "instruction", "problem", "origin query", "input"),
    "prompt": ("prompt", "formatted prompt"),
    "choices": ("choices", "options"),
    "gold": ("gold", "ground truth", "target", "reference", "answer"),
    "subset": ("subset", "subject", "topic", "task name", "dataset", "dataset name", "eval name", "category"),
    "timestamp": ("timestamp", "date", "created at", "time"),
    "success": ("success",),
    "usd": ("usd", "cost usd", "cost", "total cost", "inference cost", "price", "cost in usd", "dollars"),
    "prompt_tokens": ("prompt tokens", "input tokens", "num input tokens", "tokens in"),
    "completion_tokens": ("completion tokens", "output tokens", "num output tokens", "tokens out"),
    "latency_s": ("latency s", "latency", "latency seconds", "response time", "duration", "seconds"),
}
"""Our columns, and what people call them, the surest first."""
NUMERIC = ("score", "usd", "prompt_tokens", "completion_tokens", "latency_s", "success")


@dataclass(frozen=True)
class Guess:
    """What a file seems to be. format: of a source. keys: what a `[[source]]` of it must say besides format,
    path and benchmark. needs_benchmark: whether it does not tell its benchmark. scores: some of its
    scores."""

    format: str
    keys: Mapping[str, object] = field(default_factory=dict)
    needs_benchmark: bool = True
    scores: tuple[float, ...] = ()


Sniff: TypeAlias = Callable[[Glimpse], Guess | None]


def roles_of(columns: Mapping[str, list[object]], roles: Collection[str] = tuple(ROLES)) -> dict[str, str]:
    """Which column plays which role, by its name, or the last part of its path, and what it holds."""
    spelled: dict[str, str] = {}
    for name in sorted(columns, key=lambda each: each.count(".")):
        last = " ".join(words_of(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.rpartition(".")[2] or name)))
        spelled.setdefault(last, name)
    found: dict[str, str] = {}
    for role in roles:
        named = (spelled[spelling] for spelling in ROLES[role] if spelling in spelled)
        fitting = (name for name in named if name not in found.values() and _fits(role, columns[name]))
        best = next(fitting, None)
        if best is not None:
            found[role] = best
    others = (
        name for spelling, name in spelled.items() if re.fullmatch(r"(?!run|user|model).* (id|key)", spelling)
    )
    keys = (name for name in others if name not in found.values() and _fits("doc_key", columns[name]))
    key = next(keys, None) if "doc_key" in roles and "doc_key" not in found else None
    return found if key is None else {**found, "doc_key": key}


def _fits(role: str, values: list[object]) -> bool:
    """Whether a column holds anything, and numbers where they must be."""
    return bool(numbers(values)) if role in NUMERIC else any(value is not None for value in values)


def _words(name: str) -> str:
    """The words and numbers of a name, each between underscores."""
    return f"_{'_'.join(re.findall('[a-z]+|[0-9]+', name.lower()))}_"


_SPELLINGS = [(name, _words(each)) for name, row in BENCHMARKS.items() for each in (name, row.title)]


def benchmark_in(names: Iterable[str]) -> str | None:
    """The known benchmark that the first of some names to do so holds as a word."""
    for name in names:
        words = _words(name)
        found = [each for each, spelling in _SPELLINGS if spelling in words]
        if found:
            return max(found, key=len)
    return None


def sniff_long(seen: Glimpse) -> Guess | None:
    """A record per item and model: columns of models, of scores, and of keys or texts."""
    columns = roles_of(seen.columns)
    if not {"model", "score"} <= columns.keys() or not {"doc_key", "question", "prompt"} & columns.keys():
        return None
    models = seen.columns[columns["model"]]
    if len({*map(str, models)}) == len(models) > 1:  # a row per model
        return None
    scores = tuple(numbers(seen.columns[columns["score"]]))
    if "subset" in columns and 2 * len({*map(str, seen.columns[columns["subset"]])}) > len(models):
        del columns["subset"]  # of every item its own
    return Guess("long", {"columns": columns}, scores=scores)


def sniff_wide(seen: Glimpse) -> Guess | None:
    """A row per model and a column per item: a column of models, others mostly of numbers."""
    columns = roles_of(seen.columns, ("model",))
    if "model" not in columns or what_else(seen.names, columns["model"]) is not None:
        return None
    held = [numbers(values) for name, values in seen.columns.items() if name != columns["model"]]
    numbered = sum(bool(re.search(r"\d", name)) for name in seen.names)
    if 2 * numbered < len(seen.names) or 2 * sum(map(bool, held)) < len(held) or len(seen.names) < 4:
        return None
    keys: dict[str, object] = {} if columns["model"] == "model" else {"model_column": columns["model"]}
    keyed = [found[1] for name in seen.names if (found := re.fullmatch(r"(.+)[.][0-9]+", name))]
    if len(keyed) >= 0.9 * (len(seen.names) - 2) and len({*keyed}) > 1:
        keys["column_pattern"] = "(?P<subset>.+)[.](?P<doc_key>[0-9]+)"
        known = (columns["model"], *ROLES["timestamp"])
        others = [name for name in seen.names if name not in known and not re.fullmatch(r".+[.][0-9]+", name)]
        keys |= {"ignore_columns": others} if others else {}
    numbered_held = (
        values for name, values in zip(seen.columns, held, strict=False) if re.search(r"\d", name)
    )
    return Guess("wide", keys, scores=tuple(value for values in numbered_held for value in values))


def sniff_item_major(seen: Glimpse) -> Guess | None:
    """A row per item and a column per model: of scores, or of objects that hold one."""
    texts = roles_of(seen.columns, ("doc_key", "question", "prompt", "choices", "gold", "subset"))
    if roles_of(seen.columns, ("model",)) or not {"doc_key", "question", "prompt"} & texts.keys():
        return None
    if {*_LISTS.values()} <= {*seen.names}:
        return Guess("item_major", {"columns": {**texts, **_LISTS}})
    by_model = _scores_by_model(seen, texts.values())
    if by_model is not None:
        return Guess("item_major", {"columns": {**texts, "score": by_model}})
    rest = {name: values for name, values in seen.columns.items() if name not in texts.values()}
    inside = {name.rpartition(".")[0]: name for name in rest if name.endswith(".score")}
    plain = [name for name in rest if "|" not in name and not name.startswith("Unnamed")]
    held = [numbers(rest[name]) for name in inside.values() or plain]
    if sum(map(bool, held)) < 2 or max(map(len, held)) < 2:
        return None
    keys: dict[str, object] = {"columns": texts}
    if inside:
        first = next(iter(inside)) + "."
        of_one = {name.removeprefix(first): values for name, values in rest.items() if name.startswith(first)}
        keys["fields"] = roles_of(of_one, ("score", *COST_MEASURES))
    if any(name.endswith(COST_BESIDE) for name in seen.names):
        keys["cost_columns"] = {"usd": f"{{model}}{COST_BESIDE}"}
    return Guess("item_major", keys, scores=tuple(value for values in held for value in values))


def _scores_by_model(seen: Glimpse, texts: Collection[str]) -> str | None:
    """The column that holds a mapping of models to scores: as an object, or as text that spells one."""
    for name in seen.names:
        if name in texts or not _SCORES & {*words_of(name)}:
            continue
        held = [value for value in seen.columns.get(name, ()) if value is not None]
        inside = (values for path, values in seen.columns.items() if path.startswith(f"{name}."))
        spelled = all(isinstance(each, str) and _MAPPING.fullmatch(each) for each in held)
        if spelled and (held or sum(bool(numbers(values)) for values in inside) > 1):
            return name
    return None


_MAPPING = re.compile(r"\s*\{.*\}\s*", re.DOTALL)
_SCORES = frozenset({"correct", "labels", "performance", "performances", "records", "results", "scores"})
_LISTS = {"model": "models_name", "score": "models_performance"}
"""What RoutingCompendium calls its lists."""
COST_BESIDE = "|total_cost"
"""What RouterBench writes after a model's name."""


def sniff_llmrouterbench(seen: Glimpse) -> Guess | None:
    """An object with the records of a model on a dataset."""
    known = {*seen.names} >= {"dataset_name", "model_name", "records"}
    return Guess("llmrouterbench", needs_benchmark=False) if known else None


def sniff_inspect(seen: Glimpse) -> Guess | None:
    """A log of Inspect AI."""
    known = {"eval.task", "eval.model"} <= seen.columns.keys() and "samples" in seen.names
    return Guess("inspect", needs_benchmark=False) if known else None


def sniff_items(seen: Glimpse) -> Guess | None:
    """The texts of items: keys and questions, and neither models nor scores."""
    columns = roles_of(seen.columns)
    if {"model", "score"} & columns.keys() or "doc_key" not in columns:
        return None
    others = [values for name, values in seen.columns.items() if name not in columns.values()]
    texts = {role: columns[role] for role in NAMES if role in columns}
    if not {"question", "prompt"} & texts.keys() or sum(bool(numbers(values)) for values in others) > 1:
        return None
    renamed = {role: name for role, name in texts.items() if name not in NAMES[role]}
    return Guess(ITEMS, {"item_columns": renamed} if renamed else {})


ENDINGS = {".eval": Guess("inspect", needs_benchmark=False)}
"""What files are that end so, and are none that a sniff can look into."""
SNIFFS: Mapping[str, Sniff] = {
    "llmrouterbench": sniff_llmrouterbench,
    "inspect": sniff_inspect,
    "long": sniff_long,
    "wide": sniff_wide,
    "item_major": sniff_item_major,
    ITEMS: sniff_items,
}
"""By format; the first one that knows a file has it. A format whose names tell needs none."""
