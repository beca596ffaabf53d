"""Price tables as files, and what a build says of them.

They are TOML, CSV, or JSON as RouterArena (`model_cost.json`) and LLMRouter (`default_llm.json`) keep it.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.ingest.descriptions import read_csv
from routerset.etl.ingest.prices import Price, PriceError, Prices, tier_of
from routerset.etl.ingest.sizes import billions
from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_binary
from routerset.etl.sources.parse.csv_text import UNREADABLE
from routerset.schemas import ids
from routerset.schemas.plainfiles import parse_json
from routerset.schemas.registry import is_line, is_url
from routerset.schemas.store import JsonObject, sha256

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
_SIZE = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*([bm]?)", re.ASCII | re.IGNORECASE)
LISTED = 20
"""Models without a price that are named, at most."""


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
    known = _SIZE.fullmatch("" if isinstance(size, bool) else str(size))  # `unknown`, `API` are none
    params_b = billions(known[1], known[2]) or None if known else None
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


def told_of(paths: Sequence[str], prices: Prices, table: pa.Table, models: Collection[str]) -> JsonObject:
    """What a build says of its price tables; nothing where there are none. table: table `prices`.

    files: each with its rows, and the models that it gave a price to, dates and addresses of these.
    unmatched: models without a price; such_as: some of them.
    """
    rows = Counter(price.file for price in prices.rows)
    files = []
    for path in paths:
        name = PurePosixPath(path).name
        mine = table.filter(pc.equal(table["file"], name))
        as_of, urls = (sorted({*filter(None, mine[column].to_pylist())}) for column in ("as_of", "url"))
        told = {"rows": rows[name], "models": len(mine), "as_of": as_of, "urls": urls}
        files.append({"file": name, "sha256": sha256(path), **told})
    unmatched = sorted({*models}.difference(table["model_id"].to_pylist()))
    if not files:
        return {}
    return {"files": files, "unmatched": len(unmatched), "such_as": unmatched[:LISTED]}


def unpriced(told: JsonObject) -> Iterator[str]:
    """A warning where models have no price. told: by `told_of`."""
    if told and told["unmatched"]:
        such_as = ", ".join(told["such_as"][:3])
        files = ", ".join(each["file"] for each in told["files"])
        yield f"{files}: no row matches {told['unmatched']} models with scores, such as {such_as}"
