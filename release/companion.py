"""The gated companion of a release: a second one, of the texts alone that the first one withholds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from routerset.release import layout
from routerset.release.build import drafted
from routerset.release.files import checksums, read_table
from routerset.release.manifest import Manifest, Row, read_manifest
from routerset.release.verifying.problem import Opened, Problem, same
from routerset.release.verifying.tables import schemas
from routerset.release.write import table_entry
from routerset.schemas import checksums as listing
from routerset.schemas import store
from routerset.schemas.released import TEXTS_PATH, TEXTS_SCHEMA
from routerset.schemas.store import json_text
from routerset.schemas.tables import TABLES

_PROMPT = (
    "The authors of these questions ask that nobody, and no crawler, finds them in public. You agree to show "
    "no text of this dataset online, as text or as a picture, so that it does not leak into what language "
    "models are trained on."
)
_FIELD = "I agree to keep these texts out of public places"
_SAME = "texts of this release alone; build both again"


def withheld(manifest: Manifest) -> dict[str, Row]:
    """What a release withholds, by benchmark: number of items, licence, title."""
    return {
        name: {
            "items": of.n_items,
            "license": manifest.registry[name].license,
            "title": manifest.registry[name].title,
        }
        for name, of in manifest.benchmarks.items()
        if not of.text_published
    }


def write_companion(build: Path, release: Path, out: Path) -> tuple[str, ...]:
    """Write the companion of a build's release; returns its files, none where nothing is withheld.

    It has the version of the release, and the same tables give the same bytes. `out` changes in one step.
    Raises NotOurs as `check_replaceable`, ReleaseInputError.
    """
    main = read_manifest(release)
    found = withheld(main)
    if not found:
        return ()
    parts = [_texts(build, name, str(row["license"])) for name, row in sorted(found.items())]
    table = pa.concat_tables(parts).sort_by([("benchmark", "ascending"), ("item_id", "ascending")])
    with drafted(build, out) as draft:
        store.write_table(draft / TEXTS_PATH, TEXTS_SCHEMA, table)
        manifest = Manifest(
            f"{main.name}-texts",
            main.version,
            main.previous,
            main.schemes,
            main.seed,
            {},
            {},
            0,
            {TEXTS_PATH: table_entry(draft, TEXTS_PATH)},
            libraries=main.libraries,
            companion={"of": main.name, "benchmarks": {name: dict(found[name]) for name in sorted(found)}},
        )
        for path, text in papers(manifest).items():
            store.write_text(draft / path, text)
        sums = checksums(draft, {})
        store.write_text(draft / layout.CHECKSUMS, listing.format_checksums(sums))
    return (*sorted(sums), layout.CHECKSUMS)


def _texts(build: Path, name: str, license: str) -> pa.Table:
    """Texts of one benchmark of a build."""
    items = read_table(build / TABLES["items"].path(benchmark=name))
    given = {"benchmark": pa.repeat(name, len(items)), "license": pa.repeat(license, len(items))}
    columns = {key: given[key] if key in given else items[key] for key in TEXTS_SCHEMA.names}
    return pa.table(columns, schema=TEXTS_SCHEMA)


def _benchmarks(manifest: Manifest) -> dict[str, Row]:
    """What the companion says of its benchmarks."""
    told = manifest.companion["benchmarks"]
    return (
        {name: row for name, row in told.items() if isinstance(row, dict)} if isinstance(told, dict) else {}
    )


def papers(manifest: Manifest) -> dict[str, str]:
    """Files of a companion but its table and checksums, by path: what follows from its manifest."""
    benchmarks, of = _benchmarks(manifest), manifest.companion["of"]
    licenses = sorted({str(row["license"]) for row in benchmarks.values()})
    one = (
        f"license: {licenses[0].lower()}"
        if len(licenses) == 1
        else ("license: other\nlicense_name: per-benchmark\nlicense_link: LICENSE")
    )
    rows = "\n".join(
        f"| {name} | {str(row['title']).replace('|', chr(92) + '|')} | {row['items']:,} | {row['license']} |"
        for name, row in benchmarks.items()
    )
    columns = "\n".join(f"| `{field.name}` | {field.metadata[b'doc'].decode()} |" for field in TEXTS_SCHEMA)
    card = f"""---
