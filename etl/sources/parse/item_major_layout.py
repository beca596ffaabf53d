"""The columns of a file with a row per item: which tell the item, and which are of models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import DumpUnreadable, SpecError
from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.parse.frames import Frame, Place
from routerset.etl.sources.parse.item_columns import MEASURES, names_no_item
from routerset.etl.sources.parse.long_table import NAMES as LONG_NAMES
from routerset.etl.sources.parse.long_table import LongOptions
from routerset.etl.sources.parse.table_kinds import names_models, words_of
from routerset.etl.sources.parse.tabular import MAX_CELLS, score_cells
from routerset.etl.sources.parse.wide_layout import INDEX_COLUMNS, SAMPLE
from routerset.schemas.tables import COST_MEASURES

NAMES = tuple(name for name in LONG_NAMES if name not in ("timestamp", "success"))
"""What `columns` may name."""
OF_ITEMS = tuple(name for name in NAMES if name not in ("model", "score", *COST_MEASURES))
"""Those that stand once per row; the others are lists, or mappings by model."""
WIDTH = 1 << 13  # columns that are looked at together
MODEL = "{model}"
DEFAULT_COSTS = {"usd": f"{MODEL}|total_cost"}
"""What RouterBench calls them."""
_OTHERS = MEASURES | {"answers", "completion", "generation", "output", "outputs", "prediction", "predictions"}
_EXTRAS = _OTHERS | {"response", "responses"}
"""Words that say what a column beside a model's scores holds."""
_NO_MODELS = frozenset(
    {"answer", "benchmark", "category", "cluster", "dataset", "difficulty", "domain", "gold", "id", "idx"}
    | {
        "index",
        "label",
        "labels",
        "level",
        "number",
        "oracle",
        "split",
        "subject",
        "subset",
        "target",
        "task",
    }
    | {"year"}
)
"""Names of what else a table of items holds as numbers."""


