"""A build that goes on from files that were altered, cut short or removed: it ends with the same bytes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.embed.encoders import ENCODERS
from routerset.etl import records
from routerset.etl.build import build, steps
from routerset.etl.config import Runner, load_config
from routerset.etl.ingest import packs, shards
from routerset.etl.manifest import Manifest, load
from routerset.etl.sources.wide import SOURCE as WIDE
from routerset.etl.stages.rows import STAGES
from routerset.etl.synth import Layout, Plan, build_config, write
from routerset.schemas import store
from tests.dumps import truth, write_config, write_items, write_wide
from tests.embed.tiny import save_model, tiny_encoder

PLAN = Plan(models=9, layout=Layout.DETAILS_NEW, benchmarks=("arc",))
DESCRIBED = '[[models]]\npath = "models.csv"\n[models.columns]\nmodel_id = "name"\nlicense = "license"\n'
KEPT = (".lock", "staging", "validation")
"""What may differ between builds of the same dumps."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that takes no time, and packs of the fewest shards."""
    monkeypatch.setitem(ENCODERS, "tiny", tiny_encoder("tiny"))
    monkeypatch.setattr(packs, "FEW", 0)


def run(config: Path, out: Path, *, check: bool = False) -> tuple[Manifest, dict[str, str]]:
    """A build by a process of its own: it remembers no digest. What became of every stage, besides."""
    records._digest.cache_clear()
    said: dict[str, str] = {}
    made = build(load_config(config), out, Runner(), said.__setitem__, None, lambda *_: {}, check=check)
    return made, said


def tree(out: Path) -> dict[str, str]:
    """Checksum of every file that a build is for."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] not in KEPT
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with dumps of two formats, `x.toml`, and their undisturbed build, `out`."""
    folder = tmp_path_factory.mktemp("clean")
    known = truth()
    holed = np.where(np.arange(20) == 3, np.nan, known.scores)
    write_wide(folder / "dumps/a.csv", known.models[:6], known.keys, known.scores[:6])
    write_wide(folder / "dumps/b.csv", known.models[6:], known.keys, holed[6:])
    write_items(folder / "items.csv", known.keys)
    (folder / "models.csv").write_text(f"name,license\n{known.models[0]},mit\n")
    write(folder / "logs", PLAN)
    save_model("bert", folder / "model")
    extra = f'{DESCRIBED}[embed]\nencoders = ["tiny"]\ndtype = "float32"\n[embed.paths]\ntiny = "model"\n'
    config = write_config(folder / "x.toml", extra=extra)
    logs = build_config(Path("logs"), PLAN)
    config.write_text(logs[logs.index("[[source]]") : logs.index("[groups]")] + config.read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENCODERS, "tiny", tiny_encoder("tiny"))
        patch.setattr(packs, "FEW", 0)
        run(config, folder / "out")
    return folder


def kinds(out: Path) -> dict[str, str]:
    """A file of every kind that a build folder holds, by its path without what names one among many."""
    paths = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and p.name != ".lock")
    return {re.sub(r"[0-9a-f]{32}|arc|gsm8k", "*", path): path for path in paths}


def alter(path: Path) -> None:
    """Change a file's content and neither its size nor its time: two rows exchanged, or a bit."""
    before, data = path.stat(), path.read_bytes()
    for swapped in _swaps(path):
        if len(swapped) == len(data) and swapped != data:
            break
    else:
        swapped = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    path.write_bytes(swapped)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def _swaps(path: Path) -> Iterator[bytes]:
    """A table's file with other rows exchanged each time, the columns that may tell rows apart left alone."""
    if path.suffix != ".parquet":
        return
    table = pq.read_table(path, partitioning=None)
    for name in ("values", "score", "question", "vector", "split", "license"):
        for at in range(min(len(table) - 1, 30)) if name in table.column_names else ():
            places = np.arange(len(table))
            places[[at, at + 1]] = at + 1, at
            column = table.schema.get_field_index(name)
            other = table.set_column(column, table.schema.field(name), table[name].take(pa.array(places)))
            draft = path.with_suffix(".draft")
            with store.open_writer(draft, table.schema) as writer:
                writer.write_table(other, row_group_size=store.ROW_GROUP)
            data = draft.read_bytes()
            draft.unlink()
            yield data


