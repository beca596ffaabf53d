"""The corruptions: families over files, lines, leaves of the manifest, columns, groups and footers."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release import layout
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.scores import read_scores
from routerset.release.texts import evaluator_files
from routerset.schemas.released import LIMITS_SCHEMA
from routerset.schemas.tables import Split
from tests.attacks.forge import Attack, Forgery, Json

BOTH, VERIFY, VALIDATE = "verify, validate", "verify", "validate"
DATA, TEST = "data/gsm8k/train.parquet", "data/gsm8k/test.parquet"
VECTORS = "vectors/ready/gsm8k/train.parquet"
SCORES, GPQA = "scores/gsm8k.parquet", "data/gpqa/train.parquet"
_OWN = [
    *("item", "item_id", "subset", "category", "question", "question_source", "prompt", "question_id"),
    *("family_id", "split_paper", "split_family"),
]
_GROUPS = ["paper_m3_all_strong", "paper_m3_all_weak", "paper_m3_strong_to_weak"]

Candidates: TypeAlias = dict[Any, list[str]]
"""Models by rank of every group."""
UNKNOWN = (
    "evaluator/__pycache__/metrics.cpython-311.pyc", "evaluator/routers/__pycache__/knn.cpython-312.pyc",
    "evaluator/metrics.pyc", "evaluator/numpy.so", "evaluator/.hidden", "evaluator/.git/config",
    "evaluator/.cache/huggingface/x", "evaluator/.gitattributes", "evaluator/routers/data.bin", "notes.txt",
    "json.py", "numpy.py", ".env", "Makefile", "README.md~", "readme.md", "SHA256SUMS.bak", "LICENSE.txt",
    ".cache/other/x", ".github/workflows/x.yml", "data/notes.md", "data/gsm8k/extra.parquet",
    "data/.git/config", "data/gsm8k/.cache/huggingface/x", "data/gsm8k/__pycache__/x.pyc",
    "data/other/train.parquet", "scores/other.parquet", "scores/gsm8k.parquet.zip", "models/part-0.parquet",
    "vectors/other/gsm8k/train.parquet", "vectors/ready/other/test.parquet", "validation/results.json",
    "tables/runs.parquet", "reports/.report.html.part", "reports/more/figure2_scaling.png",
    "reports/\u202egnp.exe", "evaluator/metrics.py\u200b", "data/gsm8k/train\n.parquet",
)  # fmt: skip
"""Files that no release has."""
BUT_PLAIN = ("evaluator/evil.py", "evaluator/routers/json.py", "reports/other.md", "reports/secret.png")
"""Files that no release has, under names as those have: a list of the real ones is needed."""
LINKED = (
    "README.md",
    "LICENSE",
    "models.parquet",
    DATA,
    SCORES,
    "evaluator/metrics.py",
    "reports/report.html",
)


def unknown_files() -> Iterator[Attack]:
    for path in UNKNOWN:
        yield Attack(f"file {path!r}", partial(Forgery.write, path=path, data=b"x"), BOTH, papers=False)
    for path in BUT_PLAIN:
        yield Attack(f"file {path!r}", partial(Forgery.write, path=path, data=b"x"), papers=False)


def strange_kinds() -> Iterator[Attack]:
    def link(f: Forgery, path: str) -> None:
        outside = f.root.with_name(f"{f.root.name}-outside")
        (f.root / path).rename(outside)
        (f.root / path).symlink_to(outside)

    def make(f: Forgery, path: str, kind: Callable[[Path], object]) -> None:
        kind(f.root / path)

    def listen(path: Path) -> None:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 108 characters
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)

    for path in (*LINKED, "evaluator", "reports", "data", "data/gsm8k"):
        yield Attack(f"link {path}", partial(link, path=path), BOTH, papers=False)
    for path in ("pipe", "evaluator/pipe", "data/gsm8k/pipe"):
        yield Attack(f"fifo {path}", partial(make, path=path, kind=os.mkfifo), BOTH, papers=False)
    yield Attack("socket", partial(make, path="socket", kind=listen), BOTH, papers=False)
    yield Attack("loop", partial(make, path="a", kind=lambda p: p.symlink_to(p)), BOTH, papers=False)
    for path in (".git", ".cache", "SHA256SUMS.sig"):
        kind = partial(make, path=path, kind=lambda p: p.symlink_to(p.parent.parent))
        yield Attack(f"link {path}", kind, BOTH, papers=False)


def removed_files() -> Iterator[Attack]:
    for path in ("LICENSE", "CHANGELOG.md", "CITATION.cff", "eval.yaml", "croissant.json", "README.md",
                 "evaluator/metrics.py", "evaluator/__init__.py", "evaluator/README.md",
                 "evaluator/routers/knn.py"):  # fmt: skip
        tools = VERIFY if path.startswith("evaluator/") else BOTH
        yield Attack(f"no {path}", lambda f, p=path: (f.root / p).unlink(), tools, papers=False)
    for path in (DATA, VECTORS, SCORES, "models.parquet", "groups.parquet", "limits.parquet"):
        yield Attack(f"no {path}", lambda f, p=path: (f.root / p).unlink(), VERIFY, papers=False)


def altered_code() -> Iterator[Attack]:
    for path in evaluator_files():
        change = partial(Forgery.text, path=path, change=lambda text: f"{text}\n# more\n")
        yield Attack(f"more in {path}", change, papers=False)
    path = "evaluator/metrics.py"
    better = partial(Forgery.text, path=path, change=lambda t: t.replace("return ", "return 0.01 + ", 1))
    yield Attack("metrics are 0.01 better", better, papers=False)
    yield Attack("metrics of another version", lambda f: f.write(path, b'"""Metrics."""\n'), papers=False)


def altered_papers() -> Iterator[Attack]:
    def edit(name: str, path: str, change: Callable[[str], str], tools: str = VERIFY) -> Attack:
        return Attack(f"{path}: {name}", partial(Forgery.text, path=path, change=change), tools, papers=False)

    def swapped(text: str) -> str:
        exchanged = {"train": "test", "test": "train"}
        return re.sub(r"data/gsm8k/(train|test)\.", lambda m: f"data/gsm8k/{exchanged[m[1]]}.", text)

    card, log = "README.md", "CHANGELOG.md"
    yield edit("sides exchanged", card, swapped)
    yield edit("another benchmark's files", card, lambda t: t.replace('"data/gsm8k/', '"data/gpqa/'), BOTH)
    config = '- config_name: "more"\n  data_files:\n  - split: train\n    path: "scores/gpqa.parquet"\n'
    yield edit("one more config", card, lambda t: t.replace("configs:\n", f"configs:\n{config}"))
    yield edit("another default", card, lambda t: t.replace("default: true, ", "", 1))
    yield edit(
        "other numbers of examples", card, lambda t: re.sub(r"num_examples: \d+", "num_examples: 1", t)
    )
    yield edit("a link", card, lambda t: t.replace("https://arxiv.org/abs/2503.10657", "https://example.org"))
    yield edit("a model", card, lambda t: t.replace("all-MiniLM-L6-v2", "all-MiniLM-L12-v2"))
    yield edit("text at the end", card, lambda t: t + "More.\n")
    yield edit("no newline at the end", card, str.rstrip)
    yield edit("returns", card, lambda t: t.replace("\n", "\r\n"))
    yield edit("nothing", card, lambda _: "")
    for title in ("How to load", "Results", "What is in it", "How it was built", "Known limitations",
                  "Licences and terms", "Citation"):  # fmt: skip
        yield edit(
            f"no {title}", card, lambda t, title=title: re.sub(rf"## {title}\n(.|\n)*?(?=\n## |\Z)", "", t)
        )
    for key in ("@context", "conformsTo", "name", "description", "version", "citeAs", "license", "recordSet",
                "distribution"):  # fmt: skip
        yield edit(f"no {key}", "croissant.json", lambda t, key=key: t.replace(f'"{key}"', '"other"', 1))
    yield edit("nothing", "croissant.json", lambda _: "{}\n")
    yield edit("another URL", "croissant.json", lambda t: t.replace('"data/gsm8k/test', '"data/gpqa/test', 1))
    yield edit("nothing", "LICENSE", lambda _: "")
    yield edit("another licence", "LICENSE", lambda t: t.replace("gsm8k: MIT", "gsm8k: CC0"))
    yield edit("another text", "LICENSE", lambda t: t.replace("Apache", "Apathy"))
    yield edit("spaces", "manifest.json", lambda t: t.replace('": ', '":  '))
    yield edit("a key twice", "manifest.json", lambda t: t.replace("{\n", '{\n "seed": 1,\n', 1))
    for name, change in _histories():
        yield edit(name, log, change)
    swap = lambda t: re.sub(r"(?<=files: `)[0-9a-f]{64}", "0" * 64, t, count=1)  # noqa: E731
    yield Attack("another digest", partial(Forgery.text, path=log, change=swap), papers=False, digest=False)


def _histories() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield "nothing", lambda _: ""
    yield "another heading", lambda t: t.replace("## 1.1.0", "## 1.2.0")
    yield "an older heading", lambda t: t.replace("## 1.0.0", "## 0.9.0")
    yield "no older entry", lambda t: t[: t.index("\n## 1.0.0")]
    yield (
        "entries exchanged",
        lambda t: re.sub(r"1\.([01])\.0", lambda m: f"1.{1 - int(m[1])}.0", t),
    )
    yield "one more entry", lambda t: f"{t}\n## 0.1.0\n\nFirst.\n"
    yield "another meaning", lambda t: t.replace("# Changelog", "# Changes")
    yield "another level", lambda t: t.replace("MINOR after", "PATCH after")
    yield (
        "a major change",
        lambda t: t.replace("MINOR", "MAJOR"),
    )
    yield "a change of nothing", lambda t: t.replace("- MINOR, dataset", "- MINOR, arc")
    yield "text in between", lambda t: t.replace("\n## 1.0.0", "\nMore.\n\n## 1.0.0")
    yield "text in an entry", lambda t: t.replace("MINOR after", "Do look: MINOR after")
    yield "text at the end", lambda t: f"{t}\nMore.\n"
    yield "other counts", lambda t: t.replace("| gsm8k | 20 |", "| gsm8k | 21 |")
    yield "another mean", lambda t: re.sub(r"\| gpqa (.*) 0\.\d+ \|", r"| gpqa \1 0.900000 |", t)
    yield "another shift", lambda t: t.replace("+0.000000", "+0.100000")
    yield "a row less", lambda t: re.sub(r"\| data/gpqa/test.*\n", "", t)
    yield "another sum", lambda t: re.sub(r"(\| data/gpqa/test.*`)[0-9a-f]{64}", rf"\g<1>{'0' * 64}", t)
    yield "an older sum", lambda t: re.sub(r"(\| models.parquet.*`)[0-9a-f]{64}", rf"\g<1>{'0' * 64}", t)


FREE = re.compile(
    r"release\.(name|version)|libraries|accounting\.\d+\.(source|notes\..*)|.*\.(n_runs|sha256|rows|bytes|arrow_bytes)"
    r"|.*\.runs_superseded|settings\..*|schema_version"
)
"""Leaves that nothing else in a release tells, or that the forger makes anew."""
CHECKED_BY_VALIDATE = re.compile(
    r"benchmarks\.\w+\.(reference_model|reference_score|text_published)|release\.previous"
)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value of a JSON document that is no object and no list, and its place."""
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield from leaves(value, (*path, key))
    if not isinstance(node, dict | list):
        yield path, node


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.75
    return "9.0.0" if value is None or re.fullmatch(r"[\d.]+", value) else f"{value}x"


