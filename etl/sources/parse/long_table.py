"""The records of a long table as numbers: every text once, and what each record is of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import Dump, DumpUnreadable, Options, SourceSpec, SpecError
from routerset.etl.sources.blocks import Cells, Costs, add_cost_notes, clean_costs
from routerset.etl.sources.names import iso_timestamp, resolve_model
from routerset.etl.sources.parse.questions import choices_of, resolve_gold
from routerset.etl.sources.parse.records import Records, printable_text
from routerset.etl.sources.quarantine import BadRow, Quarantined
from routerset.etl.votes import NOTHING, leading
from routerset.schemas import ids
from routerset.schemas.tables import COST_MEASURES, Reason

MAX_BYTES = 1 << 27  # of what is kept of a file's records, without their texts: 4 million and more
MAX_TEXT = 1 << 28  # characters of the different texts of a file
_TEXT = 150  # bytes that a text costs besides its characters
TEXTS = ("question", "prompt", "choices", "gold")
NAMES = ("model", "doc_key", "score", "subset", "category", "timestamp", "success", *TEXTS, *COST_MEASURES)
"""Columns that a long table may have, under whatever names."""
_NAMED = ("model", "timestamp", "subset", "category", "doc_key", *TEXTS)
NUMERIC = ("score", "success", *COST_MEASURES)
"""Those that are numbers."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_DIGITS = 16  # of a hash that stands for a key


@dataclass(frozen=True)
class LongOptions(Options):
    """Keys of a `long` source.

    columns: our column (docs/dumps.md lists them) -> column of the file, or dotted path into nested fields,
    such as `{ model = "llm", doc_key = "id", score = "eval.score", usd = "cost" }`.
    subset_pattern: regular expression with a group `subset`, searched in the subset column or the file name,
    such as `'^(?P<subset>.+)_[0-9]+$'`.
    delimiter: of CSV files; one that is not named is told by the header, such as `";"`.
    encoding: of the text of CSV files.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    subset_pattern: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True)
class LongTable:
    """The records of a file.

    codes: what they name, by column, as places in `names`; -1 where nothing. other: as in `Records`.
    """

    names: Mapping[str, list[str]]
    codes: Mapping[str, np.ndarray]
    score: Cells
    costs: Costs
    rows: np.ndarray
    other: np.ndarray

    def text(self, name: str, code: int) -> str | None:
        """What a number stands for."""
        return None if code < 0 else self.names[name][code]


@dataclass(frozen=True)
class Placed:
    """What the records are of, as places in these lists, ascending by name; -1 where that cannot be told.

    documents: numbers of the texts of each, as the table has them (documents, texts).
    """

    models: list[str]
    moments: list[str]
    subsets: list[str]
    keys: list[str]
    documents: np.ndarray
    model: np.ndarray
    moment: np.ndarray
    subset: np.ndarray
    key: np.ndarray
    document: np.ndarray


@dataclass
class Spent:
    """What the records of a file take in memory: bytes of arrays, characters of texts."""

    size: int = 0
    length: int = 0

    def add(self, size: int, texts: Sequence[str]) -> None:
        """More of both. Raises DumpUnreadable."""
        self.size += size + _TEXT * len(texts)
        self.length += sum(map(len, texts))
        if self.size > MAX_BYTES or self.length > MAX_TEXT:
            raise DumpUnreadable(
                f"found more than {MAX_BYTES} bytes of records or {MAX_TEXT} of texts: split the file"
            )


class Gathering:
    """Records of one benchmark in a file, as they come. bad, notes: are told what is no record, no cost."""

    def __init__(
        self, dump: Dump, benchmark: str, bad: Quarantined, notes: Counter[tuple[str, str]], spent: Spent
    ) -> None:
        self._of, self._bad, self._notes, self._spent = (dump, benchmark), bad, notes, spent
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in _NAMED}
        self._arrays: dict[str, list[np.ndarray]] = {}
        self._said: list[str] = []

    def add(self, records: Records) -> None:
        """More records. Raises DumpUnreadable where they are more than fit the memory."""
        dump, benchmark = self._of
        self._bad.add_rows(dump, (replace(row, benchmark=benchmark) for row in records.bad))
        part = {"row": records.numbers.astype(np.int32), "other": np.zeros(len(records.numbers), bool)}
        if records.other is not None:
            part["other"] = records.other
        for name, column in records.texts.items():
            numbers = self._numbers[name]
            before = len(numbers)
            part[name] = _codes(numbers, column)
            self._spent.add(0, [*islice(numbers, before, None)])
        score = records.cells["score"]
        part["score"] = score.values.copy()
        told = score.state > 0
        part["state"] = np.where(told, score.state + len(self._said), score.state).astype(np.int32)
        self._said += score.texts
        if "success" in records.cells:  # a call that failed is missing, and not wrong
            failed = records.cells["success"].values == 0
            part["score"][failed], part["state"][failed] = np.nan, 0
        cells = {name: records.cells[name] for name in COST_MEASURES if name in records.cells}
        costs, found = clean_costs(dump, benchmark, records.numbers, cells)
        add_cost_notes(self._notes, found)
        part |= costs
        for name, array in part.items():
            self._arrays.setdefault(name, []).append(array)
        self._spent.add(sum(array.nbytes for array in part.values()), score.texts)

    @property
    def empty(self) -> bool:
        """Whether there is no record yet, but for what is none."""
        return not any(map(len, self._arrays.get("row", ())))

    def table(self) -> LongTable:
        """All of them. Raises DumpUnreadable where there is none."""
        whole = {name: np.concatenate(parts) for name, parts in self._arrays.items()}
        if not len(whole.get("row", ())):
            raise DumpUnreadable("found no record that can be read, expected at least one")
        nothing = np.broadcast_to(np.int32(-1), whole["row"].shape)
        return LongTable(
            {name: list(known) for name, known in self._numbers.items()},
            {name: whole.get(name, nothing) for name in _NAMED},
            Cells(whole["score"], whole["state"], self._said),
            {name: whole[name] for name in COST_MEASURES if name in whole},
            whole["row"],
            whole["other"],
        )


def gathered(
    dump: Dump,
    benchmark: str,
    read: Iterable[Records],
    bad: Quarantined,
    notes: Counter[tuple[str, str]],
) -> LongTable:
    """All records of a file. bad, notes: are told what is no record, and no cost. Raises DumpUnreadable."""
    gathering = Gathering(dump, benchmark, bad, notes, Spent())
    for records in read:
        gathering.add(records)
    return gathering.table()


def _codes(known: dict[str, int], column: pa.DictionaryArray) -> np.ndarray:
    """Numbers of a column's texts (int32), which `known` gets where they are new; -1 where there is none."""
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    used = np.unique(codes[codes >= 0])
    texts = column.dictionary.take(pa.array(used)).to_pylist()
    found = np.full(len(column.dictionary) + 1, -1, np.int32)
    found[used] = [known.setdefault(text, len(known)) for text in texts]
    numbers: np.ndarray = found[codes]
    return numbers


