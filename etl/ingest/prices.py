"""What a million tokens of a model cost, by its id, a glob, or a tier of sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache, cached_property
from itertools import combinations

from routerset.etl.ingest.sizes import billions
from routerset.schemas import ids
from routerset.schemas.exits import USAGE
from routerset.schemas.tables import MATCHED_BY

EXACT, GLOB, TIER = MATCHED_BY
_B = r"(\d+(?:\.\d+)?)\s*([bm])"
_TIERS = re.compile(
    rf"(<=?|>=?)\s*{_B}|(\d+(?:\.\d+)?)\s*([bm])?\s*(?:-|\u2013|to)\s*{_B}", re.ASCII | re.IGNORECASE
)
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
    def _globs(self) -> list[tuple[tuple[int, int], re.Pattern[str], bool, Price]]:
        """Globs, those that say most first: letters besides wildcards, then fewer of these."""
        found = []
        for row in self.rows:
            if row.kind == GLOB:
                glob = ids.fold_model(row.match)
                rank = (len(_WILD.sub("", glob)), -len(_WILD.findall(glob)))
                found.append((rank, re.compile(translate(glob)), "/" in glob, row))
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
            for rank, glob, whole, row in self._globs
            if any(glob.match(name) for name in names if not (whole and "/" not in name))
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