def _put(document: Json, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def manifest_leaves(document: Json) -> Iterator[Attack]:
    """Every leaf of one benchmark and of all that is no benchmark's, changed; papers say the same."""
    for path, value in leaves(document):
        name = ".".join(map(str, path))
        shown = not name.startswith("benchmarks") or name.startswith("benchmarks.gpqa")
        if shown and not FREE.fullmatch(name) and not name.startswith("libraries"):
            change = partial(_put, path=path, value=_other(value))
            tools = BOTH if CHECKED_BY_VALIDATE.fullmatch(name) else VERIFY
            yield Attack(f"manifest {name}", lambda f, change=change: f.manifest(change), tools)


OBJECTS = (
    (), ("release",), ("benchmarks", "gsm8k"), ("benchmarks", "gsm8k", "groups", 0),
    ("benchmarks", "gsm8k", "skipped_groups", 0), ("benchmarks", "gsm8k", "splits", "paper"),
    ("benchmarks", "gsm8k", "texts"), ("tables", DATA), ("encoders", "minilm"), ("encoders", "ready"),
    ("settings",), ("libraries",), ("accounting", 0),
)  # fmt: skip
"""Objects of the manifest, whose keys are closed."""


def manifest_keys() -> Iterator[Attack]:
    for path in OBJECTS:
        change = partial(_put, path=(*path, "note"), value="withheld text")
        where = ".".join(map(str, path)) or "the top"
        yield Attack(f"manifest: a key at {where}", lambda f, change=change: f.manifest(change), BOTH)


def manifest_claims() -> Iterator[Attack]:
    def edit(name: str, change: Callable[[Json], object], tools: str = VERIFY) -> Attack:
        return Attack(f"manifest: {name}", lambda f: f.manifest(change), tools)

    skipped = {"method": "paper", "m": 7, "kind": "all_weak", "reason": "too few"}
    yield edit(
        "an invented skipped group", lambda d: d["benchmarks"]["gsm8k"]["skipped_groups"].append(skipped)
    )
    yield edit("no skipped group", lambda d: d["benchmarks"]["gsm8k"].update(skipped_groups=[]))
    yield edit("a later previous version", lambda d: d["release"].update(previous="2.0.0"), BOTH)
    yield edit("no previous version", lambda d: d["release"].update(previous=None))
    yield edit("no accounting", lambda d: d.update(accounting=[]), VALIDATE)
    yield edit("a size that nobody chose", lambda d: d["sizes"].append(4))
    yield edit("no sizes", lambda d: d.update(sizes=[]))
    yield edit("no methods", lambda d: d.update(methods=[]))
    yield edit("sizes of another kind", lambda d: d.update(sizes=["3"]))
    yield edit("a version of another form", lambda d: d["release"].update(version="1.1"), BOTH)
    yield edit("an encoder that nobody uses", lambda d: d["encoders"].update(more=d["encoders"]["ready"]))
    yield edit("dumps that gave no vectors", lambda d: d["encoders"]["ready"].update(from_dump=["arc"]))


def _gsm8k(document: Json) -> Json:
    entry: Json = document["benchmarks"]["gsm8k"]
    return entry


def edited(column: str, value: Callable[[Any], Any], row: int = 2) -> Callable[[pa.Table], pa.Table]:
    """A change of one value of a column."""

    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        values = table[column].to_pylist()
        before, values[row] = values[row], value(values[row])
        assert str(values[row]) != str(before)
        made = pa.array(values, field.type)
        return table.set_column(table.column_names.index(column), field, made)

    return change


def _flip(values: list[float]) -> list[float]:
    return [1 - values[0], *values[1:]]


def table_values() -> Iterator[Attack]:
    """One value of every column."""
    changes: dict[str, Callable[[Any], Any]] = dict.fromkeys(_OWN, lambda v: f"{v}x")
    changes |= {"item": lambda v: v + 1, "split_paper": lambda _: "test", "split_family": lambda _: "nowhere"}
    for group in _GROUPS:
        changes |= {group: _flip, f"{group}_label": _flip}
    for column, value in changes.items():
        if column not in ("prompt", "category"):  # nothing else tells how a question was put, or its kind
            tools = (
                VALIDATE if column in ("question", "question_source", "question_id", "family_id") else VERIFY
            )
            where = f"{DATA} {column}"
            yield Attack(where, lambda f, c=column, v=value: f.table(DATA, edited(c, v)), tools)
    for column in ("item_id", "subset", *_GROUPS, *(f"{g}_label" for g in _GROUPS)):
        value = changes[column]
        yield Attack(f"{VECTORS} {column}", lambda f, c=column, v=value: f.table(VECTORS, edited(c, v)))
    for name, number in (("NaN", np.nan), ("infinite", np.inf)):
        worse = edited("embedding", lambda v, number=number: [number, *v[1:]])
        yield Attack(f"{VECTORS} {name}", lambda f, worse=worse: f.table(VECTORS, worse), BOTH)
    for name, number in (("NaN", np.nan), ("1.5", 1.5), ("-0.5", -0.5), ("infinite", np.inf), ("0.5", 0.5)):
        worse = edited("score", lambda _, number=number: number)
        yield Attack(f"{SCORES} {name}", lambda f, worse=worse: f.table(SCORES, worse))
    yield Attack(f"{SCORES} flipped", lambda f: f.table(SCORES, edited("score", lambda v: 1 - v)))
    for item in (-1, 99):
        yield Attack(f"{SCORES} item {item}", lambda f, i=item: f.table(SCORES, edited("item", lambda _: i)))
    yield Attack(f"{SCORES} model", lambda f: f.table(SCORES, edited("model_id", lambda v: f"{v}x")))
    for column in ("benchmark", "method", "kind", "model_id"):
        change = edited(column, lambda v: f"{v}x")
        yield Attack(f"groups {column}", lambda f, change=change: f.table("groups.parquet", change))
    for column in ("m", "rank"):
        change = edited(column, lambda v: v + 1)
        yield Attack(f"groups {column}", lambda f, change=change: f.table("groups.parquet", change))
    for column in LIMITS_SCHEMA.names:
        change = edited(
            column, lambda v: f"{v}x" if isinstance(v, str) else v + (1 if type(v) is int else 1e-12)
        )
        yield Attack(f"limits {column}", lambda f, change=change: f.table("limits.parquet", change))
    for column in ("model_id", "org", "leaderboards"):
        change = edited(column, lambda v: [*v, "v9"] if isinstance(v, list) else f"{v}x")
        tools = VERIFY if column == "model_id" else VALIDATE
        yield Attack(f"models {column}", lambda f, change=change: f.table("models.parquet", change), tools)


def table_rows() -> Iterator[Attack]:
    """Rows removed, repeated and moved."""
    for path in (DATA, VECTORS, SCORES, "models.parquet", "groups.parquet", "limits.parquet", GPQA):
        yield Attack(f"{path}: a row less", lambda f, p=path: f.table(p, lambda t: t.slice(1)))
        yield Attack(f"{path}: no row", lambda f, p=path: f.table(p, lambda t: t.slice(0, 0)))
        twice = lambda t: pa.concat_tables([t.slice(0, 1), t])  # noqa: E731
        yield Attack(f"{path}: a row twice", lambda f, p=path, twice=twice: f.table(p, twice))
        moved = lambda t: t.take([*range(1, len(t)), 0])  # noqa: E731
        tools = VALIDATE if path == SCORES else VERIFY
        yield Attack(f"{path}: another order", lambda f, p=path, moved=moved: f.table(p, moved), tools)
        yield Attack(f"{path}: no table", lambda f, p=path: f.write(p, b"PAR1"))

    def exchange(f: Forgery) -> None:
        tables = {path: f.read(path) for path in (DATA, TEST)}
        f.table(DATA, lambda _: tables[TEST])
        f.table(TEST, lambda _: tables[DATA])

    yield Attack("sides exchanged", exchange, BOTH)
    exchanged = {"diamond": "main", "main": "diamond"}

    def subsets(f: Forgery) -> None:
        for side in Split:
            f.table(f"data/gpqa/{side}.parquet", lambda t: _mapped(t, "subset", exchanged))
            for encoder in ("ready", "minilm"):
                f.table(f"vectors/{encoder}/gpqa/{side}.parquet", lambda t: _mapped(t, "subset", exchanged))

    yield Attack("subsets of gpqa exchanged", subsets)


def _mapped(table: pa.Table, column: str, names: dict[str, str]) -> pa.Table:
    field = table.schema.field(column)
    values = [names.get(value, value) for value in table[column].to_pylist()]
    return table.set_column(table.column_names.index(column), field, pa.array(values, field.type))


def footers() -> Iterator[Attack]:
    """What a Parquet file can say beside its rows."""

    def told(t: pa.Table) -> pa.Table:
        return t.replace_schema_metadata({**(t.schema.metadata or {}), "note": "withheld text"})

    def described(t: pa.Table, more: bool = True) -> pa.Table:
        field = t.schema.field(0)
        note = {**field.metadata, "note": "withheld text"} if more else {"doc": "withheld text"}
        return t.cast(t.schema.set(0, field.with_metadata(note)))

    def nullable(t: pa.Table) -> pa.Table:
        return t.cast(t.schema.set(0, t.schema.field(0).with_nullable(True)))

    def turned(t: pa.Table) -> pa.Table:
        return t.select([*t.column_names[1:], t.column_names[0]])

    def column(t: pa.Table) -> pa.Table:
        return t.append_column("api_key", pa.repeat("x", len(t)))

    changes = {
        "a note in the footer": (told, BOTH), "a note at a column": (described, BOTH),
        "another description": (partial(described, more=False), BOTH), "nulls allowed": (nullable, VERIFY),
        "columns in another order": (turned, VERIFY), "a column more": (column, BOTH),
        "a column less": (lambda t: t.drop_columns([t.column_names[-1]]), BOTH),
    }  # fmt: skip
    for path in (DATA, VECTORS, SCORES, "models.parquet", "groups.parquet", "limits.parquet"):
        for name, (change, tools) in changes.items():
            yield Attack(f"{path}: {name}", lambda f, p=path, c=change: f.table(p, c), tools)


def withheld() -> Iterator[Attack]:
    """Questions that must not be published."""
    for column in ("question", "prompt"):
        put = edited(column, lambda _: "Which of these is secret?")
        yield Attack(f"gpqa: {column}", lambda f, put=put: f.table(GPQA, put), BOTH)

    def allowed(f: Forgery) -> None:
        f.manifest(lambda d: d["benchmarks"]["gpqa"].update(text_published=True))
        n = len(f.read(GPQA))
        f.manifest(lambda d: d["benchmarks"]["gpqa"].update(texts={"question": n, "prompt": 0}))
        texts = pa.array([f"Secret {i}?" for i in range(n)])
        f.table(
            GPQA, lambda t: t.set_column(t.column_names.index("question"), t.schema.field("question"), texts)
        )

    yield Attack("gpqa: questions, allowed", allowed, BOTH)


def groups() -> Iterator[Attack]:
    """Candidates, exchanged or removed everywhere alike."""

    def remade(f: Forgery, change: Callable[[Candidates], Candidates], *names: str) -> None:
        manifest = read_manifest(f.root)
        table = f.read("groups.parquet")
        members = {
            name: layout.members_of(table.filter(pc.equal(table["benchmark"], name)), "groups")
            for name in manifest.benchmarks
        }
        for name in names or tuple(members):
            members[name] = change(members[name])
            _columns(f, manifest, name, members[name])
            rows = [group.row for group in members[name]]
            f.manifest(lambda d, name=name, rows=rows: d["benchmarks"][name].update(groups=rows))
        f.table("groups.parquet", lambda _: layout.groups_table(members))

    def without(m: int) -> Callable[[Candidates], Candidates]:
        return lambda members: {g: models for g, models in members.items() if g.m != m}

    def turned(members: Candidates) -> Candidates:
        return {g: models[::-1] for g, models in members.items()}

    def other(members: Candidates) -> Candidates:
        everyone = sorted({model for models in members.values() for model in models})
        return {
            g: [*models[:-1], next(m for m in everyone if m not in models)] for g, models in members.items()
        }

    def fewer(members: Candidates) -> Candidates:
        return dict(list(members.items())[1:])

    for name, change in (
        ("no group of 3", without(3)),
        ("turned", turned),
        ("others", other),
        ("one less", fewer),
    ):
        yield Attack(f"groups: {name}", partial(remade, change=change))
        yield Attack(f"groups of gsm8k: {name}", lambda f, change=change: remade(f, change, "gsm8k"))


def _columns(f: Forgery, manifest: Manifest, name: str, members: Candidates) -> None:
    """Write the columns of groups of a benchmark's files."""
    models = sorted({model for candidates in members.values() for model in candidates})
    matrix, _ = read_scores(f.root / layout.scores_path(name), models, manifest.benchmarks[name].n_items)
    rows = {g: np.array([models.index(m) for m in candidates]) for g, candidates in members.items()}
    entry = manifest.benchmarks[name]
    old = {column for g in entry.groups for column in (g.column, g.label_column)}
    for side in Split:
        items = f.read(layout.data_path(name, side))["item"].to_numpy()
        block = np.ascontiguousarray(matrix[:, items].T)
        made = layout.group_columns(block, rows)
        for path in (
            layout.data_path(name, side),
            *(layout.vectors_path(e, name, side) for e in entry.encoders),
        ):
            table = f.read(path)
            fields = {field.name: field for field in table.schema}
            table = table.select([column for column in table.column_names if column not in old])
            for column, values in made.items():
                table = table.append_column(fields[column], values)
            f.table(path, lambda _, table=table: table)


def attacks(document: Json) -> list[Attack]:
    """All of them. document: the manifest of the release that is attacked."""
    families = (unknown_files, strange_kinds, removed_files, altered_code, altered_papers, manifest_keys,
                manifest_claims, table_values, table_rows, footers, withheld, groups)  # fmt: skip
    return [*(attack for family in families for attack in family()), *manifest_leaves(document)]
