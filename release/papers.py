"""What a release says of itself for machines: how to cite it, and what to evaluate on it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from routerset.release.about import AUTHORS, CITED, maker, subject
from routerset.release.manifest import Json, Manifest
from routerset.schemas.tables import Split

FRAMEWORK = "routerset"


def citation(manifest: Manifest) -> str:
    """`CITATION.cff`, version 1.2.0: this dataset, and the paper that it rebuilds."""
    about = manifest.about
    document: dict[str, Json] = {
        "cff-version": "1.2.0",
        "message": "Cite RouterEval, the benchmarks that you use, and the version of this dataset.",
        "type": "dataset",
        "title": manifest.name,
        "version": manifest.version,
        "abstract": subject(manifest),
        "authors": [{"name": maker(manifest)}],
        **({"license": manifest.license} if manifest.license else {}),
        **({"url": about["url"]} if "url" in about else {}),
        **({"date-released": about["published"]} if "published" in about else {}),
        "preferred-citation": {
            "type": "conference-paper",
            **{key: value for key, value in CITED.items() if key not in ("booktitle", "pages")},
            "collection-title": CITED["booktitle"],
            **dict(zip(("start", "end"), CITED["pages"].split("--"), strict=True)),
            "authors": [{"family-names": family, "given-names": given} for family, given in AUTHORS],
        },
    }
    return _yaml(document)


def evaluation(manifest: Manifest) -> str:
    """`eval.yaml`, by which the Hub knows a benchmark: a task per config with test items and groups."""
    names = [n for n, b in manifest.benchmarks.items() if b.groups and b.splits[manifest.schemes[0]]["test"]]
    tasks: list[Json] = [{"id": n, "config": n, "split": Split.TEST.value} for n in names]
    return _yaml(
        {
            "name": manifest.name,
            "description": subject(manifest),
            "evaluation_framework": FRAMEWORK,
            "tasks": tasks,
        }
    )


def _yaml(document: dict[str, Json]) -> str:
    """YAML with one key a line; values are JSON, which is YAML, too."""
    lines: Sequence[str] = [
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items()
    ]
    return "\n".join(lines) + "\n"
