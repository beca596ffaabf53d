"""Facts that need texts or vectors: what ids should be, which vectors are sound, which texts leaked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.expectations.session import Made, Session, quoted, readable
from routerset.expectations.target import DATA, EMBEDDINGS, VECTORS, Part, What
from routerset.expectations.views.tables import item_texts
from routerset.schemas import ids
from routerset.schemas.checksums import CHECKSUMS
from routerset.schemas.escape import shown_name

REPEATED = 4096
"""Texts that are looked at once though they stand in many places, such as names of columns."""
LONG_TEXT = 256
"""Characters that may be more than the 256 tokens of the shortest encoder."""
_TEXT_FILES = frozenset(
    {".md", ".json", ".txt", ".html", ".csv", ".toml", ".yaml", ".yml", ".tsv", ".py", ""}
)
_S = pa.string()
_FACTS = pa.schema(
    [
        ("benchmark", _S),
        ("item", pa.int32()),
        ("item_id", _S),
        ("question_id", _S),
        ("expected_id", _S),
        ("expected_question_id", _S),
        ("prompt_digest", _S),
        ("text_digest", _S),
        ("characters", pa.int64()),
    ]
)
_VECTORS = pa.schema(
    [
        ("encoder", _S),
        ("benchmark", _S),
        ("item", pa.int32()),
        ("item_id", _S),
        ("is_null", pa.bool_()),
        ("dimension", pa.int32()),
        ("not_finite", pa.int64()),
        ("norm", pa.float64()),
        ("digest", _S),
        ("cut", pa.int64()),
    ]
)


def text_facts(session: Session) -> Made:
    """Ids as the texts of the items give them; null where the text is not there.

    text_digest: of question and prompt, of a benchmark whose texts are published.
    """
    if "items" not in session:
        return None
    known = session.target.what is not What.RELEASE
    table = session.query(item_texts(session))
    published = {name for name, b in session.target.registry.items() if b.publish_text}
    rows = []
    for row in table.to_pylist():
        question, prompt = row["question"], row["prompt"]
        content = None
        if row["question_source"] == "prompt":
            content = ids.content_digest(None, None, prompt)
        elif known or question is None:
            content = ids.content_digest(question, row.get("choices"), prompt)
        has_text = question is not None or prompt is not None
        rows.append(
            {
                "benchmark": row["benchmark"],
                "item": row["item"],
                "item_id": row["item_id"],
                "question_id": row["question_id"],
                "expected_id": None
                if content is None or row["subset"] is None
                else ids.item_id(row["benchmark"], row["subset"], content, 0),
                "expected_question_id": ids.question_id(question, prompt, "") if has_text else None,
                "prompt_digest": _loose_digest(prompt if prompt is not None else question),
                "text_digest": ids.digest(str(question), str(prompt))
                if row["benchmark"] in published
                else None,
                "characters": max(len((question or "").strip()), len((prompt or "").strip()))
                if has_text
                else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=_FACTS)


def vector_rows(session: Session) -> Made:
    """What every vector is like."""
    parts = session.target.of(VECTORS if session.target.what is What.RELEASE else EMBEDDINGS)
    if not parts or "columns" not in session:
        return None
    wrong = session.query(f"select path from columns where table_name = '{parts[0].table}' and not same")
    broken = set(wrong["path"].to_pylist())
    tables = [_vectors(session, part) for part in parts if part.name not in broken]
    return pa.concat_tables(tables) if tables else None


def _vectors(session: Session, part: Part) -> pa.Table:
    name = "embedding" if part.table == VECTORS else "vector"
    key = "item_id" if part.table == VECTORS else "item"
    size = part.schema.field(name).type.list_size
    # not pyarrow's own reader: it refuses a null in a column of fixed-size lists
    table = session.query(
        f"select {key}, {name} as vector from read_parquet({quoted(part.path)}, hive_partitioning = false)"
    ).combine_chunks()
    column = table["vector"].combine_chunks()
    numbers = np.full((len(column), size), np.nan, np.float32)
    numbers[column.is_valid().to_numpy(zero_copy_only=False)] = (
        column.flatten().fill_null(np.nan).to_numpy(zero_copy_only=False).reshape(-1, size)
    )
    finite = np.isfinite(numbers)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt((np.where(finite, numbers, 0).astype(np.float64) ** 2).sum(axis=1))
    encoder, benchmark = part.keys.get("encoder", ""), part.keys.get("benchmark", "")
    count = len(column)
    columns = {
        "encoder": pa.repeat(encoder, count),
        "benchmark": pa.repeat(benchmark, count),
        "item": table["item"] if key == "item" else pa.nulls(count, pa.int32()),
        "item_id": table["item_id"] if key == "item_id" else pa.nulls(count, _S),
        "is_null": column.is_null(),
        "dimension": pa.repeat(pa.scalar(size, pa.int32()), count),
        "not_finite": pa.array((~finite).sum(axis=1)),
        "norm": pa.array(norms),
        "digest": pa.array([blake2b(row.tobytes(), digest_size=16).hexdigest() for row in numbers], _S),
        "cut": pa.repeat(pa.scalar(_cut(session, encoder, benchmark), pa.int64()), count),
    }
    return pa.table(columns).cast(_VECTORS)


def _cut(session: Session, encoder: str, benchmark: str) -> int | None:
    """Texts that the encoder cut, where the manifest tells."""
    stage = session.target.manifest.get("stages", {}).get("embed", {}).get("info", {})
    found = stage.get("embeddings", {}).get(encoder, {}).get(benchmark, {})
    cut = found.get("truncated")
    return cut if isinstance(cut, int) else None


def embedding_facts(session: Session) -> Made:
    """Vectors beside the texts that they stand for. may_be_cut: perhaps longer than the encoder reads."""
    if "vector_rows" not in session:
        return None
    if "text_facts" not in session:
        return """select *, null::varchar as question_id, null::varchar as prompt_digest, true as may_be_cut
            from vector_rows"""
    if session.target.what is What.RELEASE:
        join = "using (benchmark, item_id)"
        item = "t.item"
    else:
        join = "using (benchmark, item)"
        item = "v.item"
    return f"""select v.encoder, v.benchmark, {item} as item, coalesce(v.item_id, t.item_id) as item_id,
        v.is_null, v.dimension, v.not_finite, v.norm, v.digest, t.question_id,
        coalesce(t.prompt_digest, t.question_id) as prompt_digest,
        coalesce(v.cut, 1) > 0 and (t.characters >= {LONG_TEXT} or t.prompt_digest is null
        and t.expected_question_id is null) as may_be_cut from vector_rows v left join text_facts t {join}"""


def leaks(session: Session) -> Made:
    """Withheld questions that stand somewhere else in a release, found by their hash."""
    if session.target.what is not What.RELEASE or DATA not in session:
        return None
    withheld = [name for name, b in session.target.registry.items() if not b.publish_text]
    names = ", ".join(f"'{name}'" for name in withheld)
    secret = session.query(f"select question_id, benchmark, item from data where benchmark in ({names})")
    homes = {
        question: (benchmark, item)
        for question, benchmark, item in zip(
            *(secret[c].to_pylist() for c in ("question_id", "benchmark", "item")), strict=True
        )
    }
    rows: list[dict[str, object]] = []
    if homes:
        other = session.query(
            f"""select 'data/' || benchmark || '/' || file_split || '.parquet' as path, item_id as place,
            question_id
            from data where benchmark not in ({names}) and question is not null"""
        )
        found = zip(*(other[c].to_pylist() for c in ("path", "place", "question_id")), strict=True)
        places = [(path, place, homes[question]) for path, place, question in found if question in homes]
        places += list(_in_texts(session.target.root, homes))
        rows = [
            {"path": path, "place": place, "benchmark": benchmark, "item": item}
            for path, place, (benchmark, item) in places
        ]
    schema = pa.schema([("path", _S), ("place", _S), ("benchmark", _S), ("item", pa.int32())])
    return pa.Table.from_pylist(rows, schema=schema)


def _in_texts(root: Path, homes: dict[str, tuple[str, int]]) -> Iterator[tuple[str, str, tuple[str, int]]]:
    """Lines of texts, and strings in JSON and in small tables, that hash to a withheld question."""
    question_of = lru_cache(REPEATED)(lambda text: ids.question_id(text, None, ""))
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or name == CHECKSUMS:
            continue
        if path.suffix == ".parquet" and not name.startswith(("data/", "vectors/", "scores/")):
            texts = _cells(path)
        elif path.suffix in _TEXT_FILES:
            texts = _strings(path)
        else:
            continue
        for place, text in texts:
            question = question_of(text)
            if question in homes:
                yield name, place, homes[question]


def _cells(path: Path) -> Iterator[tuple[str, str]]:
    with readable(path):
        file = pq.ParquetFile(path)
        names = [f.name for f in file.schema_arrow if pa.types.is_string(f.type)]
        table = file.read(columns=names)
    for name in names:
        for text in table[name].unique().drop_null().to_pylist():
            yield shown_name(name), text


def _strings(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"line {number}", line
    if path.suffix == ".json":
        try:
            yield from _leaves(json.loads(text), "")
        except ValueError:
            return


def _leaves(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            name = shown_name(str(key))
            yield from _leaves(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{number}]")


BUILDERS: dict[str, Callable[[Session], Made]] = {
    "text_facts": text_facts,
    "vector_rows": vector_rows,
    "embedding_facts": embedding_facts,
    "leaks": leaks,
}


def _loose_digest(text: str | None) -> str | None:
    """Hash of a text without any white space, which encoders that split off punctuation do not see."""
    return None if text is None else ids.digest("".join(ids.normalise_text(text).split()))
