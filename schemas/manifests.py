"""What a `manifest.json` of a build or a release may hold: nothing of another type, size or name is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, TypedDict

import msgspec

from routerset.schemas.checksums import BELOW
from routerset.schemas.exits import UNREADABLE
from routerset.schemas.plainfiles import read_json
from routerset.schemas.registry import Declared, registry
from routerset.schemas.tables import SCHEMA_VERSION

JsonObject: TypeAlias = dict[str, Any]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
"""Part of a path: a benchmark, encoder, scheme or method; see `ids.file_stem_is_safe`."""
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Below: TypeAlias = Annotated[str, msgspec.Meta(pattern=BELOW)]
"""A file below the folder of the manifest."""
Twins: TypeAlias = Literal["one", "all"]
"""See `twins.TWINS`."""
Tier: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9<>= -]{1,16}\Z")]
"""Size of a model, such as `<= 3B`."""
Counts: TypeAlias = dict[str, Count]


_N = r"(0|[1-9]\d{0,8})"
Version: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^{_N}\.{_N}\.{_N}\Z")]


class _Release(TypedDict):
    name: str
    version: Version
    previous: str | None


class _Table(TypedDict):
    sha256: Digest
    rows: Count
    bytes: Count
    arrow_bytes: Count


class _Group(TypedDict):
    column: str
    label_column: str
    method: Name
    m: Count
    kind: str


class _Skipped(TypedDict):
    method: NotRequired[Name]
    m: Count
    kind: str
    reason: str


class _Coverage(TypedDict):
    method: NotRequired[Name]
    m: Count
    train: float | None
    validation: float | None
    test: float | None
    stops_at: Count | None
    at_most: NotRequired[float | None]
    optimal: NotRequired[bool | None]


class _Benchmark(TypedDict):
    metric: str
    reference_model: str | None
    reference_score: float | None
    binary: bool
    n_items: Count
    n_models: Count
    n_models_complete: Count
    n_scores: Count
    mean_score: float
    n_runs: Count
    runs_superseded: Count
    text_published: bool
    subsets: Counts
    splits: dict[Name, Counts]
    test_items_in_train: dict[Name, Count]
    groups: list[_Group]
    skipped_groups: list[_Skipped]
    encoders: list[Name]
    texts: NotRequired[Counts]
    costs: NotRequired[Counts]
    coverage: NotRequired[list[_Coverage]]
    reference_note: NotRequired[str | None]
    families: NotRequired[dict[str, Counts]]
    neighbours: NotRequired[dict[Name, Counts]]
    declared: NotRequired[Declared]


class _Source(TypedDict):
    source: str
    url: str | None
    license: str | None
    citation: str | None
    files: Count
    read: Counts


class _Costs(TypedDict):
    kept: Count
    missing: Count
    bad: Count
    priced: NotRequired[Count]


class _PriceTable(TypedDict):
    file: str
    sha256: Digest
    rows: Count
    models: Count
    as_of: list[str]
    urls: list[str]


class _Prices(TypedDict):
    files: list[_PriceTable]
    unmatched: Count
    such_as: list[str]


class _Records(TypedDict):
    kept: Count
    used: Count
    curated_away: Count


_Rules = TypedDict(
    "_Rules",
    {
        "duplicates": str,
        "scope": str,
        "tasks": dict[str, bool | Count],
        "models": Count | float,
        "similarity": str,
        "lambda": float,
        "pseudo_specialists": list[str | dict[str, str | float]],
    },
    total=False,
)


class _Curated(TypedDict, total=False):
    rules: _Rules
    scheme: Name
    records: dict[Name, _Records]


class _Tokenizer(TypedDict):
    name: str
    sha256: Digest


class _Alike(TypedDict):
    kept: str
    also: str
    n_records: Count


class _Accounting(TypedDict):
    source: str
    benchmark: str
    read: Count
    kept: Count
    superseded: Count
    quarantined: Count
    reasons: Counts
    joined: NotRequired[Counts]
    notes: Counts
    costs: NotRequired[dict[str, _Costs]]
    case_alike: NotRequired[list[_Alike]]


class _About(TypedDict, total=False):
    creator: str
    contact: str
    url: str
    published: str
    licenses: Literal["permissive"]
    synthetic: bool


class _Settings(TypedDict, total=False):
    min_coverage: Share
    min_models_per_item: Share
    table_4: bool


class _Tiered(TypedDict):
    chosen: list[Tier]
    models: dict[Tier, Count]


class _Frozen(TypedDict):
    version: Version
    sha256: Digest
    groups: dict[Name, list[str]]


class _Encoder(TypedDict, total=False):
    hub_id: str
    revision: str
    dimension: Annotated[int, msgspec.Meta(gt=0, le=1 << 16)]
    max_tokens: Count
    pooling: str
    normalize: bool
    license: str
    text: str
    from_dump: list[Name]


class _Withheld(TypedDict):
    items: Count
    license: str
    title: str


class _Companion(TypedDict):
    of: Name
    benchmarks: dict[Name, _Withheld]


class _Libraries(TypedDict, total=False):
    matplotlib: str
    numpy: str
    pillow: str
    pyarrow: str
    routerset: str
    scipy: str


class ReleaseDocument(TypedDict):
    """The manifest of a release; `release.manifest.Manifest` says what its entries mean."""

    schema_version: int
    release: _Release
    schemes: Annotated[list[Name], msgspec.Meta(min_length=1)]
    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
    benchmarks: dict[Name, _Benchmark]
    encoders: dict[Name, _Encoder]
    n_models: Count
    tables: dict[Below, _Table]
    accounting: list[_Accounting]
    sources: NotRequired[list[_Source]]
    tokenizer: NotRequired[_Tokenizer]
    prices: NotRequired[_Prices]
    curated: NotRequired[_Curated]
    about: NotRequired[_About]
    settings: NotRequired[_Settings]
    methods: NotRequired[list[Name]]
    sizes: NotRequired[list[Count]]
    twins: NotRequired[Twins]
    tiers: NotRequired[_Tiered]
    frozen: NotRequired[_Frozen]
    companion: NotRequired[_Companion]
    libraries: _Libraries


class _Output(TypedDict):
    path: Below
    sha256: Digest
    bytes: Count
    rows: Count | None


class _Stage(TypedDict):
    outputs: list[_Output]
    info: JsonObject
    fingerprint: str


class _Ingested(TypedDict, total=False):
    benchmarks: dict[Name, Counts]
    accounting: list[_Accounting]
    settings: _Settings
    passed_over: list[JsonObject]
    bad_costs: list[str]
    sources: list[_Source]
    tokenizer: _Tokenizer
    prices: _Prices
    declared: dict[Name, Declared]


class _Split(TypedDict, total=False):
    counts: dict[Name, dict[Name, Counts]]
    seed: int


class _Chosen(TypedDict):
    complete_models: Count
    left_out: Count
    groups: list[str]
    skipped: list[_Skipped]
    coverage: NotRequired[list[_Coverage]]


class _Grouped(TypedDict, total=False):
    groups: dict[Name, dict[Name, _Chosen]]
    twins: Twins
    tiers: _Tiered
    frozen: _Frozen


class _Embedded(TypedDict, total=False):
    embeddings: dict[Name, dict[Name, JsonObject]]


class BuildDocument(TypedDict):
    """The manifest of a build; `etl.manifest.Manifest` says what its entries mean."""

    schema_version: int
    dataset: str
    stages: dict[str, _Stage]


_SAID = {"ingest": _Ingested, "curate": _Curated, "splits": _Split, "groups": _Grouped, "embed": _Embedded}
"""What stages of a build say of themselves, as far as others read it."""


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the file, and the place in it."""

    exit_code = UNREADABLE


