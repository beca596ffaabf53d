"""Facts about a release: its columns of groups, its vector files, its card, and the release before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.expectations.session import Made, Session, quoted, readable
from routerset.expectations.suites.whole import COMPARED
from routerset.expectations.target import DATA, VECTORS, Part, What
from routerset.expectations.views.manifests import listed_groups
from routerset.schemas.groups import Group, columns_of
from routerset.schemas.matrix import ScoreMatrix, as_floats

TOGETHER = 400
"""Numbers a row, at most, of the columns that are read in one go; a wider one is read alone."""
LABEL_SHARE = 0.95
"""A candidate is a good choice for an item from this share of the best score in the group on."""
_CARD_PATH = re.compile(r'(?:^\s+|[{,]\s*)path: "?([^"\n,}]+?)"?\s*(?=[,}]|$)', re.MULTILINE)
_S, _I = pa.string(), pa.int64()
GROUP_COLUMNS = pa.schema(
    [
        ("path", _S),
        ("column", _S),
        ("listed", pa.bool_()),
        ("found", pa.bool_()),
        ("wrong_scores", _I),
        ("wrong_labels", _I),
        ("first_wrong", _S),
    ]
)


def benchmark_columns(
    session: Session, benchmark: str, members: Mapping[Group, Sequence[str]], matrix: ScoreMatrix
) -> Iterator[dict[str, object]]:
    """Columns of scores and labels of a benchmark's data and vectors files, against its scores and groups.

    members: candidates of every group, by rank.
    """
    row_of = {model: row for row, model in enumerate(matrix.models)}
    groups = {key: np.array([row_of.get(model, -1) for model in models]) for key, models in members.items()}
    found = session.query(f"select item_id, item from data where benchmark = {quoted(benchmark)}")
    item_of = dict(zip(found["item_id"].to_pylist(), found["item"].to_pylist(), strict=True))
    claimed = columns_of(listed_groups(session).get(benchmark, ()))
    for part in session.target.parts:
        if part.table in (DATA, VECTORS) and part.keys["benchmark"] == benchmark:
            yield from _file_columns(part, groups, claimed, item_of, matrix)


def _file_columns(
    part: Part,
    groups: Mapping[Group, np.ndarray],
    claimed: set[str],
    item_of: Mapping[str, int],
    matrix: ScoreMatrix,
) -> Iterator[dict[str, object]]:
    listed = columns_of(groups)
    present = (listed | claimed).intersection(part.schema.names)
    for name in sorted(listed ^ present):
        yield {"path": part.name, "column": name, "listed": name in listed, "found": name in present}
    with readable(part.path):
        file = pq.ParquetFile(part.path)
        if "item_id" not in part.schema.names:
            return
        numbers = range(file.num_row_groups)
        keys = [file.read_row_group(number, columns=["item_id"])["item_id"].to_pylist() for number in numbers]
        items = [np.array([item_of.get(key, -1) for key in some], np.int64) for some in keys]
        for some in _together(part.schema, [group for group in groups if columns_of([group]) <= present]):
            names = sorted(columns_of(some))
            read = (file.read_row_group(number, columns=names) for number in numbers)
            tables = read if len(some) == 1 else list(read)
            for group in some:
                wanted = (_expected(matrix, groups[group], of) for of in items)
                told = _compare(tables, group, keys, wanted)
                yield {"path": part.name, "column": group.column, "listed": True, "found": True} | told


def _together(schema: pa.Schema, groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Groups whose columns are read in one go: those of few numbers a row, whatever their names say."""
    some: list[Group] = []
    width = 0
    for group in groups:
        kinds = [schema.field(name).type for name in columns_of([group])]
        more = sum(kind.list_size if pa.types.is_fixed_size_list(kind) else TOGETHER for kind in kinds)
        if some and width + more > TOGETHER:
            yield some
            some, width = [], 0
        some.append(group)
        width += more
    if some:
        yield some