def tables(out: Path) -> dict[str, str]:
    return {path: digest for path, digest in tree(out).items() if path.startswith("tables/")}


def go_on(clean: Path, out: Path, harm: Callable[[Path], object], *harmed: str) -> None:
    """Build on from a copy of the build, to its tables, some files harmed, and some made of them gone."""
    shutil.copytree(clean / "out", out)
    later = [path for path in tree(out) if path.startswith(("tables/scores", "tables/embeddings"))]
    for path in harmed:
        harm(out / path)
    for path in later if harmed[0].startswith("staging/") else later[:1]:
        (out / path).unlink(missing_ok=True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("routerset.etl.build.STAGES", STAGES[:-1])
            run(clean / "x.toml", out)
        assert tables(out) == tables(clean / "out")
    except BaseException as error:
        error.add_note(f"harmed: {', '.join(harmed)}")
        raise
    shutil.rmtree(out)


def test_every_kind_of_file_is_there(clean: Path) -> None:
    """Otherwise the tests below say less than they seem to."""
    assert kinds(clean / "out").keys() >= {
        "manifest.json",
        "release/data/*/train.parquet",
        "staging/canonical/*/*/items.parquet",
        "staging/canonical/*/*/kept.json",
        "staging/canonical/*/*/prompts.parquet",
        "staging/docsets/*.parquet",
        "staging/done/*.json",
        "staging/done/pack-*.json",
        "staging/packs/*.arrow",
        "staging/parts/*/runs.parquet",
        "staging/plan.json",
        "staging/seen.json",
        "staging/shards/*/*.runs.arrow",
        "staging/shards/*/batch.json",
        "staging/shards/*/quarantine.parquet",
        "tables/embeddings/encoder=tiny/benchmark=*/part-0.parquet",
        "tables/items/benchmark=*/part-0.parquet",
        "tables/models.parquet",
        "tables/quarantine.parquet",
        "tables/runs.parquet",
    }
    assert list((clean / "out/staging/vectors").rglob("*.arrows"))


@pytest.mark.parametrize("harm", [alter, Path.unlink])
@pytest.mark.parametrize("room", ["staging", "tables"])
def test_a_file_that_is_not_as_it_was_written_is_made_again(
    clean: Path, tmp_path: Path, room: str, harm: Callable[[Path], object]
) -> None:
    """Every kind of file that a build leaves, found by looking."""
    for kind, path in kinds(clean / "out").items():
        if kind.startswith(room):
            go_on(clean, tmp_path / "out", harm, path)


def test_any_file_of_a_release_that_is_not_as_it_was_written_has_it_made_again(
    clean: Path, tmp_path: Path
) -> None:
    out, config = tmp_path / "out", load_config(clean / "x.toml")
    shutil.copytree(clean / "out", out)
    release = [path for path in tree(out) if path.startswith("release/")]
    for path in release:
        alter(out / path)
        assert dict(steps(config, out))["release"], path
        shutil.copy2(clean / "out" / path, out / path)
    assert not any(runs for _, runs in steps(config, out))
    alter(out / "manifest.json")
    for path in release[::2]:
        if path != "release/SHA256SUMS":  # else nothing tells that the release is ours
            alter(out / path)
    run(clean / "x.toml", out)
    assert tree(out) == tree(clean / "out")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "5",
        '[{"outputs": []}]',
        '{"outputs": 5, "info": [], "fingerprint": null}',
        '{"outputs": [{"path": 1, "sha256": 2, "bytes": "x", "rows": []}], "info": {}, "fingerprint": ""}',
        '{"schema_version": 1, "stages": [], "plan": 1, "seen": {}, "files": 1, "n_read": {"arc": 1}}',
        "[" * 200_000,
        '{"a":' * 200_000,
        "\x00",
    ],
)
def test_a_record_that_is_none_is_as_good_as_missing(clean: Path, tmp_path: Path, text: str) -> None:
    found = [p.relative_to(clean / "out").as_posix() for p in (clean / "out/staging").rglob("*.json")]
    go_on(clean, tmp_path / "out", lambda path: path.write_text(text), *found, "manifest.json")


