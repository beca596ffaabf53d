"""Price tables: what a million tokens of a model cost, by its id, a glob, or a tier of sizes.

A table is TOML, CSV, or JSON as RouterArena (`model_cost.json`) and LLMRouter (`default_llm.json`) keep it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import translate
from functools import cache, cached_property
from itertools import combinations
from pathlib import PurePosixPath

from routerset.etl.ingest.descriptions import read_csv
from routerset.etl.ingest.sizes import billions
from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_binary
from routerset.etl.sources.parse.csv_text import UNREADABLE
from routerset.schemas import ids
from routerset.schemas.exits import USAGE
from routerset.schemas.plainfiles import parse_json
from routerset.schemas.registry import is_line, is_url
from routerset.schemas.tables import MATCHED_BY

EXACT, GLOB, TIER = MATCHED_BY
KEYS = ("match", "in", "out", "as_of", "url", "size")
"""What a row may say: which models, US dollars per million tokens sent and answered, when and where that was
so, and how large the model is."""
_JSON_KEYS = {
    "in": ("in", "input_token_price_per_million", "input_price", "input_price_per_1m"),
    "out": ("out", "output_token_price_per_million", "output_price", "output_price_per_1m"),
    "match": ("match", "model_name", "name"),
}
"""Other names of these in JSON: RouterArena's, LLMRouter's, xRouteBench's."""
MAX_BYTES = 1 << 24  # of a table
MAX_PRICE = 1e9
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONEY = re.compile(r"\s*\$?\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*", re.ASCII)
_B = r"(\d+(?:\.\d+)?)\s*([bm])"
_TIERS = re.compile(
    rf"(<=?|>=?)\s*{_B}|(\d+(?:\.\d+)?)\s*([bm])?\s*(?:-|\u2013|to)\s*{_B}", re.ASCII | re.IGNORECASE
)
_SIZE = re.compile(rf"\s*{_B}?\s*", re.ASCII | re.IGNORECASE)
_WILD = re.compile(r"\*|\?|\[[^\]]*\]")


class PriceError(ValueError):
    """A price table cannot be meant as it stands; the message names file, row and what is expected."""

    exit_code = USAGE


@dataclass(frozen=True)
class Tier:
    """Sizes in billions of parameters, from `low` to `high`; an end counts where it is `closed`."""

    low: float
    high: float
    low_closed: bool = False
    high_closed: bool = True

    def holds(self, params_b: float) -> bool:
        """Whether a size lies inside."""
        above = params_b > self.low or (self.low_closed and params_b == self.low)
        return above and (params_b < self.high or (self.high_closed and params_b == self.high))


@dataclass(frozen=True)
class Price:
    """A row of a price table: US dollars per million tokens sent (`usd_in`) and answered (`usd_out`).

    as_of: ISO date. size: billions of parameters of the model. file: name of the table; row: place in it.
    """

    match: str
    usd_in: float
    usd_out: float
    as_of: str | None = None
    url: str | None = None
    size: float | None = None
    file: str = ""
    row: str = ""

    @property
    def kind(self) -> str:
        """`exact`, `glob` or `tier`."""
        if tier_of(self.match):
            return TIER
        return GLOB if _WILD.search(self.match) else EXACT

    @property
    def says(self) -> tuple[object, ...]:
        """What two rows for one model must agree on."""
        return self.usd_in, self.usd_out, self.as_of, self.url

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f'{self.file}, {self.row} ("{self.match}")'


def tier_of(match: str) -> Tier | None:
    """The tier that a text such as `<=7B`, `7B-20B` or `>45B` means; a range is without its lower end."""
    found = _TIERS.fullmatch(match.strip())
    if found is None:
        return None
    if found[1]:
        size, closed = billions(found[2], found[3]), found[1].endswith("=")
        return Tier(0.0, size, False, closed) if found[1][0] == "<" else Tier(size, math.inf, closed)
    return Tier(billions(found[4], found[5] or found[7]), billions(found[6], found[7]))


