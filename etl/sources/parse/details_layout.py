"""Columns of details files: which of them tell documents, scores, tokens and answers, in every layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from routerset.etl.sources.parse.details_text import REMEMBERED
from routerset.etl.sources.parse.questions import literal_of
from routerset.etl.sources.parse.scores import without_numpy
from routerset.etl.sources.parse.token_lists import holds_tokens
from routerset.schemas.tables import TOKENS

_SHORT = 1 << 16  # bytes of the footer of a file whose layout is kept; details have some thousand
_DOCUMENT = ("doc", "__doc__")
_METRICS = ("metrics", "metric", "__metric__")
_RESPONSES = ("model_response", "__model_response__")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "question": ("query", "example"),
    "choices": ("choices",),
    "gold_index": ("gold_index",),
    "gold": ("gold",),
    "prompt": ("full_prompt", "ctx"),
}
_PROMPT = "input"  # of a response: the prompt, few-shot text included
_SENT, _WRITTEN = ("input_tokens",), ("cont_tokens", "output_tokens")
ANSWERS, LIKELIHOODS = ("predictions", "text"), "logprobs"
_NO_METRIC = {
    *("gold", "gold_index", "choices", "predictions", "pred_logits", "truncated", "padded"),
    *("num_asked_few_shots", "num_effective_few_shots", "input_tokens", "cont_tokens"),
}
IDENTITY = ("question", "choices", "gold_index", "gold")
NOT_A_NUMBER = re.compile(r"\b(?:nan|inf)\b")

Place: TypeAlias = tuple[str, ...]
"""A column: its name, or those of a struct and of a field in it."""


@dataclass(frozen=True)
class Layout:
    """Where the fields that we read stand, by our names; those that a file lacks are absent.

    tokens: lists of them, by the measure that they tell. answers: what the LLM said, one of them or both.
    leaves: numbers of Parquet's columns that hold tokens, by measure.
    """

    schema: pa.Schema
    fields: Mapping[str, Place]
    metrics: Mapping[str, Place]
    tokens: Mapping[str, Place]
    answers: Mapping[str, Place]
    leaves: Mapping[str, Sequence[int]]


_LAYOUTS: dict[tuple[object, ...], Layout] = {}


def layout_of(file: pq.ParquetFile) -> Layout:
    """The layout of a file, which is found out once for files of the same columns."""
    schema = file.schema_arrow
    spelled = _spelled_metrics(file, schema)
    found = _LAYOUTS.get((schema, spelled))
    if found is None:
        found = _find_layout(schema, spelled, [file.schema.column(i).path for i in range(len(file.schema))])
        if len(_LAYOUTS) >= REMEMBERED:
            _LAYOUTS.clear()
        if file.metadata.serialized_size + len(repr(spelled)) <= _SHORT:
            _LAYOUTS[schema, spelled] = found
    return found


def _spelled_metrics(file: pq.ParquetFile, schema: pa.Schema) -> tuple[Place, ...]:
    """Metrics in columns of text, as the first row spells them."""
    found: list[Place] = []
    for name in _METRICS:
        at = schema.get_field_index(name)  # negative for none, and for several
        if at >= 0 and is_text(schema.field(at).type):
            first = next(file.iter_batches(1, columns=[name], use_threads=False), {name: pa.array([])})
            found += [(name, metric) for text in first[name].to_pylist() for metric in spelled_in(text)]
    return tuple(found)


def _find_layout(schema: pa.Schema, spelled: Sequence[Place], leaves: Sequence[str]) -> Layout:
    """The layout of files of this schema. spelled: metrics in text. leaves: Parquet's columns by path."""
    times = Counter(schema.names)
    columns = {field.name: field.type for field in schema if times[field.name] == 1}
    structs = [name for name in _DOCUMENT if name in columns and pt.is_struct(columns[name])]

    def find(names: Sequence[str]) -> Place | None:
        places: list[Place] = [(name,) for name in names if name in columns]
        for struct in structs:
            inner = {field.name for field in columns[struct]}
            places += [(struct, name) for name in names if name in inner]
        return next(iter(places), None)

    metrics: dict[str, Place] = {}
    for struct in (name for name in _METRICS if name in columns):
        if pt.is_struct(columns[struct]):
            metrics |= {field.name: (struct, field.name) for field in columns[struct] if _scores(field.type)}
        metrics |= {place[1]: place for place in spelled if place[0] == struct}
    metrics |= {name: (name,) for name, kind in columns.items() if _scores(kind) and name not in _NO_METRIC}
    found = {name: find(candidates) for name, candidates in FIELDS.items()}
    kinds: dict[Place, pa.DataType] = {(name,): kind for name, kind in columns.items()}
    for struct in (name for name in _RESPONSES if name in columns and pt.is_struct(columns[name])):
        kinds |= {(struct, field.name): field.type for field in columns[struct]}
        if (struct, _PROMPT) in kinds:
            found["prompt"] = found["prompt"] or (struct, _PROMPT)
    tokens = {
        measure: next((p for p, kind in kinds.items() if p[-1] in names and holds_tokens(kind)), None)
        for measure, names in zip(TOKENS, (_SENT, _WRITTEN), strict=True)
    }
    answers = {p[-1]: p for p in kinds if p[-1] in (*ANSWERS, LIKELIHOODS)}
    fields = {name: place for name, place in found.items() if place is not None}
    lists = {measure: place for measure, place in tokens.items() if place is not None}

    leaves_of = {
        measure: [at for at, leaf in enumerate(leaves) if f"{leaf}.".startswith(f"{'.'.join(place)}.")]
        for measure, place in lists.items()
    }
    return Layout(schema, fields, metrics, lists, answers, leaves_of)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column is text, as a dictionary or written out."""
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def spelled_in(text: object) -> Mapping[str, object]:
    """Metrics that are spelled as a Python dict; none where they are not."""
    bare = without_numpy(text) if isinstance(text, str) else ""
    found = literal_of(NOT_A_NUMBER.sub(r"'\g<0>'", bare))
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def _scores(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold scores: numbers, or lists of numbers."""
    kind = kind.value_type if pt.is_list(kind) or pt.is_large_list(kind) else kind
    return bool(pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_floating(kind) or pt.is_null(kind))