def subset_reader(dump: Dump, spec: SourceSpec, has_column: bool) -> Callable[[str], str | None] | str:
    """What tells the subset of a name in the subset column, or the one subset of all records."""
    options = spec.options_as(LongOptions)
    try:
        pattern = re.compile(options.subset_pattern or "(?P<subset>.*)", re.DOTALL)
        of_name = partial(_subset, pattern, spec.subsets)
        if spec.subset is not None:
            return spec.subset
        if has_column:
            _ = pattern.groupindex["subset"]
            return of_name
        if options.subset_pattern is None:
            subsets = list(spec.registry[spec.benchmark or ""].subsets)
            if len(subsets) > 1:
                raise SpecError(
                    f"{spec.benchmark} has {len(subsets)} subsets: set subset, columns.subset, subset_pattern"
                )
            return subsets[0]
        found = of_name(dump.name)
    except (re.error, KeyError, IndexError) as error:
        raise SpecError(
            f"subset_pattern = {options.subset_pattern!r}: expected a regular expression with a group "
            f"(?P<subset>...): {error}"
        ) from error
    if found is None:
        raise DumpUnreadable(
            f"the name of the file does not match subset_pattern {options.subset_pattern!r}: leave the file "
            "out of path, or extend the pattern",
            Reason.UNKNOWN_TASK,
        )
    return found


def _subset(pattern: re.Pattern[str], renames: Mapping[str, str], name: str) -> str | None:
    """The subset that a name stands for, safe as a part of a path; None where it stands for none."""
    match = pattern.search(name)
    found = (match["subset"] or "") if match else ""
    safe = _UNSAFE.sub("-", renames.get(found, found)).strip("-._")
    return safe if ids.file_stem_is_safe(safe) else None