def _compare(
    tables: Iterable[pa.Table], group: Group, item_ids: Sequence[Sequence[str]], wanted: Iterable[np.ndarray]
) -> dict[str, object]:
    """Items of a file whose scores or labels in one pair of columns are not what they should be.

    tables, item_ids, wanted: of every row group, its columns, items and their scores (items, candidates).
    """
    wrong_scores, wrong_labels = 0, 0
    first: str | None = None
    for table, keys, expected in zip(tables, item_ids, wanted, strict=True):
        scores, labels = _lists(table[group.column]), _lists(table[group.label_column])
        if scores.shape != expected.shape or labels.shape != expected.shape:
            return {"wrong_scores": max(1, len(table)), "wrong_labels": 0, "first_wrong": keys[0]}
        differs = ~((scores == expected) | (np.isnan(scores) & np.isnan(expected))).all(axis=1)
        mislabelled = (labels != selection(scores)).any(axis=1)
        wrong_scores += int(differs.sum())
        wrong_labels += int(mislabelled.sum())
        bad = np.flatnonzero(differs | mislabelled)
        if first is None and len(bad):
            first = keys[int(bad[0])]
    return {"wrong_scores": wrong_scores, "wrong_labels": wrong_labels, "first_wrong": first}


def _expected(matrix: ScoreMatrix, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Scores of candidates on items, (items, candidates) float32, NaN where there is none."""
    n_items = matrix.scores.shape[1]
    if not matrix.scores.size:
        return np.full((len(items), len(rows)), np.nan, np.float32)
    expected = as_floats(matrix.scores[rows][:, np.clip(items, 0, n_items - 1)].T)
    expected[:, rows < 0] = np.nan
    expected[items < 0] = np.nan
    return expected


def _lists(column: pa.ChunkedArray) -> np.ndarray:
    """(rows, length) float64 of a column of lists, NaN for null; (0, 0) where the lists differ in length."""
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if not pa.types.is_fixed_size_list(array.type) or array.null_count:
        return np.empty((0, 0))
    size = array.type.list_size
    flat = array.values.slice(array.offset * size, len(array) * size).cast(pa.float64())
    numbers: np.ndarray = flat.fill_null(np.nan).to_numpy(zero_copy_only=False).reshape(len(array), size)
    return numbers


def selection(scores: np.ndarray) -> np.ndarray:
    """Good choices among (items, candidates): from 0.95 of the best on, none where it is 0 (section 2)."""
    best = np.fmax.reduce(scores, axis=1, keepdims=True, initial=0.0)
    with np.errstate(invalid="ignore"):
        good: np.ndarray = ((scores >= LABEL_SHARE * best) & (best > 0)).astype(np.float64)
    return good


def vector_files(session: Session) -> Made:
    """Vector files whose items are not those of the data file beside them, in its order."""
    if session.target.what is not What.RELEASE or DATA not in session:
        return None
    data = {(p.keys["benchmark"], p.keys["file_split"]): p for p in session.target.of(DATA)}
    rows = []
    for part in session.target.of(VECTORS):
        beside = data.get((part.keys["benchmark"], part.keys["file_split"]))
        if "item_id" not in part.schema.names:
            continue
        own = _ids(part)
        wanted = [] if beside is None else _ids(beside)
        wrong = (
            [b for a, b in zip(own, wanted, strict=False) if a != b] + wanted[len(own) :] + own[len(wanted) :]
        )
        rows.append({"path": part.name, "missing": len(wrong), "first_item_id": wrong[0] if wrong else None})
    schema = pa.schema([("path", _S), ("missing", _I), ("first_item_id", _S)])
    return pa.Table.from_pylist(rows, schema=schema)


def _ids(part: Part) -> list[str]:
    with readable(part.path):
        column = pq.ParquetFile(part.path).read(columns=["item_id"])["item_id"]
    return [str(value) for value in column.to_pylist()]


def card_files(session: Session) -> Made:
    """Table files that the card names, and those that hold rows, which are all that `datasets` can load."""
    if session.target.what is not What.RELEASE:
        return None
    card = session.target.root / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    named = set(_CARD_PATH.findall(text.partition("\n---")[0]))
    present = {part.name for part in session.target.parts if part.rows}
    rows = [{"path": p, "on_card": p in named, "on_disk": p in present} for p in sorted(named | present)]
    schema = pa.schema([("path", _S), ("on_card", pa.bool_()), ("on_disk", pa.bool_())])
    return pa.Table.from_pylist(rows, schema=schema)


def release_facts(session: Session) -> Made:
    """The version of a release, and the one before it."""
    if session.target.what is not What.RELEASE:
        return None
    told = session.target.manifest["release"]
    previous = told.get("previous")
    columns = {
        "version": [str(told.get("version"))],
        "previous": [None if previous is None else str(previous)],
    }
    return pa.table(columns, schema=pa.schema([("version", _S), ("previous", _S)]))


def seed_of(session: Session) -> int | None:
    """The seed of the splits, where the manifest tells."""
    manifest = session.target.manifest
    splits = manifest.get("stages", {}).get("splits", {}).get("info", {})
    seed = manifest.get("seed", splits.get("seed"))
    return seed if isinstance(seed, int) else None


def family_sides(session: Session) -> Made:
    """The side of every item with whole families in the order of their hashes, cut to the nearest family.

    A family counts in the first of its subsets by name; its middle on the line of items there tells its side.
    """
    seed = seed_of(session)
    if seed is None or "items" not in session:
        return None
    return f"""with families as (select benchmark, family_id, min(subset) as home, count(*) as n from items
        group by all), placed as (select *, sum(n) over (partition by benchmark, home) as total,
        2 * sum(n) over (partition by benchmark, home order by sha256('{seed}:' || family_id)
        rows unbounded preceding) - n as middle from families)
        select benchmark, item, case when middle <= 2 * floor(total * 8 / 10) then 'train'
        when middle <= 2 * floor(total * 9 / 10) then 'validation' else 'test' end as expected
        from placed join items using (benchmark, family_id)"""


def paper_shuffles(session: Session) -> dict[str, tuple[list[np.ndarray], np.random.RandomState]]:
    """By benchmark, every subset's items in the paper's shuffle (Table 4), and the generator afterwards.

    Nothing where the manifest does not tell the seed.
    """
    seed = seed_of(session)
    if seed is None or "items" not in session:
        return {}
    found = session.query(
        "select benchmark, subset, count(*) as n, min(item) as first from items group by all order "
        "by benchmark, first"
    )
    shuffles: dict[str, tuple[list[np.ndarray], np.random.RandomState]] = {}
    for benchmark, n in zip(found["benchmark"].to_pylist(), found["n"].to_pylist(), strict=True):
        parts, rng = shuffles.setdefault(benchmark, ([], np.random.RandomState(seed)))
        shuffled = np.arange(n)
        rng.shuffle(shuffled)
        parts.append(shuffled)
    return shuffles


def paper_sides(session: Session) -> Made:
    """The side of every item under the paper's shuffle, where the manifest tells the seed."""
    rows: list[dict[str, object]] = []
    shuffles = paper_shuffles(session)
    for benchmark, (parts, _) in shuffles.items():
        start = 0
        for shuffled in parts:
            n = len(shuffled)
            for place, item in enumerate(shuffled.tolist()):
                side = "train" if place < int(0.8 * n) else "validation" if place < int(0.9 * n) else "test"
                rows.append({"benchmark": benchmark, "item": start + item, "expected": side})
            start += n
    schema = pa.schema([("benchmark", _S), ("item", pa.int32()), ("expected", _S)])
    return pa.Table.from_pylist(rows, schema=schema) if shuffles else None


def _of(whose: str, view: str) -> Callable[[Session], Made]:
    """A view of another session: of the release before, or of the build that a release lies in."""

    def build(session: Session) -> Made:
        other: Session | None = getattr(session, whose)
        return other.query(f"select * from {view}") if other is not None and view in other else None

    return build


BUILDERS: dict[str, Callable[[Session], Made]] = {
    "vector_files": vector_files,
    "card_files": card_files,
    "release_facts": release_facts,
    "family_sides": family_sides,
    "paper_sides": paper_sides,
    **{f"previous_{view}": _of("previous", view) for view in ("score_facts", "items", "splits", "groups")},
    **{f"built_{view}": _of("built", view) for view in COMPARED},
}
