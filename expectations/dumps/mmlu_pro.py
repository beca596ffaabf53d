"""TIGER-Lab's MMLU-Pro results: `model_outputs_<MODEL>_<k>shots[.json].zip`, one JSON list per file."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from routerset.expectations.dumps.base import file_row, views
from routerset.schemas.ids import digest, normalise_text

_NAME = re.compile(r"model_outputs_(?P<model>.+)_(?P<shots>\d+)shots?(?:\.json)?\.zip", re.IGNORECASE)
MAX_BYTES = 256 << 20
_NO_ANSWER = "no answer could be parsed"


def matches(path: Path) -> bool:
    """Whether the file's name is one of the leaderboard's."""
    return _NAME.fullmatch(path.name) is not None


def read(paths: Sequence[Path], root: Path) -> dict[str, pa.Table]:
    """Every element of every list. text: `no answer could be parsed` where `pred` is null."""
    files, rows = [], []
    for path in paths:
        named = _NAME.fullmatch(path.name)
        model = named["model"] if named else path.stem
        found, problem = _elements(path)
        name = path.relative_to(root).as_posix()
        rows += [{"file": name, "row": at, "model": model, **_row(value)} for at, value in enumerate(found)]
        files.append(file_row(root, path, "mmlu_pro", len(found), problem))
    return views(files, rows)


def _elements(path: Path) -> tuple[list[object], str | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.lower().endswith(".json")]
            members = [m for m in members if "__MACOSX" not in m.filename]
            if len(members) != 1:
                return [], f"found {len(members)} JSON files in the archive, expected one"
            if members[0].file_size > MAX_BYTES:
                return [], f"inflates to {members[0].file_size} bytes, expected {MAX_BYTES} at most"
            with archive.open(members[0]) as stream:
                data = stream.read(MAX_BYTES + 1)
        value = json.loads(data)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError) as error:
        return [], f"no archive of JSON: {error}"[:120]
    if not isinstance(value, list):
        return [], f"found a {type(value).__name__}, expected a list"
    return value, None if value else "found an empty list"


def _row(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {"problem": f"a {type(value).__name__}, not an object", "text": str(value)[:80]}
    key, answer, question = value.get("question_id"), value.get("answer"), value.get("question")
    row: dict[str, object] = {
        "key": None if key is None else str(key),
        "gold": None if answer is None else str(answer),
        "content": digest(normalise_text(question)) if isinstance(question, str) else None,
    }
    if key is None or answer is None:
        return row | {"problem": f"no {'question_id' if key is None else 'answer'}"}
    if "pred" not in value:
        return row | {"problem": "no pred"}
    pred = value["pred"]
    return row | {"score": float(pred == answer), "text": _NO_ANSWER if pred is None else None}