@dataclass(frozen=True)
class Prices:
    """Rows of all price tables of a config. Raises PriceError where two of one match differ."""

    rows: tuple[Price, ...] = ()
    _found: dict[tuple[str, float | None], Price | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        seen: dict[object, Price] = {}
        for row in self.rows:
            _agree("", seen.setdefault(tier_of(row.match) or _fold(row.match), row), row)

    def __bool__(self) -> bool:
        return bool(self.rows)

    @cached_property
    def _exact(self) -> dict[str, list[Price]]:
        """Rows of names by them, and by their part behind the slash, which begins with a slash."""
        found: dict[str, list[Price]] = {}
        for row in self.rows:
            if row.kind == EXACT:
                name = _fold(row.match)
                found.setdefault(name, []).append(row)
                if "/" in name:
                    found.setdefault(name[name.index("/") :], []).append(row)
        return found

    @cached_property
    def _globs(self) -> list[tuple[tuple[int, int], Callable[[str], object], bool, Price]]:
        """Globs, those that say most first: letters besides wildcards, then fewer of these."""
        found = []
        for row in self.rows:
            if row.kind == GLOB:
                glob = ids.fold_model(row.match)
                rank = (len(_WILD.sub("", glob)), -len(_WILD.findall(glob)))
                found.append((rank, re.compile(translate(glob)).match, "/" in glob, row))
        return sorted(found, key=lambda each: each[0], reverse=True)

    @cached_property
    def tiers(self) -> list[tuple[float, Tier, Price]]:
        """Tiers, narrowest first, with their widths; of open ones, those that say more first."""
        found = []
        for row in self.rows:
            if tier := tier_of(row.match):
                width = tier.high - tier.low if tier.high < math.inf else 1e12 - tier.low
                found.append((width, tier, row))
        return sorted(found, key=lambda each: each[0])

    def of(self, model: str, params_b: float | None = None) -> Price | None:
        """The row that counts for a model: its name, else the glob that says most, else the narrowest tier.

        Case does not count, nor does a revision that no row names; a name or glob without an organisation
        means the part behind the slash, too, and so does a name with one for a model whose id has none.
        Raises PriceError where two rows of one rank differ.
        """
        key = (model, params_b)
        if key not in self._found:
            self._found[key] = self._one(model, params_b)
        return self._found[key]

    def listed_size(self, model: str) -> float | None:
        """Billions of parameters that a row of that name tells."""
        return next((row.size for row in self._named(model) if row.size), None)

    def _one(self, model: str, params_b: float | None) -> Price | None:
        if named := self._named(model):
            return _agree(model, *named)
        names = _names(model)
        globs = [
            (rank, row)
            for rank, matches, whole, row in self._globs
            if any(matches(name) for name in names if not (whole and "/" not in name))
        ]
        if globs:
            return _agree(model, *(row for rank, row in globs if rank == globs[0][0]))
        tiers = [(width, row) for width, tier, row in self.tiers if params_b and tier.holds(params_b)]
        return _agree(model, *(row for width, row in tiers if width == tiers[0][0])) if tiers else None

    def _named(self, model: str) -> Sequence[Price]:
        """Rows of a model's name: of its whole id, else of the part that both have."""
        names = _names(model)
        for name in (*names, *(f"/{name}" for name in names if "/" not in ids.fold_model(model))):
            if name in self._exact:
                return self._exact[name]
        return ()


NO_PRICES = Prices()


def _fold(match: str) -> str:
    """A name as ids of models are spelled, without regard to case."""
    return ids.fold_model(ids.model_id(match) or match)


@cache
def _names(model: str) -> tuple[str, ...]:
    """What a model may be called: its id, without its revision, and both without its organisation."""
    name = ids.fold_model(model)
    known = (name, name.partition("@")[0])
    return tuple(dict.fromkeys([*known, *(each.rpartition("/")[2] for each in known)]))


def _agree(model: str, *rows: Price) -> Price:
    """The first of rows that all say the same. Raises PriceError."""
    for one, other in combinations(rows, 2):
        if one.says != other.says:
            what = f"{model} has two prices of the same rank" if model else "two rows of one match differ"
            raise PriceError(f"{one.place} and {other.place}: {what}: leave one of them")
    return rows[0]


def read_prices(paths: Sequence[str]) -> Prices:
    """All rows of some price tables.

    Raises PriceError for a row that cannot be meant, DumpUnreadable for a file that cannot be read.
    """
    names = [PurePosixPath(path).name for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise PriceError(f"[costs] prices: {name} is there more than once; give each table a name")
    return Prices(tuple(row for path in paths for row in _read(path)))


def _read(path: str) -> Iterator[Price]:
    name = PurePosixPath(path).name
    ending = PurePosixPath(name.lower()).suffix
    if ending not in _READERS:
        raise PriceError(
            f"{name}: found a file {ending or 'without an ending'}, expected {', '.join(_READERS)}"
        )
    try:
        rows = list(_READERS[ending](path, name))
    except (*UNREADABLE, RecursionError) as error:
        raise DumpUnreadable(f"{path}: expected a price table ({ending}): {error}") from error
    if not rows:
        raise PriceError(f"{name}: found no row, expected some with {', '.join(KEYS[:3])}")
    for place, row in rows:
        yield _price(row, name, place)


Rows = Iterator[tuple[str, Mapping[str, object]]]


def _bytes(path: str) -> bytes:
    with open_binary(path) as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(f"found more than {MAX_BYTES:,} bytes, expected {MAX_BYTES:,} at most")
    return data


def _of_toml(path: str, name: str) -> Rows:
    try:
        document = tomllib.loads(_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise PriceError(f"{name}: expected TOML, {error}") from error
    given: dict[str, object] = {key: document.pop(key) for key in ("as_of", "url") if key in document}
    rows = document.pop("price", [])
    if document or not isinstance(rows, list):
        key = next(iter(document), "price")
        raise PriceError(f"{name}: found {key!r:.80}, expected rows as [[price]], and as_of and url of all")
    for number, row in enumerate(rows, 1):
        place = f"[[price]] {number}"
        if not isinstance(row, dict):
            raise PriceError(f"{name}, {place}: found {row!r:.80}, expected a table")
        yield place, {**given, **row}


def _of_csv(path: str, name: str) -> Rows:
    table = read_csv(path, KEYS)
    for column in KEYS[:3]:
        if table.column_names.count(column) != 1:
            found = ", ".join(table.column_names)
            raise PriceError(f"{name}: expected one column {column}, found {found:.200}")
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"row {number}", {key: value for key, value in row.items() if value is not None}


def _of_json(path: str, name: str) -> Rows:
    try:
        document = parse_json(_bytes(path).removeprefix(b"\xef\xbb\xbf"), name)
    except ValueError as error:
        raise PriceError(str(error)) from error
    if isinstance(document, dict):
        rows = [(f'key "{key}"', {"match": key}, row) for key, row in document.items()]
    elif isinstance(document, list):
        rows = [(f"entry {number}", {}, row) for number, row in enumerate(document, 1)]
    else:
        raise PriceError(f"{name}: found {document!r:.80}, expected an object: name -> prices")
    for place, match, row in rows:
        if not isinstance(row, dict):
            raise PriceError(f"{name}, {place}: found {row!r:.80}, expected an object with prices")
        known = match | {
            key: row[theirs]
            for key in KEYS
            for theirs in _JSON_KEYS.get(key, (key,))
            if theirs in row and not (key == "match" and match)
        }
        yield place, {key: value for key, value in known.items() if value is not None}


_READERS: Mapping[str, Callable[[str, str], Rows]] = {
    ".toml": _of_toml,
    ".csv": _of_csv,
    ".tsv": _of_csv,
    ".json": _of_json,
}


def _price(row: Mapping[str, object], file: str, place: str) -> Price:
    """A row, checked. Raises PriceError."""

    def wrong(key: str, expected: str) -> PriceError:
        found = f"found {row[key]!r:.80}" if key in row else "found none"
        return PriceError(f"{file}, {place}, {key}: {found}, expected {expected}")

    for key in row:
        if key not in KEYS:
            raise PriceError(f"{file}, {place}: unknown key {key!r:.80}; valid keys: {', '.join(KEYS)}")
    match = row.get("match")
    if not (isinstance(match, str) and len(match) <= ids.MAX_MODEL and is_line(match.strip())):
        raise wrong("match", "the id of a model, a glob, or a tier such as <=7B, 7B-20B, >45B")
    match, tier = match.strip(), tier_of(match)
    if tier and not tier.low < tier.high:
        raise wrong("match", "a tier from a smaller to a larger size")
    if tier is None and match[0] in "<>":
        raise wrong("match", "a tier such as <=7B, 7B-20B, >45B")
    usd = {key: _dollars(row.get(key)) for key in ("in", "out")}
    for key, value in usd.items():
        if value is None:
            raise wrong(key, f"US dollars per million tokens, a number from 0 to {MAX_PRICE:g}")
    as_of, url, size = (_stripped(row.get(key)) or None for key in ("as_of", "url", "size"))
    if isinstance(as_of, date) and not isinstance(as_of, datetime):
        as_of = as_of.isoformat()
    if as_of is not None and not (isinstance(as_of, str) and _is_date(as_of)):
        raise wrong("as_of", "an ISO date, such as 2024-01-31")
    if url is not None and not (isinstance(url, str) and is_url(url)):
        raise wrong("url", "https://...")
    known = _SIZE.fullmatch(size) if isinstance(size, str) else None
    params_b = billions(known[1], known[2]) or None if known and known[1] else None
    return Price(match, usd["in"] or 0.0, usd["out"] or 0.0, as_of, url, params_b, file, place)


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _dollars(value: object) -> float | None:
    """The number in a price, also where it is text; None where it is none that a price can be."""
    if isinstance(value, str):
        found = _MONEY.fullmatch(value)
        value = float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MAX_PRICE else None
