"""What a release may hold: its files, footers of its tables, facts of the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.expectations.session import Made, Session, readable
from routerset.expectations.target import DATA, VECTORS, Part, What
from routerset.expectations.views.manifests import listed_groups
from routerset.expectations.views.table_files import schema_of
from routerset.schemas.checksums import entries
from routerset.schemas.escape import shown_name
from routerset.schemas.released import RELEASED, files_of
from routerset.schemas.store import CHUNKED
from routerset.schemas.tables import LEFT_OUT, Split

_S = pa.string()
_PAPERS = frozenset(
    {"README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "eval.yaml", "manifest.json", "croissant.json"}
)
_BESIDE = re.compile(
    r"evaluator/(README\.md|(routers/)?\w+\.py)|reports/(audit/)?\w+\.(csv|html|json|md|png|tex)", re.ASCII
)
"""Files of the evaluator and of reports; that they are the right ones, `routerset verify` finds out."""


def strange_files(session: Session) -> Made:
    """What lies in a release and is no file, or none that a release has; and papers that are not there."""
    target = session.target
    if target.what is not What.RELEASE:
        return None
    known, present = _PAPERS | set(_tables(session)), dict(entries(target.root))
    rows = [
        {"path": path, "found": kind or "a file that no release has"}
        for path, kind in present.items()
        if kind or (path not in known and not _BESIDE.fullmatch(path))
    ]
    rows += [{"path": path, "found": "no such file"} for path in sorted(_PAPERS - present.keys())]
    return pa.Table.from_pylist(rows, schema=pa.schema([("path", _S), ("found", _S)]))


def _tables(session: Session) -> Iterator[str]:
    """Paths of the tables that a manifest calls for."""
    manifest = session.target.manifest
    benchmarks = manifest.get("benchmarks") or {}
    files = {name: files_of(entry["splits"][manifest["schemes"][0]]) for name, entry in benchmarks.items()}
    values = {
        "benchmark": list(benchmarks),
        "encoder": list(manifest.get("encoders") or {}),
        "file_split": [*Split, LEFT_OUT],
    }
    for table in RELEASED.values():
        for keys in product(*(values[key] for key in table.keys)):
            named = dict(zip(table.keys, keys, strict=True))
            if "file_split" not in named or named["file_split"] in files[named["benchmark"]]:
                yield table.at(**named)


def footers(session: Session) -> Made:
    """Notes in the footers of a release's tables, at a column or at none, that differ from the schema's."""
    if session.target.what is not What.RELEASE:
        return None
    rows = [
        {"path": part.name, "place": place, "found": found}
        for part in session.target.parts
        for place, found in _notes(session, part)
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([("path", _S), ("place", _S), ("found", _S)]))


def _notes(session: Session, part: Part) -> Iterator[tuple[str, str]]:
    groups = listed_groups(session).get(part.keys["benchmark"], []) if part.table in (DATA, VECTORS) else []
    expected = schema_of(session, part, groups)
    with readable(part.path):
        written = dict(pq.read_metadata(part.path).metadata or {})
    written.pop(b"ARROW:schema", None)
    for place, found, right in (
        ("the footer", written, {**(expected.metadata or {}), **CHUNKED}),
        ("the schema", part.schema.metadata, expected.metadata),
        *(
            (field.name, field.metadata, expected.field(field.name).metadata)
            for field in part.schema
            if field.name in expected.names
        ),
    ):
        if (found or {}) != (right or {}):
            yield place, _said(found or {}, right or {})


def _said(found: Mapping[bytes, bytes], right: Mapping[bytes, bytes]) -> str:
    """Names and lengths of the notes that differ; never what they say, which may be what is withheld."""
    told = [
        f"{shown_name(key.decode('utf-8', 'replace'))} ({len(found.get(key, b'')):,} bytes)"
        for key in sorted({*found, *right})
        if found.get(key) != right.get(key)
    ]
    return ", ".join(told[:5]) + (f" and {len(told) - 5} more" if len(told) > 5 else "")


def registry_claims(session: Session) -> Made:
    """What the manifest says of a benchmark, and what the registry says: no score where it is of others."""
    if session.target.what is not What.RELEASE:
        return None
    rows = []
    registry = session.target.registry
    for name, entry in (session.target.manifest.get("benchmarks") or {}).items():
        if known := registry.get(name):
            claims = (known.reference_model, known.reference(entry["metric"], entry["n_items"])[0])
            rows += [
                {"benchmark": name, "name": key, "listed": str(entry.get(key)), "known": str(value)}
                for key, value in zip(("reference_model", "reference_score"), claims, strict=True)
            ]
    columns = ("benchmark", "name", "listed", "known")
    return pa.Table.from_pylist(rows, schema=pa.schema([(column, _S) for column in columns]))


BUILDERS: dict[str, Callable[[Session], Made]] = {
    "strange_files": strange_files,
    "footers": footers,
    "registry_claims": registry_claims,
}
