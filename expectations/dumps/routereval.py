"""RouterEval's pickles: looked through opcode by opcode, and never run.

What they ask to import is read from the opcodes. Their content is checked only where a loader that runs
nothing is handed in, since this package has none.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from routerset.expectations.dumps.base import file_row, views

ADMITTED = frozenset(
    {
        *(
            f"numpy.{core}.multiarray {name}"
            for core in ("core", "_core")
            for name in ("_reconstruct", "scalar")
        ),
        *(f"numpy.{core}.numeric _frombuffer" for core in ("core", "_core")),
        *("numpy ndarray", "numpy dtype", "_codecs encode"),
    }
)
"""Names that numpy writes for arrays and scalars."""
_PUTS = frozenset({"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_KEYS = ("correctness", "correctness_prompt")


def matches(path: Path) -> bool:
    """Whether the file's name says pickle."""
    return path.suffix in (".pkl", ".pickle")


def read(
    paths: Sequence[Path], root: Path, load: Callable[[Path], object] | None = None
) -> dict[str, pa.Table]:
    """Names that the pickles ask for; and, with a loader, the scores that cannot count.

    load: gives the plain data of a pickle without running it; arrays are NumPy's, or have a method `load`.
    `dump_rows` holds models that are named twice and cells that are no score; `dump_tasks` one row a task.
    """
    files: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    tasks: list[dict[str, object]] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        refused, problem = _refused(path)
        rows += [{"file": name, "row": at, "problem": f"asks for {what}"} for at, what in refused]
        if problem is None and not refused and load is not None:
            try:
                content = load(path)
            except (OSError, ValueError) as error:
                problem = f"cannot be read: {error}"[:200]
            else:
                if isinstance(content, Mapping) and {"model", "data"} <= content.keys():
                    found, cells = _scores(root, path, name, content)
                    tasks += found
                    rows += cells
        files.append(file_row(root, path, None, 0, problem))
    schema = pa.schema(
        [
            *((key, pa.string()) for key in ("file", "task", "benchmark", "subset")),
            *((key, pa.int64()) for key in ("items", "models", "expected_items", "missing")),
            ("problem", pa.string()),
        ]
    )
    return views(files, rows) | {"dump_tasks": pa.Table.from_pylist(tasks, schema=schema)}


def _refused(path: Path) -> tuple[list[tuple[int, str]], str | None]:
    """Names outside `ADMITTED` with their byte, and what is wrong with the file as a whole."""
    found: list[tuple[int, str]] = []
    memo: dict[int, str | None] = {}
    texts: list[str | None] = []
    try:
        with path.open("rb") as stream:
            for opcode, argument, position in pickletools.genops(stream):
                name = opcode.name
                if name in _PUTS:
                    memo[len(memo) if name == "MEMOIZE" else int(argument or 0)] = (
                        texts[-1] if texts else None
                    )
                elif name in _GETS:
                    texts.append(memo.get(int(argument or 0)))
                elif isinstance(argument, str) and "UNICODE" in name:
                    texts.append(argument)
                else:
                    asked = _asked(name, argument, texts)
                    if asked is not None and asked not in ADMITTED:
                        found.append((int(position or 0), asked))
                    texts = []
            if stream.read(1):
                return found, "found bytes behind the end of the pickle"
    except (OSError, ValueError, EOFError, IndexError) as error:
        return found, f"no whole pickle: {error}"[:120]
    return found, None


def _asked(name: str, argument: object, texts: Sequence[str | None]) -> str | None:
    """What an opcode imports, or None. texts: pushed just before it, one after the other."""
    if name in ("GLOBAL", "INST"):
        return str(argument)
    if name == "STACK_GLOBAL":
        return " ".join(text or "?" for text in texts[-2:])
    return name if name in ("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID") else None


def _scores(
    root: Path, path: Path, name: str, content: Mapping[object, object]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    models = [str(model) for model in _array(content["model"]).tolist()]
    rows: list[dict[str, object]] = [
        {"file": name, "row": at, "model": model, "key": "model", "problem": "a model named twice"}
        for at, model in enumerate(models)
        if model in models[:at]
    ]
    tasks = []
    data = content["data"]
    for task, entry in data.items() if isinstance(data, Mapping) else ():
        header = file_row(root, path, str(task), 0)
        known = {key: header[key] for key in ("file", "task", "benchmark", "subset", "expected_items")}
        values = next((entry[k] for k in _KEYS if k in entry), None) if isinstance(entry, Mapping) else None
        array = None if values is None else _array(values)
        if (
            array is None
            or array.ndim != 2
            or len(models) not in array.shape
            or array.dtype.kind not in "biuf"
        ):
            shape = "none" if array is None else f"{array.dtype} {array.shape}"
            tasks.append(known | {"problem": f"found {shape}, expected (items, {len(models)}) numbers"})
            continue
        scores = (array if array.shape[1] == len(models) else array.T).astype(np.float64)
        missing = int(np.isnan(scores).sum())
        tasks.append(
            known | {"items": len(scores), "models": len(models), "missing": missing, "problem": None}
        )
        rows += [
            {
                "file": name,
                "row": item,
                "key": str(task),
                "model": models[model],
                "score": float(scores[item, model]),
            }
            for item, model in _outside(scores)
        ]
    return tasks, rows


def _outside(scores: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cells that are no share, a hundred at most."""
    places = np.argwhere(~((scores >= 0) & (scores <= 1)) & ~np.isnan(scores))
    yield from ((int(item), int(model)) for item, model in places[:100])


def _array(value: object) -> np.ndarray:
    load = getattr(value, "load", None)
    return np.asarray(load() if callable(load) else value)
