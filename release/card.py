"""The dataset card and the licence notice, as pure functions of the manifest."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from routerset.release.about import BIASES, CITATION, KEYWORDS, OUT_OF_SCOPE, PERSONAL, USES, maker
from routerset.release.errors import ReleaseInputError
from routerset.release.evaluator.tiers import TIERS
from routerset.release.files import read_text
from routerset.release.layout import AUDIT, REPORTS, Config
from routerset.release.manifest import BenchmarkEntry, Json, Manifest
from routerset.release.pages import page_template
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.groups import columns_of
from routerset.schemas.registry import not_permissive
from routerset.schemas.released import GROUP_PATTERNS, RELEASED
from routerset.schemas.tables import COST_MEASURES, PRICES

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).with_name("card.md.jinja")
MAIN_TABLE, COST_TABLE, COST_PLOT = "summary.md", "cost_areas.md", "figure4_cost_plane.png"
"""The tables of `reports/` that stand on the card, and the picture beside the second."""
AUDIT_LINES = f"{AUDIT}/summary.md"
"""What the card says of the audit."""
_IN_THE_REPORT_ALONE = ("figure5_cost_caps.png", "figure6_routing_rate.png")
_CAPTIONS = {
    "figure2_scaling": "Mean score of r_o(p) over all subsets of m LLMs; the band holds 95% of random ones.",
    "figure3_kinds": "mu_o by kind of group, of the best single LLM, of routers and of the oracle.",
    "figure4_cost_plane": "Mean score over mean cost of an answer; circles are LLMs, up and left is best.",
}
_ON_THE_HUB = re.compile(r"(?:https://huggingface\.co|hf:/)/datasets/([\w.-]+/[\w.-]+)", re.ASCII)
_BAR = re.compile(r"(?<!\\)\|")
_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
_SIZES |= {10**8: "10M<n<100M", 10**9: "100M<n<1B"}


@dataclass(frozen=True)
class Figure:
    """A picture or a table of the release, for its card. path: relative to its root; table: its Markdown."""

    path: str
    table: str = ""

    @property
    def title(self) -> str:
        """Words for its file name."""
        return Path(self.path).stem.replace("_", " ").replace("-", " ")

    @property
    def caption(self) -> str:
        """What it shows; its title where nothing else is known."""
        return _CAPTIONS.get(Path(self.path).stem, self.title)

    @property
    def of_cost(self) -> bool:
        """Whether it shows score over cost."""
        return Path(self.path).name in (COST_TABLE, COST_PLOT)

    @property
    def of_audit(self) -> bool:
        """Whether it is the lines of the audit."""
        return self.path == f"{REPORTS}/{AUDIT_LINES}"


@dataclass(frozen=True)
class _Example:
    """What the card loads to show how: the first benchmark, with vectors and a group where there are any."""

    benchmark: str
    encoder: str | None
    group: str | None

    @property
    def config(self) -> str:
        return f"{self.benchmark}-{self.encoder}" if self.encoder else self.benchmark


def figures(release: Path) -> list[Figure]:
    """The tables of `reports/` that are there, the lines of the audit, and the pictures of a card, by path.

    Raises ReleaseInputError for a table that cannot be read.
    """
    paths = [f"{REPORTS}/{name}" for name in (MAIN_TABLE, COST_TABLE, AUDIT_LINES)]
    tables = [Figure(path, read_text(release / path)) for path in paths if (release / path).exists()]
    found = [path for path in (release / REPORTS).rglob("*.png") if path.name not in _IN_THE_REPORT_ALONE]
    return tables + [Figure(path) for path in sorted(p.relative_to(release).as_posix() for p in found)]


@functools.cache
def _template() -> Template:
    return page_template(TEMPLATE, {"cell": _cell}, html=False)


def _mean_first(table: str) -> str:
    """A Markdown table whose last column is the mean, with that before those of the benchmarks."""
    lines = table.split("\n")
    heads = [cells for line in lines if (cells := _cells(line))]
    if not heads or heads[0][-1] != "Mean" or len(heads[0]) < 4:
        return table
    return "\n".join(
        f"| {' | '.join([*cells[:2], cells[-1], *cells[2:-1]])} |" if (cells := _cells(line)) else line
        for line in lines
    )


def _cells(line: str) -> list[str]:
    """Cells of a row of a Markdown table; none of another line."""
    return [cell.strip() for cell in _BAR.split(line)[1:-1]] if line.startswith("|") else []


def render_card(manifest: Manifest, shown: Sequence[Figure] = ()) -> str:
    """`README.md` of a release: YAML for `load_dataset` and the Hub, then the page people read."""
    benchmarks, configs = manifest.benchmarks, manifest.loadable()
    n_scores = sum(b.n_scores for b in benchmarks.values())
    return _template().render(
        manifest=manifest,
        benchmarks=benchmarks,
        registry=manifest.registry,
        registered=[name for name in benchmarks if name in BENCHMARKS],
        configs=configs,
        columns=_columns(manifest),
        sizes={c.name: _sizes(manifest, c) for c in configs},
        figures=[
            replace(figure, table=_mean_first(figure.table))
            for figure in shown
            if not figure.of_cost and not figure.of_audit
        ],
        about=manifest.about,
        maker=maker(manifest),
        license=manifest.license,
        left_out=[f"{name} ({license})" for name, license in not_permissive(manifest.registry).items()],
        keywords=[*KEYWORDS, *(["synthetic"] if manifest.about.get("synthetic") else [])],
        source_datasets=_source_datasets(manifest),
        uses=USES,
        out_of_scope=OUT_OF_SCOPE,
        biases=BIASES,
        personal=PERSONAL,
        cost_figures=[figure for figure in shown if figure.of_cost],
        audit="".join(figure.table for figure in shown if figure.of_audit),
        example=_example(manifest),
        groups={name: _groups(manifest, name) for name in benchmarks},
        texts={name: _texts(b) for name, b in benchmarks.items()},
        skipped=_skipped(manifest),
        covered=_covered(manifest),
        tiers=_tiers(manifest),
        with_encoder={e: sum(e in b.encoders for b in benchmarks.values()) for e in manifest.encoders},
        methods={g.method for name in benchmarks for g in benchmarks[name].groups},
        withheld=[manifest.registry[name].title for name, b in benchmarks.items() if not b.text_published],
        smallest_test=min(b.splits[manifest.schemes[0]]["test"] for b in benchmarks.values()),
        costed=[name for name, b in benchmarks.items() if b.costs],
        cost_docs=COST_MEASURES,
        prices=manifest.prices,
        price_columns=", ".join(f"`{name}`" for name in PRICES.names),
        priced=_priced(manifest),
        measures=", ".join(f"`{name}`" for name in COST_MEASURES),
        n_scores=n_scores,
        size_category=next((name for limit, name in _SIZES.items() if n_scores < limit), "1B<n<10B"),
        citation=CITATION,
    )


def license_text(manifest: Manifest) -> str:
    """`LICENSE` of a release: which licence covers what, then the text of Apache-2.0.

    Raises ReleaseInputError where the program is not installed with its licence.
    """
    # a checkout on the path counts as a distribution too, and has no licence beside its metadata
    texts = (found.read_text("licenses/LICENSE") for found in distributions(name="routerset"))
    apache = next(filter(None, texts), None)
    if apache is None:
        raise ReleaseInputError(
            "routerset: its licence file is not installed; install the package with pip, for example `make`"
        )
    benchmarks = "\n".join(f"- {name}: {manifest.registry[name].license}" for name in manifest.benchmarks)
    whole = f"SPDX-License-Identifier: {manifest.license}\n\n" if manifest.license else ""
    found = {str(row["license"]) for row in manifest.sources if row["license"]}
    terms = f" ({', '.join(sorted(found))}; README.md says of which source)" if found else ""
    return f"""{whole}Questions and prompts below data/ keep the licence of their benchmark:

{benchmarks}

Scores below scores/ come from public leaderboard results, whose terms apply{terms}.
The evaluator, the curation and everything else are under the licence below.

{"-" * 80}

{apache}"""


def _source_datasets(manifest: Manifest) -> list[str]:
    """Datasets of the Hub that scores are from; `extended` where others are."""
    urls = [str(row["url"] or "") for row in manifest.sources]
    named = {match[1] for url in urls if (match := _ON_THE_HUB.match(url))}
    return sorted(named) or ["extended"]


def _cell(value: Json) -> str:
    """Text that cannot break a Markdown table."""
    return str("" if value is None else value).replace("|", "\\|").replace("\n", " ")


def _columns(manifest: Manifest) -> dict[str, list[dict[str, str]]]:
    """Name, type, meaning and whether it may be null of every column, by config; groups by a pattern."""
    of_groups = {name for b in manifest.benchmarks.values() for name in columns_of(b.groups)}
    found: dict[str, dict[str, pa.Field]] = {}
    for config in manifest.configs():
        path = next(iter(config.files.values()))
        title = next(t.title for t in RELEASED.values() if path == t.path or t.keys_of(path))
        own = [field for field in config.schema if field.name not in of_groups]
        patterns = GROUP_PATTERNS if len(own) < len(config.schema) else ()
        found.setdefault(title, {}).update({field.name: field for field in (*own, *patterns)})
    return {
        title: [
            {
                "name": field.name,
                "type": _type(field.type),
                "null": "may be null" if field.nullable else "",
                "doc": field.metadata[b"doc"].decode(),
            }
            for field in fields.values()
        ]
        for title, fields in found.items()
    }


def _type(dtype: pa.DataType) -> str:
    """A type in words."""
    if pa.types.is_list(dtype) or pa.types.is_fixed_size_list(dtype):
        return f"list of {_type(dtype.value_type)}"
    return str(dtype.value_type if pa.types.is_dictionary(dtype) else dtype)


def _sizes(manifest: Manifest, config: Config) -> dict[str, int]:
    """Bytes of a config's files, and of its rows in memory."""
    tables = [manifest.tables[path] for path in config.files.values()]
    return {"bytes": sum(t.bytes for t in tables), "arrow_bytes": sum(t.arrow_bytes for t in tables)}