@dataclass(frozen=True)
class ItemMajorOptions(LongOptions):
    """Keys of an `item_major` source.

    columns: our column (docs/dumps.md lists them) -> column of the file, or dotted path. Where it names
    `score`, one column holds the scores of all models: a mapping of their names, or a list beside the list
    that `model` names, such as `{ doc_key = "sample_id", question = "prompt" }`.
    model_columns: columns of scores, such as `["gpt-4", "lab/small"]`.
    model_pattern: regular expression on their names, with a group `model`, such as `'score_(?P<model>.+)'`.
    cost_columns: a cost -> name of a model's column of it, with `{model}` for its name, such as
    `{ usd = "{model}|total_cost" }`.
    fields: `score` or a cost -> path inside of a model's column, or of a mapping's value, such as
    `{ score = "score", prompt_tokens = "num_input_tokens" }`.
    ignore_columns: columns that no note has to name, such as `["cluster_id"]`.
    subset_pattern: as in `long`, such as `'^(?P<subset>.+)_[0-9]+$'`.
    delimiter: as in `long`, such as `";"`.
    encoding: as in `long`.
    """

    model_columns: tuple[str, ...] = ()
    model_pattern: str | None = None
    cost_columns: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    ignore_columns: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises SpecError for what cannot be meant."""
        measures = ", ".join(COST_MEASURES)
        for key, found, valid in (
            ("columns", self.columns, NAMES),
            ("cost_columns", self.cost_columns, COST_MEASURES),
            ("fields", self.fields, ("score", *COST_MEASURES)),
        ):
            unknown = sorted(set(found) - set(valid))
            if unknown:
                raise SpecError(f"{key}: unknown key {unknown[0]!r}; valid keys: {', '.join(valid)}")
        for name, template in self.cost_columns.items():
            if MODEL not in template:
                raise SpecError(f"cost_columns: {name} = {template!r}: expected {MODEL} in it")
        nested = sorted(set(self.columns) & {"model", *COST_MEASURES})
        if nested and "score" not in self.columns:
            raise SpecError(
                f"columns: {nested[0]} is of lists or mappings by model, and needs score beside it; columns "
                f"of single models are named by cost_columns ({measures}) and model_columns"
            )


@dataclass(frozen=True)
class ModelColumn:
    """Where the scores of a model stand, and what its answers cost. name: as the file spells it."""

    name: str
    score: Place
    costs: Mapping[str, Place]


def text_places(frame: Frame, options: ItemMajorOptions) -> dict[str, Place]:
    """Where the columns stand that `columns` names, and others of our names, but for costs of all models.

    Raises DumpUnreadable where one is missing, or none tells the items.
    """
    _refuse_others(frame, options)
    places = {}
    for ours, theirs in options.columns.items():
        found = frame.find(theirs)
        if found is None:
            raise DumpUnreadable(f"expected a column {theirs!r} ({ours}), found {_listed(frame.header)}")
        places[ours] = found
    taken = {at for at, _ in places.values()}
    for name in OF_ITEMS:
        at = frame.header.index(name) if name in frame.header else None
        if name not in places and at is not None and at not in taken:
            places[name] = (at, ())
    if not {"doc_key", "question", "prompt"} & set(places):
        raise DumpUnreadable(
            "found no column 'doc_key', 'question' or 'prompt': say which it is, such as "
            f'columns = {{ prompt = "..." }}; found {_listed(frame.header)}'
        )
    return places


def _refuse_others(frame: Frame, options: ItemMajorOptions) -> None:
    """Raises DumpUnreadable for a file whose rows are of models, unless the config names the columns."""
    if options.model_columns or options.model_pattern or "score" in options.columns:
        return
    known = {*options.columns.values(), *options.ignore_columns}
    for name in frame.header:
        if names_models(name) and name not in known:
            raise DumpUnreadable(
                f"found a column {name!r}, expected a row per item and a column per model: a row per item "
                'and model is format = "long", a row per model "wide"; if the column is neither, put it in '
                "ignore_columns"
            )


def find_models(
    frame: Frame, options: ItemMajorOptions, texts: Mapping[str, Place], bounds: tuple[float, float]
) -> tuple[list[ModelColumn], dict[str, str]]:
    """Columns of scores in a file, and what is left out of it, and why.

    texts: columns that tell the items. Raises DumpUnreadable where no column holds scores.
    """
    used = {at for at, _ in texts.values()}
    named, left_out = _candidates(frame, options, used)
    fields = dict(options.fields) or {name: name for name in ("score", *COST_MEASURES)}
    looks = _look(frame, list(named), fields, bounds)
    guessed = not (options.model_columns or options.model_pattern)
    for at in list(named):
        why = looks[at].why_not(bounds) if guessed else None
        if guessed and "score" in options.fields and not looks[at].inside:
            why = f"has no field {options.fields['score']!r}"
        if why is not None:
            left_out[frame.header[at]] = why
            del named[at]
    if not named:
        why = ", ".join(f"{name[:80]!r} {why}" for name, why in list(left_out.items())[:5])
        raise DumpUnreadable(
            f"found no column of scores, expected one per model: {why or _listed(frame.header)}; "
            "if some are models, set model_columns or model_pattern"
        )
    models = []
    for at, name in named.items():
        inside = looks[at].inside or "score" in options.fields
        score = tuple(fields.get("score", "score").split(".")) if inside else ()
        costs = {
            measure: (at, tuple(path.split(".")))
            for measure, path in fields.items()
            if measure != "score" and (measure in looks[at].costs or options.fields)
        }
        costs |= _cost_columns(frame, options, name)
        models.append(ModelColumn(name, (at, score), costs))
    for measure, template in options.cost_columns.items():
        if not any(measure in model.costs for model in models):
            such = template.replace(MODEL, models[0].name)
            left_out[such] = f"is missing (cost_columns.{measure})"
    taken = used | {at for model in models for at, _ in (model.score, *model.costs.values())}
    unused = dict.fromkeys(_unused(frame, options, taken), "is not named")
    missing = {name: why for name, why in left_out.items() if not frame.places(name)}
    return models, {**missing, **{name: left_out.get(name, why) for name, why in unused.items()}}


def unused_columns(frame: Frame, options: ItemMajorOptions, texts: Mapping[str, Place]) -> dict[str, str]:
    """What is left out of a file whose columns are all named."""
    return dict.fromkeys(_unused(frame, options, {at for at, _ in texts.values()}), "is not named")


def _unused(frame: Frame, options: ItemMajorOptions, taken: set[int]) -> Iterator[str]:
    for at, name in enumerate(frame.header):
        if at not in taken and name not in options.ignore_columns:
            yield name


def _cost_columns(frame: Frame, options: ItemMajorOptions, model: str) -> dict[str, Place]:
    """Columns beside that of a model that tell its costs."""
    found: dict[str, Place] = {}
    for measure, template in (options.cost_columns or DEFAULT_COSTS).items():
        places = frame.places(template.replace(MODEL, model))
        if places:
            found[measure] = (places[0], ())
    return found


def _candidates(
    frame: Frame, options: ItemMajorOptions, used: set[int]
) -> tuple[dict[int, str], dict[str, str]]:
    """Columns that may be of models, with their names, and what is none by its name."""
    left_out: dict[str, str] = {}
    if options.model_columns:
        found = {at: name for name in options.model_columns for at in frame.places(name) if at not in used}
        for name in options.model_columns:
            if not frame.places(name):
                left_out[name] = "is missing (model_columns)"
        return found, left_out
    if options.model_pattern is not None:
        return _matches(frame, options.model_pattern, used), left_out
    header = {*frame.header}
    found = {}
    for at, name in enumerate(frame.header):
        if at in used or name in options.ignore_columns:
            continue
        why = _no_model(name, header)
        if why is None:
            found[at] = name
        else:
            left_out[name] = why
    return found, left_out


def _matches(frame: Frame, pattern: str, used: set[int]) -> dict[int, str]:
    try:
        matches = {at: re.fullmatch(pattern, name) for at, name in enumerate(frame.header) if at not in used}
        return {at: match["model"] for at, match in matches.items() if match and match["model"]}
    except (re.error, IndexError) as error:
        raise SpecError(
            f"model_pattern = {pattern!r}: expected a regular expression with a group (?P<model>...): {error}"
        ) from error


def _no_model(name: str, header: set[str]) -> str | None:
    """Why a column is of no model, by its name; None where it may be."""
    if name in INDEX_COLUMNS:
        return "looks like row numbers"
    for mark in re.finditer(r"[^A-Za-z0-9]", name):
        rest = {*words_of(name[mark.end() :])}
        if (mark[0] == "|" or name[: mark.start()] in header) and rest & _EXTRAS:
            return "is something else of a model"
    words = words_of(name)
    plain = "/" not in name and bool(words)
    if plain and (names_no_item(name) or not {*words} - _NO_MODELS):
        return "is named as no model"
    return None


@dataclass
class _Look:
    """What a column holds: filled cells, numbers, numbers in range; costs in fields.

    nests: whether its values have fields. inside: whether scores stand in one.
    """

    filled: int = 0
    numbers: int = 0
    good: int = 0
    nests: bool = False
    inside: bool = False
    costs: tuple[str, ...] = ()

    def add(self, column: pa.Array, bounds: tuple[float, float]) -> None:
        cells = cells_of_scores([column], len(column))
        numbers = cells.values[~np.isnan(cells.values)]
        self.filled += len(numbers) + int((cells.state > 0).sum())
        self.numbers += len(numbers)
        self.good += int(((numbers >= bounds[0]) & (numbers <= bounds[1])).sum())

    def why_not(self, bounds: tuple[float, float]) -> str | None:
        """Why these are no scores of a model; None where they are."""
        if not self.filled:
            return "has no score in its fields" if self.nests else "is empty"
        if 2 * self.numbers < self.filled:
            return "holds no numbers"
        return None if self.good else f"holds no number in [{bounds[0]:g}, {bounds[1]:g}]"


def _look(
    frame: Frame, columns: Sequence[int], fields: Mapping[str, str], bounds: tuple[float, float]
) -> dict[int, _Look]:
    """What some columns hold: in the first rows, or where these do not tell, in the whole file."""
    found: dict[int, _Look] = {}
    for start in range(0, len(columns), WIDTH):
        looks = {at: _Look() for at in columns[start : start + WIDTH]}
        _look_at(frame, looks, fields, bounds, first=True)
        doubted = {at: _Look() for at, look in looks.items() if not look.good}
        _look_at(frame, doubted, fields, bounds, first=False)
        found |= looks | doubted
    return found


def _look_at(
    frame: Frame,
    looks: Mapping[int, _Look],
    fields: Mapping[str, str],
    bounds: tuple[float, float],
    first: bool,
) -> None:
    for found in _batches(frame, [(at, ()) for at in looks], first):
        for at, look in looks.items():
            column = found[at, ()]
            nests = pa.types.is_struct(column.type) or (
                pa.types.is_string(column.type)
                and any(text[:1] == "{" for text in column.to_pylist() if text)
            )
            look.nests |= nests
            if not nests:
                look.add(column, bounds)
    paths = {name: tuple(path.split(".")) for name, path in fields.items()}
    score = paths.get("score", ("score",))
    nested = [at for at, look in looks.items() if look.nests]
    places = [(at, path) for at in nested for path in {score: None, **dict.fromkeys(paths.values())}]
    for found in _batches(frame, places, first):
        for at in nested:
            look, inner = looks[at], found[at, score]
            look.inside |= inner.null_count < len(inner)
            look.add(inner, bounds)
            seen = (
                n for n, path in paths.items() if found[at, path].null_count < len(inner) and n != "score"
            )
            look.costs = tuple(dict.fromkeys((*look.costs, *seen)))


def _batches(frame: Frame, places: Sequence[Place], first: bool) -> Iterator[dict[Place, pa.Array]]:
    """Columns at some places: of the first rows, or of all, some at a time."""
    if places:
        for rows in frame.read(places, (), SAMPLE * len(frame.header) if first else MAX_CELLS):
            yield dict(zip(places, rows.texts, strict=True))
            if first and len(rows.numbers):
                return


def cells_of_scores(columns: Sequence[pa.Array], n_rows: int) -> Cells:
    """`score_cells`, each text read once however often it stands there."""
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    spelled = [any(kind(column.type) for kind in texts) for column in columns]
    each = zip(columns, spelled, strict=True)
    return score_cells([column.dictionary_encode() if text else column for column, text in each], n_rows)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
