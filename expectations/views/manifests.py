"""What manifests claim, as rows to compare with what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from routerset.expectations.errors import Unreadable
from routerset.expectations.session import Made, Session
from routerset.expectations.target import STAGES, What
from routerset.schemas.checksums import CHECKSUMS, files, parse_checksums
from routerset.schemas.groups import Group
from routerset.schemas.manifests import JsonObject
from routerset.schemas.plainfiles import MAX_JSON, read_bytes
from routerset.schemas.store import sha256
from routerset.schemas.tables import COST_MEASURES

_S, _I, _F = pa.string(), pa.int64(), pa.float64()
_FILES = pa.schema(
    [
        ("path", _S),
        ("listed_in", _S),
        ("listed_sha256", _S),
        ("found_sha256", _S),
        ("listed_bytes", _I),
        ("found_bytes", _I),
        ("listed_rows", _I),
        ("found_rows", _I),
    ]
)
_ACCOUNTING = pa.schema(
    [
        ("source", _S),
        ("benchmark", _S),
        ("read", _I),
        ("kept", _I),
        ("superseded", _I),
        ("quarantined", _I),
    ]
)
_REASONS = pa.schema([("source", _S), ("benchmark", _S), ("reason", _S), ("listed", _I)])
_JOINED = pa.schema([("source", _S), ("benchmark", _S), ("joined_by", _S), ("listed", _I)])
_COSTS = pa.schema(
    [("source", _S), ("benchmark", _S), ("measure", _S), ("listed", _I), ("missing", _I), ("priced", _I)]
)
_PRICE_FILES = pa.schema([("file", _S), ("listed", _I)])
_TOTALS = pa.schema([("benchmark", _S), ("name", _S), ("listed", _F)])
_RECORDS = pa.schema([("benchmark", _S), ("scheme", _S), ("kept", _I), ("used", _I), ("curated_away", _I)])
_SIDES = pa.schema([("scheme", _S), ("benchmark", _S), ("split", _S), ("listed", _I)])
_CLAIMS = pa.schema(
    [("method", _S), ("benchmark", _S), ("m", pa.int32()), ("kind", _S), ("listed", pa.bool_())]
)


def listed_files(session: Session) -> Made:
    """Files that a manifest lists, and files that are there."""
    target = session.target
    if not target.manifest:
        return None
    listed = list(_listed(session))
    known = {str(row["path"]) for row in listed}
    folder = "." if target.what is What.RELEASE else "tables"
    on_disk = [] if target.stage else files(target.root, folder)
    listed += [{"path": path} for path in on_disk if path not in known]
    rows = {part.name: part.rows for part in target.parts}
    digests: dict[str, tuple[str | None, int | None]] = {}
    for row in listed:
        path = str(row["path"])
        if path not in digests:
            digests[path] = _digest(target.root, path)
        row["found_sha256"], row["found_bytes"] = digests[path]
        row["found_rows"] = rows.get(path)
    return pa.Table.from_pylist(listed, schema=_FILES)


def _listed(session: Session) -> Iterator[dict[str, object]]:
    target = session.target
    if target.what is What.BUILD:
        for name in STAGES[: STAGES.index(target.stage or STAGES[-1]) + 1]:
            for output in _dict(target.manifest["stages"], name).get("outputs", ()):
                yield {
                    "path": output["path"],
                    "listed_in": "manifest.json",
                    "listed_sha256": output["sha256"],
                    "listed_bytes": output["bytes"],
                    "listed_rows": output["rows"] if str(output["path"]).startswith("tables/") else None,
                }
        return
    for path, digest in checksums(target.root).items():
        yield {"path": path, "listed_in": CHECKSUMS, "listed_sha256": digest}
    for path, table in _dict(target.manifest, "tables").items():
        yield {
            "path": path,
            "listed_in": "manifest.json",
            "listed_sha256": table["sha256"],
            "listed_bytes": table["bytes"],
            "listed_rows": table["rows"],
        }


def checksums(release: Path) -> dict[str, str]:
    """Path -> SHA-256 of a release's `SHA256SUMS`. Raises Unreadable where it is missing or malformed."""
    path = release / CHECKSUMS
    try:
        lines = read_bytes(path, MAX_JSON).decode().split("\n")[:-1]
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: unreadable ({error}); fetch the release again") from error
    try:
        return parse_checksums(lines)
    except ValueError as error:
        raise Unreadable(f"{path}{error}; fetch the release again") from error


def _digest(root: Path, name: str) -> tuple[str | None, int | None]:
    """SHA-256 and size of a file below a folder; nothing where there is none, or a link leads elsewhere."""
    path = root / name
    try:
        inside = path.resolve() == root.resolve() / name
        return (sha256(path), path.stat().st_size) if inside else (None, None)
    except OSError:
        return None, None


