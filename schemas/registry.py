"""The benchmarks of one build: those of the registry, and what its config declares beside them or of them.

What is declared travels as plain values, in the manifest of a build and of its release, so that whoever reads
one knows its benchmarks without the config.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, TypedDict

from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.ids import file_stem_is_safe

NO_LICENSE = "NOASSERTION"
"""What SPDX calls a licence that nobody stated."""
PERMISSIVE = (
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unlicense",
    "Zlib",
)
"""Licences under which texts can stand in a set that is Apache-2.0 as a whole, with their notices."""
MAX_ITEMS = 1 << 30
MAX_LINE = 500
MAX_CATEGORY = 100
_SPDX = re.compile(
    r"\(?[A-Za-z0-9][A-Za-z0-9.+-]{0,63}\)?(?: (?:AND|OR|WITH) \(?[A-Za-z0-9][A-Za-z0-9.+-]{0,63}\)?){0,8}"
)
_LINE = re.compile(rf"\S(?:[^\x00-\x1f\x7f\u2028\u2029]{{0,{MAX_LINE - 2}}}\S)?")
_URL = re.compile(r"(https?|hf|s3|gs)://[^\s<>|\"'`\\\x00-\x1f\x7f]{1,500}")
_LINES = ("title", "leaderboard", "metric", "citation", "reference_model")
_LISTS = ("metric_aliases", "tasks", "filters")


class Declared(TypedDict, total=False):
    """`[[benchmark]]`: a benchmark of your own, or what is changed of a known one; what is not said stays.

    name: letters, digits, `.`, `_` and `-`: part of paths, and what `load_dataset` is asked for, such as
    `"exam"`.
    title: name in the card and in tables; without one the name, such as `"Our exam"`.
    metric: name of the metric that counts; a new benchmark needs one, such as `"mark"`.
    metric_aliases: other names of it in dumps, such as `["points"]`.
    binary: whether every score is the least or the greatest, such as `false`.
    range: least and greatest score that dumps hold; scores, and reference_score with them, are scaled to [0,
    1], which it is without one, such as `[0, 10]`.
    subsets: a list, or a table with numbers of items, in canonical order; without it one, of the benchmark's
    name, such as `{ algebra = 120, history = 80 }`.
    categories: of subsets, or by a pattern of their names where `*` stands for any letters, such as
    `{ algebra = "maths" }`.
    leaderboard: where the scores are from; without one the name, such as `"Our leaderboard"`.
    shots: examples in the prompt, such as `5`.
    tasks: its names in dumps, with `{}` in the place of the subset, such as `["exam_{}"]`.
    filters: answer filters of these, the first one counts, such as `["strict-match"]`.
    license: of the questions, an SPDX id; without one `NOASSERTION`, such as `"CC-BY-4.0"`.
    citation: one line, such as `"A. Author, Our Exam, 2026"`.
    publish_text: whether a release may hold the questions; without it, it may, such as `false`.
    reference_model: what V_R compares with, such as `"Teacher"`.
    reference_score: its score, in the range; without one V_R is null, such as `0.9`.
    """

    title: str
    metric: str
    metric_aliases: list[str]
    binary: bool
    range: tuple[float, float]
    subsets: dict[str, int] | list[str]
    categories: dict[str, str]
    leaderboard: str
    shots: int
    tasks: list[str]
    filters: list[str]
    license: str
    citation: str
    publish_text: bool
    reference_model: str
    reference_score: float


class DeclarationError(ValueError):
    """A benchmark cannot be what is declared of it; the message names the key."""


def is_license(text: str) -> bool:
    """Whether a text looks like an SPDX id, or an expression of such."""
    return _SPDX.fullmatch(text) is not None and text.count("(") == text.count(")")


def is_line(text: str) -> bool:
    """Whether a text is one line of some letters, and not too many."""
    return _LINE.fullmatch(text) is not None


def is_category(text: str) -> bool:
    """Whether a text can be the category of an item: some words that can be printed, a space between them."""
    return 0 < len(text) <= MAX_CATEGORY and text.isprintable() and text == " ".join(text.split())


def is_url(text: str) -> bool:
    """Whether a text is an address that can stand on a page."""
    return _URL.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Whether a text is a day, as ISO 8601 has it."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def not_permissive(benchmarks: Mapping[str, Benchmark]) -> dict[str, str]:
    """Licences of benchmarks that a set of permissive licences has no place for, by name."""
    return {name: of.license for name, of in benchmarks.items() if of.license not in PERMISSIVE}


def registry(declared: Mapping[str, Declared]) -> Mapping[str, Benchmark]:
    """Rows of all benchmarks by name: the registry's, as a config changed them, then others by name.

    Raises DeclarationError.
    """
    rows = dict(BENCHMARKS)
    folded = {name.casefold(): name for name in BENCHMARKS}
    for name in sorted(declared):
        same = folded.setdefault(name.casefold(), name)
        if same != name:
            raise DeclarationError(f"name: found {name!r}, which differs from {same!r} in case alone")
        rows[name] = _row(name, declared[name])
    return rows


def declared_in(rows: Mapping[str, Benchmark]) -> dict[str, Mapping[str, Any]]:
    """What a config declared of some benchmarks."""
    return {name: dict(row.declared) for name, row in rows.items() if row.declared}


def _row(name: str, said: Declared) -> Benchmark:
    for key, found, expected in _wrong(name, said):
        raise DeclarationError(f"{key}: expected {expected}, found {found!r}")
    low, high = said.get("range", (0.0, 1.0))
    facts: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in said.items()}
    if "subsets" in said:
        subsets = said["subsets"]
        facts["subsets"] = dict(subsets) if isinstance(subsets, dict) else dict.fromkeys(subsets, 0)
    if "reference_score" in said:
        facts["reference_score"] = (said["reference_score"] - low) / (high - low)
    return replace(BENCHMARKS.get(name) or _unknown(name), **facts, declared=dict(said))


def _unknown(name: str) -> Benchmark:
    """A benchmark of which nothing is known yet: what it holds has the one subset of its own name."""
    return Benchmark(
        name=name,
        title=name,
        leaderboard=name,
        shots=None,
        subsets={name: 0},
        metric="",
        reference_model=None,
        reference_score=None,
        models=0,
        license=NO_LICENSE,
        citation="",
        binary=False,
    )


def _wrong(name: str, said: Declared) -> Iterator[tuple[str, object, str]]:
    """Values that cannot be meant: key, what was found, what was expected."""
    if not file_stem_is_safe(name):
        yield "name", name, "letters, digits, '.', '_' or '-', 64 at most, a letter or digit first"
    if "metric" not in said and name not in BENCHMARKS:
        yield "metric", None, "the name of the metric that counts"
    line = f"one line of at most {MAX_LINE} characters"
    facts: Mapping[str, Any] = said
    for key in _LINES:
        if key in said and not is_line(facts[key]):
            yield key, facts[key], line
    for key in _LISTS:
        bad = [each for each in facts.get(key, ()) if not is_line(each)]
        yield from ((key, each, line) for each in bad)
    for task in said.get("tasks", ()):
        if task.count("{}") > 1:
            yield "tasks", task, "{} once at most, in the place of the subset"
    low, high = said.get("range", (0.0, 1.0))
    if not (math.isfinite(low) and math.isfinite(high) and low < high and math.isfinite(high - low)):
        yield "range", [low, high], "two finite numbers, the lower one first"
        return
    subsets = said.get("subsets", {name: 0})
    if not subsets or len(set(subsets)) != len(subsets):
        yield "subsets", subsets, "at least one, each once"
    for subset in subsets:
        if not file_stem_is_safe(subset):
            yield "subsets", subset, "names of letters, digits, '.', '_' or '-'"
    for subset in said.get("categories", ()):
        if not file_stem_is_safe(subset.replace("*", "x")):
            yield "categories", subset, "subsets, or patterns of them with '*'"
    counts = subsets.values() if isinstance(subsets, dict) else ()
    yield from (("subsets", n, "numbers of items") for n in counts if not 0 <= n <= MAX_ITEMS)
    short = f"words with a space between them, of at most {MAX_CATEGORY} characters"
    yield from (("categories", c, short) for c in said.get("categories", {}).values() if not is_category(c))
    if not 0 <= said.get("shots", 0) <= 1000:
        yield "shots", said.get("shots"), "0 to 1000"
    if not low <= said.get("reference_score", low) <= high:
        yield "reference_score", said.get("reference_score"), f"a score in the range, [{low:g}, {high:g}]"
    if "license" in said and not is_license(said["license"]):
        yield "license", said["license"], 'an SPDX id, such as "CC-BY-4.0"; see https://spdx.org/licenses'