def place(table: LongTable, spec: SourceSpec, subset_of: Callable[[str], str | None] | str) -> Placed:
    """What the records are of."""
    models, model = _resolve(table, "model", lambda name: resolve_model(name, spec))
    moments, moment = _resolve(table, "timestamp", iso_timestamp)
    if isinstance(subset_of, str):
        subsets, subset = [subset_of], np.zeros(len(table.rows), np.int32)
    else:
        subsets, subset = _resolve(table, "subset", subset_of)
    texts = np.stack([table.codes[name] for name in TEXTS], axis=1)
    numbers = np.zeros(len(texts), np.int64)
    for column in texts.T:  # sorting numbers takes a tenth of the time of sorting rows
        paired = numbers * (int(column.max()) + 2) + column + 1
        numbers = np.unique(paired, return_inverse=True)[1]
    _, first, document = np.unique(numbers, return_index=True, return_inverse=True)
    documents = texts[first]
    number = {name: at for at, name in enumerate(table.names["doc_key"])}
    key = table.codes["doc_key"].copy()
    without = np.flatnonzero(key < 0)
    hashed = np.full(len(documents), -1, np.int32)
    for at in np.unique(document[without]).tolist():
        question, prompt, choices, _ = texts_of(table, documents[at])
        content = ids.content_digest(question, choices, prompt)
        if content is not None:
            hashed[at] = number.setdefault(content[:_DIGITS], len(number))
    key[without] = hashed[document[without]]
    return Placed(models, moments, subsets, list(number), documents, model, moment, subset, key, document)


def _resolve(
    table: LongTable, name: str, resolve: Callable[[str], str | None]
) -> tuple[list[str], np.ndarray]:
    """What the names of a column stand for, in order, and the place of every record's among them."""
    found = [resolve(text) for text in table.names[name]]
    known = sorted({each for each in found if each is not None})
    place = {each: at for at, each in enumerate(known)}
    places = np.array([*(-1 if each is None else place[each] for each in found), -1], np.int32)
    return known, places[table.codes[name]]


def texts_of(
    table: LongTable, codes: np.ndarray
) -> tuple[str | None, str | None, list[str] | None, str | None]:
    """Question, prompt, choices and gold answer of a document."""
    question, prompt, choices, gold = (
        table.text(name, at) for name, at in zip(TEXTS, codes.tolist(), strict=True)
    )
    options = None if choices is None else choices_of({"choices": choices})
    options = options and [printable_text(option) for option in options]
    return question, prompt, options, None if gold is None else resolve_gold(gold, options or ())


def categories_of(table: LongTable, records: np.ndarray, documents: np.ndarray, n_documents: int) -> pa.Array:
    """The category that most records of every document have, the first by name of several such.

    documents: of every record, 0..n_documents-1.
    """
    names = sorted(table.names["category"])
    place = {name: at for at, name in enumerate(names)}
    order = np.array([*(place[name] for name in table.names["category"]), NOTHING], np.int64)
    codes = order[table.codes["category"][records]]
    told = leading(documents, codes, np.ones(len(codes)), n_documents)
    return pa.array([None if at == NOTHING else names[at] for at in told.tolist()], pa.string())


def recategorised(
    table: LongTable, categories: pa.Array | None, records: np.ndarray, documents: np.ndarray
) -> int:
    """How many records have another category than that of their document. categories: of documents."""
    if not table.names["category"] or categories is None:
        return 0
    number = {name: at for at, name in enumerate(table.names["category"])}
    of = np.array([NOTHING if name is None else number[name] for name in categories.to_pylist()], np.int64)
    codes = table.codes["category"][records]
    return int(((codes >= 0) & (codes != of[documents])).sum())


def misplaced(table: LongTable, placed: Placed, benchmark: str, records: np.ndarray) -> Iterator[BadRow]:
    """Why some records cannot be placed."""
    for at in records.tolist():
        name = table.text("model", int(table.codes["model"][at]))
        model = None if placed.model[at] < 0 else placed.models[placed.model[at]]
        if model is None:
            reason, detail = Reason.INVALID_MODEL, f"expected a model's name, found {(name or '')[:80]!a}"
        elif placed.key[at] < 0:
            reason, detail = Reason.MISSING_KEY, "expected a key or a text of the document, found neither"
        else:
            found = table.text("subset", int(table.codes["subset"][at])) or ""
            reason, detail = Reason.UNKNOWN_TASK, f"expected a subset, found {found[:80]!a}"
        yield BadRow(int(table.rows[at]), reason, detail, model, benchmark)