def _example(manifest: Manifest) -> _Example:
    """The first benchmark that has most to show."""
    name = max(
        manifest.benchmarks,
        key=lambda n: (bool(manifest.benchmarks[n].encoders), bool(manifest.benchmarks[n].groups)),
    )
    benchmark = manifest.benchmarks[name]
    group = min(benchmark.groups, key=lambda g: g.method != manifest.method, default=None)
    return _Example(name, next(iter(benchmark.encoders), None), group.column if group else None)


def _priced(manifest: Manifest) -> dict[str, int]:
    """Answers per benchmark whose US dollars are tokens x price, where there are any."""
    found: Counter[str] = Counter()
    for row in manifest.accounting:
        costs = row.get("costs")
        usd = costs.get("usd") if isinstance(costs, dict) else None
        priced = usd.get("priced") if isinstance(usd, dict) else None
        found[str(row["benchmark"])] += priced if isinstance(priced, int) else 0
    return {name: n for name, n in found.items() if n and manifest.benchmarks[name].costs.get("usd")}


def _groups(manifest: Manifest, benchmark: str) -> str:
    """Methods and sizes of a benchmark's groups, on one line."""
    found: Mapping[str, list[int]] = {
        method: sorted({g.m for g in groups})
        for method, groups in groupby(manifest.benchmarks[benchmark].groups, lambda g: g.method)
    }
    return "; ".join(f"`{method}` m = {', '.join(map(str, ms))}" for method, ms in found.items()) or "none"


def _texts(benchmark: BenchmarkEntry) -> str:
    """Which texts the items of a benchmark have: question, prompt, both or none."""
    found = {name: n for name in ("question", "prompt") if (n := benchmark.texts.get(name))}
    few = {name: "" if n == benchmark.n_items else f" of {n:,}" for name, n in found.items()}
    whole = len(found) > 1 and not any(few.values())
    told = "both" if whole else ", ".join(f"{name}{of}" for name, of in few.items()) or "none"
    taken = benchmark.texts.get("question_from_prompt")
    return f"{told}; {taken:,} questions from the prompt" if taken else told


def _covered(manifest: Manifest) -> list[dict[str, str]]:
    """Coverage of groups of kind `open`, as text."""

    def told(value: Json) -> str:
        if isinstance(value, bool):
            return "proven" if value else "not proven"
        return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)

    return [
        {"benchmark": name, **{key: told(value) for key, value in row.items()}}
        for name, benchmark in manifest.benchmarks.items()
        for row in benchmark.coverage
    ]


def _tiers(manifest: Manifest) -> tuple[str, str] | None:
    """The tiers of size that a universe was chosen from, and those that it left out, with their numbers of
    LLMs; None where it chose from all.
    """
    if not manifest.tiers:
        return None
    chosen, models = manifest.tiers["chosen"], manifest.tiers["models"]

    def told(among: Sequence[str]) -> str:
        return ", ".join(f"`{tier}` ({models[tier]:,})" for tier in among) or "none"

    there = [tier for tier in TIERS if tier in models]
    return told([t for t in there if t in chosen]), told([t for t in there if t not in chosen])


def _skipped(manifest: Manifest) -> list[dict[str, Json]]:
    """Groups that could not be filled, those of all methods with the same reason on one row."""
    rows: dict[tuple[Json, ...], list[str]] = {}
    for name, benchmark in manifest.benchmarks.items():
        for row in benchmark.skipped_groups:
            rows.setdefault((name, row["m"], row["kind"], row["reason"]), []).append(str(row["method"]))
    return [
        dict(zip(("benchmark", "m", "kind", "reason", "methods"), (*key, ", ".join(methods)), strict=True))
        for key, methods in rows.items()
    ]