def test_a_record_that_was_cut_short_is_as_good_as_missing(clean: Path, tmp_path: Path) -> None:
    found = [p.relative_to(clean / "out").as_posix() for p in (clean / "out/staging").rglob("*.json")]
    cut = lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # noqa: E731
    go_on(clean, tmp_path / "out", cut, *found, "manifest.json")


def test_a_record_is_of_what_stands_where_it_was_written(clean: Path, tmp_path: Path) -> None:
    """Not of another batch, mark or benchmark: each is whole, and in the other's place."""
    staging = clean / "out/staging"
    batches = sorted(path for path in (staging / "shards").iterdir() if len(list(path.iterdir())) == 2)
    marks = sorted(path for path in (staging / "done").iterdir() if not path.name.startswith("pack"))

    def exchange(path: Path) -> None:
        for one, other in ((batches[0], batches[-1]), (marks[0], marks[-1])):
            first, second = (path / each.relative_to(staging) for each in (one, other))
            first.rename(path / "aside")
            second.rename(first)
            (path / "aside").rename(second)

    go_on(clean, tmp_path / "out", exchange, "staging/")


def test_with_nothing_to_do_a_file_that_changed_is_noticed_too(clean: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(clean / "out", out)
    assert set(run(clean / "x.toml", out)[1].values()) == {"up to date"}
    for path in ("tables/runs.parquet", "release/leaderboard.parquet"):
        if (out / path).exists():
            alter(out / path)
    assert ("ingest", True) in steps(load_config(clean / "x.toml"), out)
    run(clean / "x.toml", out)
    assert tree(out) == tree(clean / "out")
    assert set(run(clean / "x.toml", out)[1].values()) == {"up to date"}
    assert load(out) == load(clean / "out")


def test_a_gate_is_passed_for_the_files_that_it_saw(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for whatever the stage may write from the same inputs."""
    marks: dict[str, list[str]] = {}

    def gate(out: Path, stage: str, mark: str) -> store.JsonObject:
        marks.setdefault(stage, []).append(mark)
        return {}

    out = tmp_path / "out"
    shutil.copytree(clean / "out", out)
    config = load_config(clean / "x.toml")
    build(config, out, Runner(), lambda *_: None, "ingest", gate)
    path = out / "manifest.json"
    known = load(out)
    assert known is not None
    ingested = known.stages["ingest"]
    model = next(output for output in ingested.outputs if output.path == "tables/models.parquet")
    alter(out / model.path)
    other = tuple(store.describe(out, out / o.path, o.rows) for o in ingested.outputs)
    records.write_sealed(
        path,
        records.read_sealed(path)  # type: ignore[operator]
        | {"stages": {"ingest": {"info": ingested.info, "fingerprint": ingested.fingerprint,
                                 "outputs": [o.__dict__ for o in other]}}},
    )  # fmt: skip
    build(config, out, Runner(), lambda *_: None, "ingest", gate)
    first, second = marks["ingest"][:2]
    assert first != second


# dumps


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A config of two wide files, a batch each, and an items file."""
    known = truth()
    write_wide(tmp_path / "dumps/a.csv", known.models[:6], known.keys, known.scores[:6])
    write_wide(tmp_path / "dumps/b.csv", known.models[6:], known.keys, known.scores[6:])
    write_items(tmp_path / "items.csv", known.keys)
    return write_config(tmp_path / "x.toml")


def flip(path: Path) -> bytes:
    """Exchange the digits of a row's last two scores, in a new file of the same size and time."""
    before, data = path.stat(), path.read_bytes()
    changed = data.replace(b"is 0 plus 0", b"is 0 minus0") if path.name == "items.csv" else None
    if changed is None:
        head, _, rest = data.partition(b"\r\n")
        changed = head + b"\r\n" + rest.replace(b",0,1", b",1,0", 1)
    assert changed != data
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(changed)
    os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
    draft.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    return changed


@pytest.mark.parametrize("name", ["dumps/a.csv", "items.csv"])
def test_a_file_of_the_same_size_and_time_is_another_file(plain: Path, tmp_path: Path, name: str) -> None:
    run(plain, tmp_path / "out")
    before = tables(tmp_path / "out")
    flip(tmp_path / name)
    assert ("ingest", True) in steps(load_config(plain), tmp_path / "out")
    run(plain, tmp_path / "out")
    run(plain, tmp_path / "cold")
    assert tables(tmp_path / "out") == tables(tmp_path / "cold") != before


def test_a_copy_of_the_dumps_is_hashed_and_not_read_again(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(plain, tmp_path / "out")
    before = tree(tmp_path / "out")
    shutil.move(tmp_path / "dumps", tmp_path / "was")
    shutil.copytree(tmp_path / "was", tmp_path / "dumps")
    monkeypatch.setattr(shards, "_parse", lambda *_: pytest.fail("read again"))
    _, said = run(plain, tmp_path / "out")
    assert said["ingest"] == "running"
    assert said["splits"] == said["release"] == "up to date"
    assert tree(tmp_path / "out") == before
    assert set(run(plain, tmp_path / "out")[1].values()) == {"up to date"}


@pytest.mark.parametrize(
    "name", ["dumps/a.csv", "items.csv", "out/tables/runs.parquet", "out/release/README.md"]
)
def test_a_check_hashes_what_seems_unchanged(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As on a file system that tells no more than size and time."""

    def identity(path: Path | str) -> str:
        try:
            stat = Path(path).stat()
        except OSError:
            return ""
        return f"{stat.st_size}-{stat.st_mtime_ns}"

    for module in ("etl.records", "etl.build", "etl.ingest.batches"):
        monkeypatch.setattr(f"routerset.{module}.identity", identity)
    run(plain, tmp_path / "out")
    (alter if name.startswith("out") else flip)(tmp_path / name)
    assert set(run(plain, tmp_path / "out")[1].values()) == {"up to date"}
    run(plain, tmp_path / "out", check=True)
    run(plain, tmp_path / "cold")
    assert tables(tmp_path / "out") == tables(tmp_path / "cold")
    if name.startswith("out"):  # of the same dumps, and so of the same version
        assert tree(tmp_path / "out") == tree(tmp_path / "cold")
    assert set(run(plain, tmp_path / "out")[1].values()) == {"up to date"}


def scores_of(out: Path, model: str) -> list[float]:
    table = pq.read_table(out / "tables/scores/benchmark=gsm8k/part-0.parquet").to_pylist()
    return [row["score"] for row in table if row["model_id"] == model]


@pytest.mark.parametrize("hashed", ["first", "last"])
def test_the_hash_is_of_the_bytes_that_were_read(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: str
) -> None:
    """A log is replaced between the reading and the hashing of it."""
    dump, left = tmp_path / "dumps/a.csv", [1]

    def replaced(path: Path | str) -> str:
        if left and str(path) == str(dump):
            left.pop()
            before = hashlib.sha256(dump.read_bytes()).hexdigest()
            flip(dump)
            if hashed == "first":
                return before
        return records.digest_of(path)

    monkeypatch.setattr(shards, "digest_of", replaced)
    run(plain, tmp_path / "out")
    assert left == []
    run(plain, tmp_path / "cold")
    assert tree(tmp_path / "out") == tree(tmp_path / "cold")
    runs = pq.read_table(tmp_path / "out/tables/runs.parquet").to_pylist()
    assert {r["sha256"] for r in runs if r["file"] == "a.csv"} == {
        hashlib.sha256(dump.read_bytes()).hexdigest()
    }


def test_a_dump_that_never_rests_costs_only_itself_and_is_read_the_next_time(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = tmp_path / "dumps/a.csv"

    def read(*args: object) -> Iterator[object]:
        if args[0].path == str(dump):  # type: ignore[attr-defined]
            os.utime(dump)
        yield from WIDE.read(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setitem(shards.SOURCES, "wide", WIDE.__class__(**{**WIDE.__dict__, "read": read}))
        run(plain, tmp_path / "out")
    (found,) = pq.read_table(tmp_path / "out/tables/quarantine.parquet").to_pylist()
    assert (found["file"], found["reason"]) == ("a.csv", "unreadable_file")
    assert "changed whenever it was read" in found["detail"]
    assert scores_of(tmp_path / "out", truth().models[0]) == []
    assert len(scores_of(tmp_path / "out", truth().models[8])) == 20
    run(plain, tmp_path / "out")
    run(plain, tmp_path / "cold")
    assert tables(tmp_path / "out") == tables(tmp_path / "cold")
