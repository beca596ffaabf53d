"""What a release says of itself: `manifest.json` and `SHA256SUMS`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pyarrow as pa

from routerset.release.errors import ReleaseError, ReleaseInputError
from routerset.release.layout import MANIFEST, Config
from routerset.schemas import manifests
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.families import Families
from routerset.schemas.groups import Group
from routerset.schemas.registry import registry
from routerset.schemas.released import (
    GROUPS_SCHEMA,
    LEADERBOARD_SCHEMA,
    LIMITS_SCHEMA,
    RELEASED,
    TEXTS,
    TEXTS_PATH,
    TEXTS_SCHEMA,
    data_schema,
    files_of,
    vectors_schema,
)
from routerset.schemas.tables import COSTS, SCHEMA_VERSION, SCORES, TABLES, Split
from routerset.schemas.tables import MODELS as MODELS_SCHEMA
from routerset.schemas.tables import RUNS as RUNS_SCHEMA

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Row = Mapping[str, Json]

LIBRARIES = ("matplotlib", "numpy", "pillow", "pyarrow", "routerset", "scipy")
"""What tables and reports are made with."""
NOTE = re.compile(r"[a-z_]{1,40}", re.ASCII)
"""Notes of the accounting that a release tells; what else readers say may quote dumps, and stays behind."""
DRAWN_BY = ("matplotlib", "pillow")
"""Those that only pictures need."""


@dataclass(frozen=True)
class TableEntry:
    """A Parquet file. arrow_bytes: its size in memory."""

    sha256: str
    rows: int
    bytes: int
    arrow_bytes: int


_IF_ANY = ("costs", "declared", "coverage")


@dataclass(frozen=True)
class BenchmarkEntry:
    """What is in one benchmark.

    subsets: subset -> items; splits: scheme -> split -> items; test_items_in_train: scheme ->
    test items whose question is also in train; groups: in the order of their columns; skipped_groups: rows
    of the group and the reason why its pool could not fill it; encoders: those with vectors; runs_superseded:
    runs of which another one of the same model and subset was taken; texts: items with a question, with a
    prompt, and with a question taken from that; reference_note: why there is no reference score; families:
    what joined items to families, by rule; neighbours: encoder -> groups of items whose vectors nearly agree
    across families; costs: scores whose cost is known, by measure; declared: what a config said of it;
    coverage: of groups of kind `open`, rows of method, m, the oracle's mean score on train, validation and
    test items, how many models the method's own rule would take (null without one), what no group of its size
    can exceed on train, and whether the group is proven to reach that (null where nothing is proven).
    """

    metric: str
    reference_model: str | None
    reference_score: float | None
    binary: bool
    n_items: int
    n_models: int
    n_models_complete: int
    n_scores: int
    mean_score: float
    n_runs: int
    runs_superseded: int
    text_published: bool
    subsets: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    test_items_in_train: Mapping[str, int]
    groups: tuple[Group, ...] = ()
    skipped_groups: tuple[Row, ...] = ()
    encoders: tuple[str, ...] = ()
    texts: Mapping[str, int] = field(default_factory=dict)
    reference_note: str | None = None
    families: Families = field(default_factory=dict)
    neighbours: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    costs: Mapping[str, int] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)
    coverage: tuple[Row, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Its entry in the manifest, without costs, declarations and coverage where there are none."""
        row = {**asdict(self), "groups": [group.row for group in self.groups]}
        return {key: value for key, value in row.items() if key not in _IF_ANY or value}


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: no path of a machine, no date, so that the same content gives the same bytes.

    schemes: split schemes, the first one gives the files; seed: of the splits; benchmarks: in the registry's
    order; encoders: name -> what is known of it, `dimension` at least; accounting: rows of source, benchmark,
    read, kept, superseded, quarantined, reasons; sources: what each one gave, and where it is from; settings:
    what the config says to the gate; tokenizer: name and sha256 of what counted texts, if any was; methods,
    sizes: of the groups that were asked for, the first method is what is shown by default; twins: whether
    methods chose from one of each set of twins; tiers: where method `universe` chose from some tiers of size
    alone, these (`chosen`), and how many `models` each tier has, those left out too; frozen: where groups
    stay as a release before published them, its version, sha256 of its table of groups, and their columns by
    benchmark; prices: files of price tables with the models that each gave one to, the number of models
    without any, and some of these; curated: rules of `[curate]`, and records by benchmark under the first
    scheme: kept, used, curated_away; about: what the config says of the dataset as a whole, where it does:
    creator, contact, url, published (a day), licenses (`permissive`), synthetic; companion: of a release of
    the texts alone that another one of the same version withholds, its name (`of`), and items, licence and
    title by benchmark.
    """

    name: str
    version: str
    previous: str | None
    schemes: tuple[str, ...]
    seed: int
    benchmarks: Mapping[str, BenchmarkEntry]
    encoders: Mapping[str, Row]
    n_models: int
    tables: Mapping[str, TableEntry]
    accounting: tuple[Row, ...] = ()
    sources: tuple[Row, ...] = ()
    tokenizer: Row = field(default_factory=dict)
    settings: Row = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    twins: str = "all"
    tiers: Mapping[str, Any] = field(default_factory=dict)
    frozen: Row = field(default_factory=dict)
    prices: Row = field(default_factory=dict)
    curated: Row = field(default_factory=dict)
    about: Row = field(default_factory=dict)
    companion: Row = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=lambda: dict(_versions()))
    schema_version: int = SCHEMA_VERSION

    def configs(self) -> list[Config]:
        """Every argument of `load_dataset`: results, per benchmark data, vectors, scores and costs, the rest.

        The first one is the default.
        """
        if self.companion:
            return [Config(TEXTS, {Split.TRAIN: TEXTS_PATH}, TEXTS_SCHEMA)]
        found = []
        if RELEASED["leaderboard"].path in self.tables:
            found.append(_config("leaderboard", LEADERBOARD_SCHEMA))
        for name, benchmark in self.benchmarks.items():
            sides = self.files(name)
            found.append(_config("data", data_schema(self.schemes, benchmark.groups), sides, benchmark=name))
            for encoder in benchmark.encoders:
                schema = vectors_schema(self.dimension(encoder), benchmark.groups)
                found.append(_config("vectors", schema, sides, benchmark=name, encoder=encoder))
            found.append(_config("scores", SCORES, benchmark=name))
            if benchmark.costs:
                found.append(_config("costs", COSTS, benchmark=name))
            if RELEASED["pseudo_specialists"].at(benchmark=name) in self.tables:
                schema = TABLES["pseudo_specialists"].schema
                found.append(_config("pseudo_specialists", schema, benchmark=name))
        whole = {
            "models": MODELS_SCHEMA,
            "groups": GROUPS_SCHEMA,
            "limits": LIMITS_SCHEMA,
            "runs": RUNS_SCHEMA,
            **{
                name: TABLES[name].schema
                for name in ("prices", "curated")
                if RELEASED[name].path in self.tables
            },
        }
        return found + [_config(name, schema) for name, schema in whole.items()]

    def files(self, benchmark: str) -> tuple[str, ...]:
        """Names of a benchmark's data files, and of its vectors: sides, then what is left out if any is."""
        return files_of(self.benchmarks[benchmark].splits[self.schemes[0]])

    def loadable(self) -> list[Config]:
        """Configs without their empty files: `load_dataset` fails on a split that has no row."""
        found = []
        for config in self.configs():
            files = {split: path for split, path in config.files.items() if self.tables[path].rows}
            if files:
                found.append(replace(config, files=files))
        return found

    @property
    def registry(self) -> Mapping[str, Benchmark]:
        """All benchmarks that are known, as the config of this release had them declared."""
        return registry({name: b.declared for name, b in self.benchmarks.items() if b.declared})  # type: ignore[misc]

    @property
    def license(self) -> str | None:
        """The SPDX id of the whole, where it has one; else each benchmark keeps its own."""
        return "Apache-2.0" if self.about.get("licenses") == "permissive" else None

    @property
    def method(self) -> str | None:
        """How the groups that come first were chosen; None where there are none."""
        chosen = (group.method for benchmark in self.benchmarks.values() for group in benchmark.groups)
        return next(iter(self.methods or sorted(set(chosen))), None)

    @property
    def min_coverage(self) -> float:
        """Share of the items that a candidate has a score on at least."""
        share = self.settings.get("min_coverage", 1.0)
        if not isinstance(share, float | int) or not 0 < share <= 1:
            raise ReleaseInputError(f"{MANIFEST}: min_coverage: found {share!r}, expected a share in (0, 1]")
        return float(share)

    def frozen_groups(self, benchmark: str) -> frozenset[str]:
        """Columns of the groups of a benchmark that stay as a release before published them."""
        groups = self.frozen.get("groups", {})
        columns = groups.get(benchmark, []) if isinstance(groups, dict) else []
        return frozenset(map(str, columns if isinstance(columns, list) else []))

    def dimension(self, encoder: str) -> int:
        """Length of an encoder's vectors."""
        found = self.encoders[encoder].get("dimension")
        if not isinstance(found, int):
            raise ReleaseInputError(f"{MANIFEST}: encoder {encoder}: no dimension; fetch the release again")
        return found

    def to_json(self) -> dict[str, object]:
        """The JSON document."""
        return {
            "schema_version": self.schema_version,
            "release": {"name": self.name, "version": self.version, "previous": self.previous},
            "schemes": list(self.schemes),
            "seed": self.seed,
            "benchmarks": {name: b.to_json() for name, b in self.benchmarks.items()},
            "encoders": dict(self.encoders),
            "n_models": self.n_models,
            "tables": {path: asdict(t) for path, t in self.tables.items()},
            "accounting": list(self.accounting),
            "sources": list(self.sources),
            **({"tokenizer": dict(self.tokenizer)} if self.tokenizer else {}),
            **({"prices": dict(self.prices)} if self.prices else {}),
            **({"curated": dict(self.curated)} if self.curated else {}),
            **({"about": dict(self.about)} if self.about else {}),
            "settings": dict(self.settings),
            "methods": list(self.methods),
            "sizes": list(self.sizes),
            "twins": self.twins,
            **({"tiers": dict(self.tiers)} if self.tiers else {}),
            **({"frozen": dict(self.frozen)} if self.frozen else {}),
            **({"companion": dict(self.companion)} if self.companion else {}),
            "libraries": dict(self.libraries),
        }


