"""Documents of details files: their text, their content keys, and whether a list of them was met before."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from routerset.etl.sources.parse.csv_text import NO_VALUE
from routerset.etl.sources.parse.jsonlines import as_text
from routerset.etl.sources.parse.questions import literal_of, resolve_gold
from routerset.etl.sources.parse.tabular import value_of
from routerset.schemas import ids
from routerset.schemas.tables import Reason

_ROWS = 1 << 10  # that are Python values at a time
REMEMBERED = 128  # lists of documents whose keys are kept; a leaderboard has 63


@dataclass(frozen=True)
class Documents:
    """Keys and prints of those documents in a list that have a key: the rows `usable`.

    bad: of every other row, why. mark: hash of what they were made from.
    """

    usable: np.ndarray
    keys: pa.Array
    prints: pa.Array
    bad: Mapping[int, tuple[Reason, str]]
    mark: bytes = b""


_RECENT: dict[bytes, Documents] = {}


def identify_documents(table: pa.Table) -> Documents:
    """Keys and prints of a table of documents, as `read_texts` takes it.

    A key is the hash of the question and its options, with `#k` for the k-th exact repeat. Files of
    thousands of models hold the same columns: these are compared by hash, and worked out once.
    """
    hashed = _Hashed()
    with pa.ipc.new_stream(pa.PythonFile(hashed, "w"), table.schema.remove_metadata()) as writer:
        writer.write_table(table)
    name = hashed.of.digest()
    found = _RECENT.get(name)
    if found is None:
        if len(_RECENT) >= REMEMBERED:
            _RECENT.clear()
        found = _RECENT[name] = replace(_identify(table), mark=name)
    return found


class _Hashed(io.RawIOBase):
    """A file that keeps nothing but the hash of what is written."""

    def __init__(self) -> None:
        self.of = blake2b()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self.of.update(view)
        return view.nbytes


def _identify(table: pa.Table) -> Documents:
    keys: list[str | None] = []
    prints: list[str | None] = []
    bad: dict[int, tuple[Reason, str]] = {}
    repeats: Counter[str] = Counter()
    for row, text in enumerate(read_texts(table)):
        if text.broken or text.question is None:
            bad[row] = (
                (Reason.MALFORMED_ROW, "expected UTF-8 in the question and its options")
                if text.broken
                else (Reason.MISSING_KEY, "expected a question, found null")
            )
            keys.append(None)
            prints.append(None)
            continue
        content = ids.content_digest(text.question, text.choices, None) or ""
        keys.append(content + (f"#{repeats[content]}" if repeats[content] else ""))
        repeats[content] += 1
        prints.append(ids.digest(text.question, *(text.choices or ()), "gold", text.gold or ""))
    usable = np.array([row for row in range(len(keys)) if row not in bad], np.int64)
    told = [pa.array([of[row] for row in usable.tolist()], pa.string()) for of in (keys, prints)]
    return Documents(usable, told[0], told[1], bad)


class Text(NamedTuple):
    """One document. broken: it is not UTF-8."""

    question: str | None = None
    choices: list[str] | None = None
    gold: str | None = None
    prompt: str | None = None
    broken: bool = False


def read_texts(table: pa.Table) -> Iterator[Text]:
    """Documents in columns `question`, `choices`, `gold_index`, `gold` and `prompt`, any of them absent."""
    for start in range(0, len(table), _ROWS):
        yield from _read_some(table.slice(start, _ROWS))


def _read_some(table: pa.Table) -> Iterator[Text]:
    columns = {name: _values(table[name]) for name in table.column_names}
    for row in range(len(table)):
        values = {name: column[row] for name, column in columns.items()}
        prompt = values.pop("prompt", None)
        if _BROKEN in values.values():
            yield Text(broken=True)
            continue
        for name in _LISTS & values.keys():
            values[name] = _listed_in(values[name])
        question, choices = values.get("question"), values.get("choices")
        options = [as_text(choice) or "" for choice in choices] if isinstance(choices, list) else None
        gold = _gold(values.get("gold_index"), values.get("gold"), options or [])
        yield Text(as_text(question), options or None, gold, _prompt(prompt))


_LISTS = {"choices", "gold_index", "gold"}


def _listed_in(value: object) -> object:
    """What lighteval up to 0.6 spells as text: `"['a', 'b']"`, `"[0]"`; anything else as it stands."""
    found = literal_of(value) if isinstance(value, str) else None
    return value if found is None else found


def _prompt(prompt: object) -> str | None:
    """A prompt as text: that of its messages where it is a list of them."""
    if isinstance(prompt, list):
        contents = [each.get("content") for each in prompt if isinstance(each, Mapping)]
        texts = [content for content in contents if isinstance(content, str)]
        return "\n\n".join(texts) if texts and len(texts) == len(prompt) else None
    return prompt if isinstance(prompt, str) else None


_BROKEN = object()


def _values(column: pa.ChunkedArray) -> list[object]:
    """Values of a column; `_BROKEN` where text is not UTF-8, which Parquet does not check."""
    try:
        return list(column.to_pylist())
    except NO_VALUE:
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _BROKEN
    except NO_VALUE:
        return value_of(scalar)


def _gold(index: object, gold: object, choices: Sequence[str]) -> str | None:
    """The gold answer as text, whether a layout tells it as it stands or by position; several as JSON."""
    golds = _listed(gold)
    if not golds or not all(isinstance(each, str) for each in golds):
        golds = _listed(index) or golds
    texts = [(resolve_gold(each, choices) or "").strip() for each in golds]
    return None if not texts else texts[0] if len(texts) == 1 else as_text(texts)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