pretty_name: {json_text(manifest.name).strip()}
language:
- en
{one}
extra_gated_prompt: {json_text(_PROMPT).strip()}
extra_gated_fields:
  {_FIELD}: checkbox
configs:
- {{config_name: texts, default: true, data_files: [{{split: train, path: {TEXTS_PATH}}}]}}
---

# {manifest.name}

Questions and prompts that `{of}` {manifest.version} withholds, since their authors ask that they are not
published. They stand here for whoever agrees to keep them so. Everything else, scores, splits, groups and the
evaluator, is in that release.

| benchmark | title | items | licence |
|---|---|--:|---|
{rows}

```python
from datasets import load_dataset

texts = load_dataset("ORG/NAME", "texts", split="train").to_pandas().set_index("item_id")
```

`item_id` is that of the release's items: join on it. All items stand in one file, whatever side of a split
they are on.

| column | what it says |
|---|---|
{columns}
"""
    listed = "".join(f"- {name}: {row['license']}\n" for name, row in benchmarks.items())
    total = sum(int(str(row["items"])) for row in benchmarks.values())
    return {
        layout.MANIFEST: json_text(manifest.to_json()),
        layout.CARD: card,
        layout.LICENSE: f"Questions and prompts keep the licence of their benchmark:\n\n{listed}",
        layout.CHANGELOG: f"# Changelog\n\n## {manifest.version}\n\nTexts of {total:,} items that {of} "
        f"{manifest.version} withholds.\n",
    }


def whole(opened: Opened) -> Iterator[Problem]:
    """A companion's papers follow from its manifest; its table has their items, texts and licences alone."""
    manifest = opened.manifest
    for path, text in papers(manifest).items():
        if opened.whole(path) and path in opened.sums:
            yield from same(path, "other text:", (opened.root / path).read_bytes() == text.encode(), True)
    if not opened.whole(TEXTS_PATH):
        return
    wrong = [problem for config in manifest.configs() for problem in schemas(opened.root, config, manifest)]
    yield from wrong
    if wrong:
        return
    table = read_table(opened.root / TEXTS_PATH)
    ordered = table.sort_by([("benchmark", "ascending"), ("item_id", "ascending")])
    yield from same(TEXTS_PATH, "rows in order:", ordered.equals(table), True)
    counts = {row["values"]: row["counts"] for row in pc.value_counts(table["benchmark"]).to_pylist()}
    benchmarks = _benchmarks(manifest)
    yield from same(TEXTS_PATH, "items", counts, {name: row["items"] for name, row in benchmarks.items()})
    told = {*zip(table["benchmark"].to_pylist(), table["license"].to_pylist(), strict=True)}
    yield from same(
        TEXTS_PATH, "licences", told, {(name, row["license"]) for name, row in benchmarks.items()}
    )


def is_companion(release: Path) -> bool:
    """Whether a release has texts alone. Raises ReleaseInputError."""
    return bool(read_manifest(release).companion)


def check_ids(companion: Path, release: Path) -> Iterator[Problem]:
    """The items of a companion are those that a release withholds, and none else."""
    manifest, main = read_manifest(companion), read_manifest(release)
    named = (manifest.companion.get("of"), manifest.version)
    yield from same(layout.MANIFEST, "companion of", named, (main.name, main.version))
    wanted = withheld(main)
    yield from same(layout.MANIFEST, "texts of", _benchmarks(manifest), wanted)
    table = read_table(companion / TEXTS_PATH, ["benchmark", "item_id"])
    found = {*zip(table["benchmark"].to_pylist(), table["item_id"].to_pylist(), strict=True)}
    ids = {
        (name, item)
        for name in wanted
        for split in main.files(name)
        for item in read_table(release / layout.data_path(name, split), ["item_id"])["item_id"].to_pylist()
    }
    for what, items in (("an item that is not withheld", found - ids), ("no text of", ids - found)):
        if items:
            such = sorted(items)[0][1]
            yield Problem(
                TEXTS_PATH, f"{what}: {such} and {len(items) - 1} more", "the withheld items", _SAME
            )
