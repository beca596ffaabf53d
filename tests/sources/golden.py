"""Golden folders of the dump formats: small inputs, and exactly what a source makes of them.

`tests/golden/sources/FORMAT/CASE` holds `spec.toml` (the keys of one `[[source]]`; `path`, if not given, is
`dump`; `path` and `items` are relative to the folder; `declared` is a list of `[[benchmark]]`), the inputs,
and `expected.json`. This writes the last:

    python -m tests.sources.golden --write [FORMAT/CASE ...]
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np

from routerset.etl.config import parse_config
from routerset.etl.sources.base import FIELD, Block, DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.registry import SOURCES

ROOT = Path(__file__).resolve().parents[1] / "golden" / "sources"
WIDTH = 110


def cases() -> list[str]:
    """Names of all cases, as FORMAT/CASE."""
    return sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*/spec.toml"))


def command(case: str) -> str:
    """The command that writes what the source gives now, to be reviewed as a diff."""
    return f"python -m tests.sources.golden --write {case}"


def load_spec(case: str) -> SourceSpec:
    """The source of a case, its paths made absolute."""
    path = ROOT / case / "spec.toml"
    keys = tomllib.loads(path.read_text(encoding="utf-8"))
    declared = keys.pop("declared", [])
    (spec,) = parse_config({"benchmark": declared, "source": [{"path": "dump", **keys}]}, path).sources
    return spec


def load_expected(case: str) -> object:
    """What the source should give."""
    return json.loads((ROOT / case / "expected.json").read_text(encoding="utf-8"))


def readings(case: str) -> list[tuple[str, list[Reading]]]:
    """All readings of a case, per file; those of a file that turns unreadable end there."""
    spec = load_spec(case)
    found = []
    for dump in SOURCES[spec.format].discover(spec):
        of_file: list[Reading] = []
        found.append((dump.file, of_file))
        try:
            for reading in SOURCES[spec.format].read(dump, spec):
                of_file.append(reading)  # noqa: PERF402
        except DumpUnreadable:
            continue
    return found


def actual(case: str) -> object:
    """What the source gives: per dump its readings, and the error of one that cannot be read."""
    spec = load_spec(case)
    source = SOURCES[spec.format]
    dumps = []
    for dump in source.discover(spec):
        entry: dict[str, object] = {"file": dump.file, "group": dump.group}
        of_file: list[object] = []
        try:
            for reading in source.read(dump, spec):
                of_file.append(_reading(reading))  # noqa: PERF401
        except DumpUnreadable as error:
            message = str(error).replace(str(ROOT / case), case)
            entry["unreadable"] = {"reason": error.reason.value, "message": message}
        dumps.append({**entry, "readings": of_file})
    return dumps


def _reading(reading: Reading) -> dict[str, object]:
    n_read = {benchmark or "": n for benchmark, n in reading.n_read.items()}
    return {
        "n_read": dict(sorted(n_read.items())),
        "notes": {f"{benchmark}: {note}": n for (benchmark, note), n in sorted(reading.notes.items())},
        "blocks": [_block(block) for block in reading.blocks],
        "quarantined": [_quarantined(row) for row in reading.quarantined.to_pylist()],
    }


def _block(block: Block) -> dict[str, object]:
    columns, runs = block.columns, block.runs
    return {
        "benchmark": columns.benchmark,
        "subset": columns.subset,
        "metric": columns.metric,
        "key_space": columns.key_space,
        "prompt_fixed": columns.prompt_fixed,
        "models": list(runs.models),
        "timestamps": list(runs.timestamps),
        "doc_keys": columns.doc_keys.to_pylist(),
        "scores": _rows(block.values),
        **{name: _rows(costs) for name, costs in block.costs.items()},
        **({} if block.tokens_from == FIELD else {"tokens_from": block.tokens_from}),
        "n_read": block.n_read.tolist(),
        "n_superseded": block.n_superseded.tolist(),
        "docs": [_doc(doc) for doc in columns.docs().to_pylist()],
    }


def _rows(values: np.ndarray) -> list[list[float | None]]:
    return [[_value(value) for value in row] for row in values]


def _quarantined(row: dict[str, object]) -> dict[str, object]:
    """A row of quarantine, without the number of records it stands for where that is one."""
    return {k: v for k, v in row.items() if row["n"] != 1 or k not in ("n", "last_row")}


def _doc(doc: dict[str, object]) -> dict[str, object]:
    """A document, without its hash and category where the format tells none."""
    told = ("hash", "category")
    return {name: value for name, value in doc.items() if name not in told or value is not None}


def _value(value: np.float32) -> float | None:
    """The shortest number that is this float32; None where there is none."""
    return None if np.isnan(value) else float(str(value))


def render(value: object, indent: int = 0) -> str:
    """JSON with everything on one line that fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(line) + indent <= WIDTH:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {render(each, indent + 2)}" for key, each in value.items()]
        return "{\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "}"
    parts = [render(each, indent + 2) for each in value]
    return "[\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "]"


def main() -> None:
    """Write `expected.json` of some cases, or of all."""
    parser = argparse.ArgumentParser(description="golden folders of the dump formats")
    parser.add_argument("--write", nargs="*", metavar="FORMAT/CASE", required=True, choices=cases())
    for case in parser.parse_args().write or cases():
        path = ROOT / case / "expected.json"
        path.write_text(render(actual(case)) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