class OtherSchema(ManifestError):
    """A manifest of another version of the schema."""


def read_manifest(path: Path) -> JsonObject:
    """The manifest of a build or a release, where every value is of its type and in its range.

    The keys of a release are a closed list. Raises FileNotFoundError, OtherSchema, ManifestError.
    """
    try:
        document = read_json(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: unreadable ({error}); fetch or build it again") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(document, dict) or type(version) is not int or version != SCHEMA_VERSION:
        raise OtherSchema(
            f"{path}: schema_version: found {version!r:.80}, expected {SCHEMA_VERSION}; use the version of "
            "routerset that wrote it"
        )
    try:
        if "release" in document:
            if unknown := _unknown(document, msgspec.convert(document, ReleaseDocument)):
                raise ManifestError(f"unknown key {unknown}")
        elif "stages" in document:
            for name, stage in msgspec.convert(document, BuildDocument)["stages"].items():
                _ = msgspec.convert(stage["info"], _SAID.get(name, JsonObject))
        _ = registry(declared_by(document))
    except ValueError as error:
        raise ManifestError(
            f"{path}: an entry is missing or malformed ({error}); fetch or build it again"
        ) from error
    return document


def declared_by(manifest: JsonObject) -> dict[str, Declared]:
    """What the config of a build or a release declared of benchmarks, as its manifest tells."""
    if "release" in manifest:
        benchmarks = manifest["benchmarks"].items()
        return {name: entry["declared"] for name, entry in benchmarks if "declared" in entry}
    declared: dict[str, Declared] = (
        manifest.get("stages", {}).get("ingest", {}).get("info", {}).get("declared", {})
    )
    return declared


def _unknown(found: object, known: object, where: str = "$") -> str | None:
    """Place of the first value that a conversion left out."""
    if isinstance(found, list) and isinstance(known, list):
        places = (_unknown(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(found, known, strict=True)))
        return next(filter(None, places), None)
    if not isinstance(found, dict) or not isinstance(known, dict):
        return None
    for key, value in found.items():
        place = f"{where}.{key}"
        if key not in known:
            return place
        if deeper := _unknown(value, known[key], place):
            return deeper
    return None