def dumps_listed(session: Session) -> Made:
    """Hashes of the dumps that a build has read."""
    found = _info(session, "ingest").get("dumps")
    return None if found is None else pa.table({"sha256": pa.array(found, _S)})


def accounting(session: Session) -> Made:
    """Records read, kept, superseded and quarantined, by source and benchmark."""
    rows = _accounting(session)
    return None if rows is None else pa.Table.from_pylist(rows, schema=_ACCOUNTING)


def accounting_reasons(session: Session) -> Made:
    """Quarantined records by reason."""
    rows = _accounting(session)
    if rows is None:
        return None
    reasons = [
        {"source": row["source"], "benchmark": row["benchmark"], "reason": reason, "listed": n}
        for row in rows
        for reason, n in row["reasons"].items()
    ]
    return pa.Table.from_pylist(reasons, schema=_REASONS)


def accounting_joined(session: Session) -> Made:
    """Kept records by what told their documents."""
    rows = _accounting(session)
    if rows is None or not all("joined" in row for row in rows):
        return None
    joined = [
        {"source": row["source"], "benchmark": row["benchmark"], "joined_by": how, "listed": n}
        for row in rows
        for how, n in row["joined"].items()
    ]
    return pa.Table.from_pylist(joined, schema=_JOINED)


def accounting_costs(session: Session) -> Made:
    """Scores whose cost is known, and whose is not, by source, benchmark and measure."""
    rows = _accounting(session)
    if rows is None:
        return None
    costs = [
        {
            "source": row["source"],
            "benchmark": row["benchmark"],
            "measure": measure,
            "listed": of_measure["kept"],
            "missing": of_measure["missing"],
            "priced": of_measure.get("priced", 0),
        }
        for row in rows
        for measure, of_measure in _dict(row, "costs").items()
    ]
    return pa.Table.from_pylist(costs, schema=_COSTS)


def price_files(session: Session) -> Made:
    """Models that price tables gave a price to, as the manifest has them."""
    manifest = session.target.manifest
    if not manifest:
        return None
    told = manifest if "release" in manifest else _info(session, "ingest")
    files = _dict(told, "prices").get("files", [])
    rows = [{"file": file["file"], "listed": file["models"]} for file in files]
    return pa.Table.from_pylist(rows, schema=_PRICE_FILES)


def costs_found(session: Session) -> Made:
    """Known costs by benchmark and measure, from the tables."""
    if "cost_facts" not in session:
        return None
    return " union all ".join(
        f"select benchmark, '{name}' as measure, sum(n_{name}) as found from cost_facts group by all"
        for name in COST_MEASURES
    )


def token_sources(session: Session) -> Made:
    """Where tokens may be from: the dumps themselves, and the tokenizer of the manifest."""
    if not session.target.manifest:
        return None
    told = (session.target.manifest, _info(session, "ingest"))
    names = [part["tokenizer"]["name"] for part in told if part.get("tokenizer")]
    return pa.table({"tokens_from": pa.array(["field", *names], _S)})


def _accounting(session: Session) -> list[JsonObject] | None:
    manifest = session.target.manifest
    found = (
        manifest.get("accounting") if "release" in manifest else _info(session, "ingest").get("accounting")
    )
    return None if found is None else list(found)


def _info(session: Session, stage: str) -> JsonObject:
    return _dict(_dict(_dict(session.target.manifest, "stages"), stage), "info")


def _dict(value: JsonObject, key: str) -> JsonObject:
    return dict(value.get(key) or {})


def totals_listed(session: Session) -> Made:
    """Counts and means that the manifest gives for every benchmark."""
    rows: list[dict[str, object]] = []
    if session.target.what is What.BUILD:
        for benchmark, totals in _dict(_info(session, "ingest"), "benchmarks").items():
            if totals["items"]:
                rows += [
                    {"benchmark": benchmark, "name": f"n_{name}", "listed": totals[name]}
                    for name in ("items", "models")
                ]
    elif session.target.what is What.RELEASE:
        names = (
            "n_items",
            "n_models",
            "n_models_complete",
            "n_scores",
            "mean_score",
            "binary",
            "text_published",
        )
        for benchmark, entry in _dict(session.target.manifest, "benchmarks").items():
            values = {name: entry[name] for name in names}
            values |= {f"subset {name}": n for name, n in entry["subsets"].items()}
            values |= {f"leaked {name}": n for name, n in entry["test_items_in_train"].items()}
            rows += [{"benchmark": benchmark, "name": k, "listed": float(v)} for k, v in values.items()]
        rows.append({"benchmark": "", "name": "n_models", "listed": session.target.manifest["n_models"]})
    return pa.Table.from_pylist(rows, schema=_TOTALS) if rows else None


