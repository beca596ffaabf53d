"""Tables that are not wide, told by their header: what they are, and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

LONG, ITEM_MAJOR = "long", "item_major"
_MODEL = frozenset({"llm", "llms", "model", "models"})
_ITEM = frozenset(
    {"doc", "docid", "document", "example", "input", "instance", "item", "itemid", "problem", "prompt"}
    | {"promptid", "qid", "query", "question", "questionid", "sample", "sampleid", "task", "uid"}
)
_LABEL = frozenset({"hash", "id", "ids", "idx", "index", "key", "name", "names", "text"})
_SCORE = frozenset(
    {"acc", "accuracy", "correct", "effect", "em", "f1", "label", "performance", "quality", "rating"}
    | {"result", "reward", "score", "scores", "value"}
)
_PER_MODEL = ("|total_cost", "|model_response", "|cost", "|response")
"""What RouterBench writes after a model's name."""
_TEXTS = {"prompt": {"input", "prompt"}, "question": {"problem", "query", "question"}}
_NUMBER = re.compile(
    r"\s*(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|true|false|)\s*", re.ASCII | re.IGNORECASE
)


def words_of(name: str) -> list[str]:
    """Words of a column's name, in lower case."""
    return re.findall(r"[^\W_]+", name.lower())


@dataclass(frozen=True)
class Other:
    """What a table is that is not wide. says: what, and what to do. format: that it can be read by without a
    doubt, and the `columns` of its config; None where there is one.
    """

    says: str
    format: str | None = None
    columns: Mapping[str, str] | None = None


def what_else(header: Sequence[str], model_column: str) -> Other | None:
    """What a table is that is not wide, and what to do; None where its header does not tell.

    A long table has a column of models, one of items and one of scores, and none that is numbered, as items
    are. An item-major one has no column of models, but one of items or some that are named as models.
    """
    items = [name for name in header if _is_made_of(name, _ITEM)]
    models = [name for name in header if name == model_column or _is_made_of(name, _MODEL)]
    if model_column in items:
        models.remove(model_column)
    scores = [name for name in header if _SCORE & {*words_of(name)}]
    keys = items or [name for name in header if len(header) <= 4 and {*words_of(name)} <= _LABEL]
    plain = {*models, *items, *(name for name in scores if {*words_of(name)} <= _SCORE)}
    if models and keys and scores and not any(re.search(r"\d", name) for name in {*header} - plain):
        models = [model_column] if model_column in models else models
        columns = {"model": models[0], _role(keys[0]): keys[0], "score": scores[0]}
        named = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
        return Other(
            'found a long table: a row per item and model; expected a wide one: set format = "long" and '
            f"columns = {{ {named} }}",
            LONG if len(scores) == 1 else None,
            columns,
        )
    if models:
        return None
    if _is_data(header):
        return Other(
            "the first line holds data and no header: add one with the model column and the items' names, "
            "such as model,q0,q1"
        )
    owned = [name for name in header if name.endswith(_PER_MODEL)]
    if items or owned or sum("/" in name for name in header) > 1:
        columns = {_role(name): name for name in items[:1]}
        named = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
        return Other(
            "found a table with a row per item and a column per model (item-major); expected a row per model "
            'and a column per item: set format = "item_major"'
            + (f" and columns = {{ {named} }}" if named else "")
            + " (or, if a column does name the models, set model_column)",
            ITEM_MAJOR if items and model_column not in items else None,
            columns,
        )
    return None


def _role(name: str) -> str:
    """What a column tells of an item, by its name."""
    words = {*words_of(name)}
    told = next((role for role, nouns in _TEXTS.items() if nouns & words), None)
    return told if told and not _LABEL & words else "doc_key"


def names_models(name: str) -> bool:
    """Whether a column of this name tells which model a row is of."""
    return _is_made_of(name, _MODEL)


def _is_made_of(name: str, nouns: Collection[str]) -> bool:
    """Whether a name says one of the nouns and nothing else, but for what may stand beside it."""
    words = words_of(name)
    return bool(words) and not {*words} - {*nouns} - _LABEL and not {*words} <= _LABEL


def _is_data(header: Sequence[str]) -> bool:
    """Whether a header is a row of scores, after a model's name at most: `org/a,0,1` may be either."""
    others = header[1:]
    if not header[0] or not others or not all(_NUMBER.fullmatch(name) for name in others):
        return False
    cells = [name.strip().lower() for name in header if _NUMBER.fullmatch(name)]
    fractions = [cell for cell in cells if cell and not cell.isdigit()]
    in_range = all(cell in ("nan", "true", "false") or 0 <= float(cell) <= 1 for cell in fractions)
    return len({*others}) < len(others) or bool(fractions and in_range)
