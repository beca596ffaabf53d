"""The same Hub as a source of dumps: pinned to a commit, each byte fetched once, patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from routerset.etl.build import build, steps
from routerset.etl.config import Runner, load_config
from routerset.etl.ingest.copies import mirror, with_local_copies
from routerset.etl.sources import files, remote
from routerset.etl.sources.base import DumpUnreadable, SourceSpec
from routerset.etl.stages.rows import STAGES
from tests.dumps import truth, write_config, write_items, write_wide
from tests.publish.clients import in_process, without_waiting
from tests.publish.hub_store import Action, Fault, Hub

NAME = "org/dumps"
DUMPS = f"hf://datasets/{NAME}"
FAULTS = (Action.ERROR, Action.BUSY, Action.CLOSE, Action.LOSE_ANSWER, Action.HALF)


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """Two dumps with their items."""
    known = truth()
    folder = tmp_path / "local"
    write_wide(folder / "dumps/a.csv", known.models[:7], known.keys, known.scores[:7])
    write_wide(folder / "dumps/b.csv", known.models[7:], known.keys, known.scores[7:])
    write_items(folder / "items.csv", known.keys)
    return folder


@pytest.fixture
def source(hub: Hub, dumps: Path) -> Hub:
    """A Hub that holds them, and more."""
    paths = [path for path in dumps.rglob("*") if path.is_file()]
    hub.add(NAME, {path.relative_to(dumps).as_posix(): path.read_bytes() for path in paths})
    hub.add(
        NAME, {"README.md": b"# dumps\n", "dumps/notes.txt": b"notes\n", "other/c.csv": b"model,0\nx,1\n"}
    )
    return hub


def fetched(hub: Hub) -> list[str]:
    """Files that were downloaded, by name, with the commit they were read at."""
    found = [request.path.split("/resolve/")[1] for request in hub.requests if "/resolve/" in request.path]
    return sorted(set(found))


def copies(url: str, cache: Path) -> dict[str, bytes] | tuple[type[Exception], str]:
    """Files of a mirror by name, or the error."""
    without_waiting()
    try:
        root = Path(mirror(url, cache, lambda _: None).split("*")[0])
    except (DumpUnreadable, remote.SourceUnavailable) as error:
        return type(error), str(error)
    found = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    return {path.name: path.read_bytes() for path in found}


def ingest(config: Path, out: Path) -> dict[str, bytes]:
    """Tables of a build, by path."""
    loaded = with_local_copies(load_config(config), out.with_name("cache"), lambda _: None)
    build(loaded, out, Runner(), lambda *_: None, only="ingest")
    tables = sorted(path for path in (out / "tables").rglob("*.parquet"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in tables}


def test_a_build_from_the_hub_is_that_from_a_folder(source: Hub, dumps: Path, tmp_path: Path) -> None:
    expected = in_process(ingest, write_config(dumps / "x.toml"), tmp_path / "out/local")
    config = write_config(tmp_path / "x.toml", dump=f"{DUMPS}/dumps/*.csv")
    config.write_text(config.read_text().replace('"items.csv"', f'"{DUMPS}/items.csv"'))
    assert in_process(ingest, config, tmp_path / "out/remote") == expected
    commit = source.repos[NAME].branches["main"]
    assert fetched(source) == [f"{commit}/{path}" for path in ("dumps/a.csv", "dumps/b.csv", "items.csv")]


def to_run(config: Path, out: Path) -> list[str]:
    """Stages that a build would run."""
    return [stage for stage, runs in steps(load_config(config), out) if runs]


def test_a_dry_run_lists_and_fetches_nothing(source: Hub, dumps: Path, tmp_path: Path) -> None:
    names = [row.split(",")[0] for row in (dumps / "dumps/a.csv").read_text().splitlines()[1:]]
    source.add(NAME, {"models.csv": "\n".join(["name,sha", *(f"{n},abc" for n in names)]).encode()})
    config = write_config(tmp_path / "x.toml", dump=f"{DUMPS}/dumps/*.csv")
    described = (
        f'[[models]]\npath = "{DUMPS}/models.csv"\ncolumns = {{ model_id = "name", revision = "sha" }}'
    )
    config.write_text(f"{config.read_text()}\n{described}\n".replace('"items.csv"', f'"{DUMPS}/items.csv"'))
    out = tmp_path / "out"
    assert in_process(to_run, config, out) == [stage.name for stage in STAGES]
    assert (fetched(source), out.exists()) == ([], False)
    in_process(build, load_config(config), out, Runner(), print, "ingest")
    source.requests.clear()
    assert in_process(to_run, config, out) == [stage.name for stage in STAGES][1:]
    source.add(NAME, {"models.csv": b"name,sha\n"})
    assert in_process(to_run, config, out) == [stage.name for stage in STAGES]
    assert fetched(source) == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("dumps", ["a.csv", "b.csv"]),
        ("", ["a.csv", "b.csv", "c.csv", "items.csv"]),
        ("items.csv", ["items.csv"]),
        ("**/[ac].csv", ["a.csv", "c.csv"]),
    ],
)
def test_only_what_is_named_is_fetched(source: Hub, tmp_path: Path, path: str, names: list[str]) -> None:
    assert sorted(in_process(copies, f"{DUMPS}/{path}".rstrip("/"), tmp_path)) == names
    assert sorted(file.rsplit("/", 1)[1] for file in fetched(source)) == names


def test_a_template_keeps_its_subset(source: Hub, tmp_path: Path) -> None:
    local = in_process(mirror, f"{DUMPS}/dumps/{{subset}}.csv", tmp_path, print)
    assert str(local).endswith(f"/datasets/{NAME}/dumps/{{subset}}.csv")
    assert Path(str(local).replace("{subset}", "a")).exists()


def test_only_what_changed_is_fetched_again(source: Hub, tmp_path: Path) -> None:
    in_process(copies, f"{DUMPS}/dumps", tmp_path)
    source.requests.clear()
    assert sorted(in_process(copies, f"{DUMPS}/dumps", tmp_path)) == ["a.csv", "b.csv"]
    assert fetched(source) == []
    source.add(NAME, {"dumps/b.csv": b"model,0\norg/x,0\n", "dumps/d.csv": b"model,0\norg/y,1\n"})
    tree = source.repos[NAME].commits[source.repos[NAME].branches["main"]]
    del tree["dumps/a.csv"]
    found = in_process(copies, f"{DUMPS}/dumps", tmp_path)
    assert found == {"b.csv": b"model,0\norg/x,0\n", "d.csv": b"model,0\norg/y,1\n"}
    assert [path.rsplit("/", 1)[1] for path in fetched(source)] == ["b.csv", "d.csv"]


def test_a_revision_is_read_as_it_was(source: Hub, tmp_path: Path) -> None:
    repo = source.repos[NAME]
    repo.tags["v1"] = repo.branches["main"]
    old = source.read(NAME, "v1")["dumps/a.csv"]
    source.add(NAME, {"dumps/a.csv": b"new"})
    assert in_process(copies, f"{DUMPS}@v1/dumps/a.csv", tmp_path) == {"a.csv": old}
    assert in_process(copies, f"{DUMPS}/dumps/a.csv", tmp_path) == {"a.csv": b"new"}


def test_a_commit_meanwhile_changes_nothing(source: Hub, tmp_path: Path) -> None:
    old = source.read(NAME, "main")
    source.faults.append(Fault("GET", "/resolve/", Action.KILL_BEFORE))
    source.kills.put(lambda: source.add(NAME, {"dumps/a.csv": b"new", "dumps/b.csv": b"new"}))
    found = in_process(copies, f"{DUMPS}/dumps", tmp_path)
    assert found == {"a.csv": old["dumps/a.csv"], "b.csv": old["dumps/b.csv"]}


@pytest.mark.parametrize(
    ("path", "action"),
    [
        *((path, action) for path in ("/api/datasets/org/dumps", "/resolve/.*a.csv") for action in FAULTS),
        ("/resolve/.*a.csv", Action.CORRUPT),
    ],
)
def test_faults_that_pass_are_waited_for(source: Hub, tmp_path: Path, path: str, action: Action) -> None:
    expected = source.read(NAME, "main")["dumps/a.csv"]
    source.faults.append(Fault("GET", path, action, times=2))
    assert in_process(copies, f"{DUMPS}/dumps/a.csv", tmp_path) == {"a.csv": expected}
    assert source.faults[0].times == 0


@pytest.mark.parametrize("path", ["/api/datasets/org/dumps", "/tree/", "/resolve/.*b.csv"])
@pytest.mark.parametrize("action", [Action.ERROR, Action.CLOSE])
def test_a_service_that_stays_down_is_told(source: Hub, tmp_path: Path, path: str, action: Action) -> None:
    source.faults.append(Fault("GET", path, action, times=1000))
    kind, message = in_process(copies, f"{DUMPS}/dumps", tmp_path)
    assert (kind, kind.exit_code) == (remote.SourceUnavailable, 75)
    assert message.startswith(DUMPS)
    assert message.endswith("; try again later")
    source.faults.clear()
    assert sorted(in_process(copies, f"{DUMPS}/dumps", tmp_path)) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    "url", ["hf://datasets/org/nothing", f"{DUMPS}/nothing", f"{DUMPS}@v9/dumps", f"{DUMPS}/*.pkl"]
)
def test_what_is_not_there_is_told(source: Hub, tmp_path: Path, url: str) -> None:
    kind, message = in_process(copies, url, tmp_path)
    assert kind is DumpUnreadable
    assert message.startswith(f"{url}: ")


@pytest.fixture
def memory() -> Iterator[Callable[[str, bytes], None]]:
    """Writes files of another remote file system."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield lambda path, data: filesystem.pipe(path, data)
    filesystem.store.clear()