def totals_found(session: Session) -> Made:
    """The same numbers from the tables."""
    if any(view not in session for view in ("score_facts", "item_counts", "items", "models", "registry")):
        return None
    parts = [
        "select benchmark, 'n_items' as name, n_items::double as found from item_counts",
        "select benchmark, 'n_models', count(*) from score_facts group by all",
        "select benchmark, 'n_models_complete', count(*) filter (n_distinct = n_items) from score_facts "
        "join item_counts using (benchmark) group by all",
        "select benchmark, 'n_scores', sum(n) from score_facts group by all",
        "select benchmark, 'mean_score', round(sum(total) / sum(n), 6) from score_facts group by all",
        "select benchmark, 'binary', (sum(n_not_binary) = 0)::int from score_facts group by all",
        "select benchmark, 'subset ' || subset, count(*) from items group by all",
        "select benchmark, 'text_published', publish_text::int from registry",
        "select '', 'n_models', count(*) from models",
    ]
    if session.target.what is What.RELEASE and "splits" in session:
        parts.append(
            """select benchmark, 'leaked ' || scheme, count(*) filter (split = 'test' and leaks) from
            (select scheme, benchmark, split, bool_or(split = 'train')
            over (partition by scheme, benchmark, family_id) as leaks
            from splits join items using (benchmark, item)) group by all"""
        )
    return " union all ".join(parts)


def split_counts(session: Session) -> Made:
    """Items on every side of every split, as the manifest gives them."""
    if session.target.what is What.RELEASE:
        entries = _dict(session.target.manifest, "benchmarks")
        counts = {
            (scheme, benchmark): sides
            for benchmark, entry in entries.items()
            for scheme, sides in entry["splits"].items()
        }
    else:
        found = _dict(_info(session, "splits"), "counts")
        counts = {(s, b): sides for s, of_scheme in found.items() for b, sides in of_scheme.items()}
    rows = [
        {"scheme": scheme, "benchmark": benchmark, "split": split, "listed": n}
        for (scheme, benchmark), sides in counts.items()
        for split, n in sides.items()
    ]
    return pa.Table.from_pylist(rows, schema=_SIDES) if rows else None


def curated_records(session: Session) -> Made:
    """Records of every benchmark that `[curate]` looked at, under the scheme that they are counted by."""
    manifest = session.target.manifest
    if not manifest:
        return None
    told = _dict(manifest, "curated") if "release" in manifest else _info(session, "curate")
    rows = [
        {"benchmark": benchmark, "scheme": told.get("scheme"), **records}
        for benchmark, records in _dict(told, "records").items()
    ]
    return pa.Table.from_pylist(rows, schema=_RECORDS)


def listed_groups(session: Session) -> dict[str, list[Group]]:
    """Groups that the manifest lists, by benchmark."""
    if session.listed is None:
        session.listed = _listed_groups(session)
    return session.listed


def _listed_groups(session: Session) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    if session.target.what is What.RELEASE:
        for benchmark, entry in _dict(session.target.manifest, "benchmarks").items():
            found[benchmark] = [group for row in entry["groups"] for group in _known(Group.of_row, row)]
    for method, of_method in _dict(_info(session, "groups"), "groups").items():
        for benchmark, info in of_method.items():
            for name in info["groups"]:
                found.setdefault(benchmark, []).extend(_known(Group.parse, f"{method}_{name}"))
    return found


def _known(read: Callable[[Any], Group], claim: object) -> Iterator[Group]:
    """The group that a manifest claims, or none where its columns would be no group's."""
    with suppress(KeyError, TypeError, ValueError):
        yield read(claim)


def group_claims(session: Session) -> Made:
    """Groups that the manifest lists, as rows."""
    rows = [
        {"benchmark": benchmark, **asdict(group), "listed": True}
        for benchmark, groups in listed_groups(session).items()
        for group in groups
    ]
    return pa.Table.from_pylist(rows, schema=_CLAIMS) if rows else None


BUILDERS: dict[str, Callable[[Session], Made]] = {
    "listed_files": listed_files,
    "dumps_listed": dumps_listed,
    "accounting": accounting,
    "accounting_reasons": accounting_reasons,
    "accounting_joined": accounting_joined,
    "accounting_costs": accounting_costs,
    "costs_found": costs_found,
    "token_sources": token_sources,
    "price_files": price_files,
    "totals_listed": totals_listed,
    "totals_found": totals_found,
    "split_counts_listed": split_counts,
    "group_claims": group_claims,
    "curated_records": curated_records,
}
