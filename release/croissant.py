"""Croissant metadata (MLCommons, version 1.1) of a release: which files it has, and what every column means.

Written as plain JSON-LD; `mlcroissant` validates and reads it in the tests, and is not needed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import pyarrow as pa

from routerset.release.about import (
    BIASES,
    CITATION,
    KEYWORDS,
    OUT_OF_SCOPE,
    PERSONAL,
    USES,
    maker,
    subject,
)
from routerset.release.layout import Config
from routerset.release.manifest import Manifest
from routerset.schemas.registry import NO_LICENSE

_TERMS = (
    "arrayShape", "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty",
    "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_ONE = re.compile(r"[\w.+-]+", re.ASCII)
_PARQUET = "application/x-parquet"


def croissant(manifest: Manifest) -> dict[str, object]:
    """`croissant.json`: a file object with checksum per table, a record set per config."""
    configs, about = manifest.configs(), manifest.about
    own = {manifest.registry[name].license for name in manifest.benchmarks}
    licenses = [manifest.license] if manifest.license else sorted({"Apache-2.0", *own} - {NO_LICENSE})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": manifest.name,
        "description": subject(manifest),
        "version": manifest.version,
        **({"url": about["url"]} if "url" in about else {}),
        "creator": {
            "@type": "sc:Organization",
            "name": maker(manifest),
        },
        **({"datePublished": about["published"]} if "published" in about else {}),
        "inLanguage": "en",
        "keywords": list(KEYWORDS),
        "citeAs": CITATION,
        "license": [_license(each) for each in licenses],
        "isLiveDataset": False,
        **responsible_use(manifest),
        "distribution": [*_file_objects(manifest), *(_file_set(c) for c in configs if len(c.files) > 1)],
        "recordSet": [_record_set(config) for config in configs],
    }


def responsible_use(manifest: Manifest) -> dict[str, str]:
    """What the RAI vocabulary of Croissant asks, in the words of the card."""
    return {
        "rai:dataCollection": (
            "Scores are those of public leaderboards and of the dumps that the card names; made-up ones"
            if manifest.about.get("synthetic")
            else "Scores are those of public leaderboards and of the dumps that the card names"
        )
        + "; every record is kept, superseded by a newer run, or quarantined with a reason.",
        "rai:dataCollectionType": "Secondary data analysis",
        "rai:dataCollectionMissingData": "A missing score is missing, never 0.",
        "rai:dataPreprocessingProtocol": "Scores are scaled to [0, 1]; items are split 8:1:1.",
        "rai:dataUseCases": USES,
        "rai:dataLimitations": OUT_OF_SCOPE,
        "rai:dataBiases": BIASES,
        "rai:personalSensitiveInformation": PERSONAL,
        "rai:dataReleaseMaintenancePlan": (
            "Versions are SemVer by meaning; CHANGELOG.md tells them, and a published one never changes."
        ),
    }


def _license(spdx: str) -> str:
    """Page of a licence; an expression of several stays one."""
    return f"https://spdx.org/licenses/{spdx}" if _ONE.fullmatch(spdx) else spdx


def _node(of: str, name: str, **rest: object) -> dict[str, object]:
    return {"@type": f"cr:{of}", "@id": name, "name": name, **rest}


def _file_objects(manifest: Manifest) -> Iterator[dict[str, object]]:
    for path, table in sorted(manifest.tables.items()):
        size = f"{table.bytes} B"
        yield _node(
            "FileObject", path,
            contentUrl=path, contentSize=size, encodingFormat=_PARQUET, sha256=table.sha256,
        )  # fmt: skip


def _file_set(config: Config) -> dict[str, object]:
    folders = sorted({str(PurePosixPath(path).parent) for path in config.files.values()})
    patterns = [f"{folder}/*.parquet" for folder in folders]
    return _node("FileSet", _source(config), encodingFormat=_PARQUET, includes=patterns)


def _source(config: Config) -> str:
    """Id of the file, or of the set of files, that a config reads."""
    return next(iter(config.files.values())) if len(config.files) == 1 else f"files-{config.name}"


def _record_set(config: Config) -> dict[str, object]:
    several = len(config.files) > 1
    source = {"fileSet" if several else "fileObject": {"@id": _source(config)}}
    fields = [_split_field(config, source)] if several else []
    fields += [_field(config, field, source) for field in config.schema]
    return _node("RecordSet", config.name, field=fields)


def _split_field(config: Config, source: Mapping[str, object]) -> dict[str, object]:
    """The split, from the name of the file that a row stands in."""
    return {
        "@type": "cr:Field",
        "@id": f"{config.name}/split",
        "name": "split",
        "description": "side of the split that gives the files",
        "dataType": "sc:Text",
        "source": {
            **source,
            "extract": {"fileProperty": "filename"},
            "transform": {"regex": r"([a-z]+)\.parquet"},
        },
    }


def _field(config: Config, field: pa.Field, source: Mapping[str, object]) -> dict[str, object]:
    dtype, shape = field.type, {}
    if pa.types.is_fixed_size_list(dtype):
        dtype, shape = dtype.value_type, {"isArray": True, "arrayShape": str(dtype.list_size)}
    elif pa.types.is_list(dtype):
        dtype, shape = dtype.value_type, {"isArray": True, "arrayShape": "-1"}
    return {
        "@type": "cr:Field",
        "@id": f"{config.name}/{field.name}",
        "name": field.name,
        "description": field.metadata[b"doc"].decode(),
        "dataType": _data_type(dtype),
        **shape,
        "source": {**source, "extract": {"column": field.name}},
    }


def _data_type(dtype: pa.DataType) -> str:
    if pa.types.is_boolean(dtype):
        return "sc:Boolean"
    if pa.types.is_integer(dtype):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(dtype) else "sc:Text"