def read_manifest(release: Path) -> Manifest:
    """The manifest of a release folder. Raises ReleaseInputError where there is none that we can read."""
    path = release / MANIFEST
    try:
        document = manifests.read_manifest(path)
        if "release" not in document:
            raise manifests.ManifestError(f"{path}: an entry is missing or malformed: found no release")
        manifest = Manifest(
            **document["release"],
            schemes=tuple(document["schemes"]),
            seed=document["seed"],
            benchmarks={
                name: _benchmark(document["benchmarks"][name])
                for name in sorted(document["benchmarks"], key=registry_order)
            },
            encoders=document["encoders"],
            n_models=document["n_models"],
            tables={table: TableEntry(**t) for table, t in document["tables"].items()},
            accounting=tuple(document["accounting"]),
            sources=tuple(document.get("sources", ())),  # which older releases lack, as the next seven
            tokenizer=document.get("tokenizer", {}),
            settings=document.get("settings", {}),
            methods=tuple(document.get("methods", ())),
            sizes=tuple(document.get("sizes", ())),
            twins=document.get("twins", "all"),
            tiers=document.get("tiers", {}),
            frozen=document.get("frozen", {}),
            prices=document.get("prices", {}),
            curated=document.get("curated", {}),
            about=document.get("about", {}),
            companion=document.get("companion", {}),
            libraries=document["libraries"],
        )
        _check(manifest)
        return manifest
    except FileNotFoundError:
        raise ReleaseInputError(f"{path}: not found; expected the folder of a release") from None
    except (manifests.ManifestError, ReleaseError) as error:
        raise ReleaseInputError(str(error)) from error
    except (KeyError, ValueError) as error:
        raise ReleaseInputError(
            f"{path}: an entry is missing or malformed ({error!r}); fetch the release again"
        ) from error


def _versions() -> Iterator[tuple[str, str]]:
    """Versions of libraries that are here."""
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            yield name, installed(name)


def _check(manifest: Manifest) -> None:
    """What refers to something refers to what is there."""
    _ = manifest.configs(), manifest.min_coverage
    for benchmark in manifest.benchmarks.values():
        for scheme in manifest.schemes:
            _ = benchmark.splits[scheme], benchmark.test_items_in_train[scheme]


def _config(table: str, schema: pa.Schema, sides: Sequence[str] = (Split.TRAIN,), **keys: str) -> Config:
    """The config of one partition of a table, all sides of it."""
    row = RELEASED[table]
    files = {side: row.at(**keys, file_split=side) for side in sides}
    return Config(row.config.format(**keys), files, schema, keys.get("benchmark"))


def registry_order(benchmark: str) -> tuple[int, str]:
    """Sort key of benchmarks: the registry's order first, then unknown ones by name."""
    names = list(BENCHMARKS)
    return (names.index(benchmark) if benchmark in BENCHMARKS else len(names), benchmark)


def _benchmark(entry: dict[str, Any]) -> BenchmarkEntry:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    fields["groups"] = tuple(map(Group.of_row, entry["groups"]))
    return BenchmarkEntry(**fields)