def test_other_file_systems_are_mirrored(memory: Callable[[str, bytes], None], tmp_path: Path) -> None:
    memory("/bucket/run/a.jsonl", b"{}\n")
    memory("/bucket/run/deep/b.jsonl", b"[]\n")
    told: list[str] = []
    local = mirror("memory://bucket/run", tmp_path, told.append)
    assert {p.relative_to(local).as_posix(): p.read_bytes() for p in Path(local).rglob("*.jsonl")} == {
        "a.jsonl": b"{}\n",
        "deep/b.jsonl": b"[]\n",
    }
    assert told == ["memory://bucket/run: fetched 2 of 2 files, 6 bytes"]
    assert mirror("memory://bucket/run", tmp_path, told.append) == local
    assert len(told) == 1


def test_a_copy_has_the_signature_of_its_original(
    memory: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    memory("/bucket/a.csv", b"1")
    memory("/bucket/b.csv", b"2")

    def signatures(path: str) -> list[tuple[str, str]]:
        return [
            (d.file, d.signature)
            for d in files.discover(SourceSpec("wide", path), lambda name: name.endswith(".csv"))
        ]

    known = signatures("memory://bucket")
    assert len({signature for _, signature in known}) == 2
    for cache in ("here", "there"):
        assert signatures(mirror("memory://bucket", tmp_path / cache, print)) == known


def test_paths_stay_inside_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"/bucket/../../x.csv": {"size": 1, "type": "file"}}
    listed = SimpleNamespace(find=lambda *_, **__: entry)
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url: (listed, "/bucket"))
    with pytest.raises(DumpUnreadable, match="a path that leaves its folder"):
        mirror("memory://bucket", tmp_path, print)


def test_what_a_killed_fetch_left_is_removed(memory: Callable[[str, bytes], None], tmp_path: Path) -> None:
    memory("/bucket/a.csv", b"1")
    local = Path(mirror("memory://bucket", tmp_path, print))
    (local / ".a.csv.123.tmp").write_bytes(b"half")
    mirror("memory://bucket", tmp_path, print)
    assert [path.name for path in local.iterdir()] == ["a.csv"]
