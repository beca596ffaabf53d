"""What lies where a dump is expected and is none: it costs itself, and nothing waits for it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from routerset.etl.config import ConfigError, ModelsSpec, load_config
from routerset.etl.ingest.batches import plan_batches
from routerset.etl.ingest.descriptions import describe
from routerset.etl.ingest.shards import BAD_ROWS, SHARDS, stage_batch
from routerset.etl.sources.base import DumpUnreadable, ItemsUnreadable, SourceSpec
from routerset.etl.sources.files import MAX_DEPTH, discover
from routerset.etl.sources.parse.wide_layout import WideOptions
from routerset.schemas import store

SECONDS = 10
GOOD = b'{"doc_id": 0, "exact_match": 1.0, "doc": {"question": "q"}}\n'
ODD = ("a pipe", "a socket", "a device", "a loop", "a link to nothing", "a folder")
NAMES = {
    "wide": "b.csv",
    "wide parquet": "b.parquet",
    "lm_eval": "org__b/samples_gsm8k_2024-01-01T00-00-00.0.jsonl",
    "details": "details_org__b/2024-01-01T00:00:00/details_harness|gsm8k|5_2024-01-01T00:00:00.parquet",
    "mmlu_pro": "model_outputs_org__b_5shots.zip",
    "mmlu_pro json": "model_outputs_org__b_5shots.json",
    "routereval": "leaderboard_score/b.pkl",
}


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """Whatever waits for ever fails."""

    def fail(*_: object) -> None:
        raise AssertionError(f"waited for more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make(path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something odd at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a socket":
        monkeypatch.chdir(path.parent)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s")
        Path("s").rename(path)
    elif what == "a folder":
        path.mkdir()
    else:
        path.symlink_to({"a device": "/dev/zero", "a loop": path.name}.get(what, "nowhere"))


def stage(spec: SourceSpec, out: Path) -> tuple[Counter[str], list[str]]:
    """Stage a source: records by reason, and the files that were quarantined."""
    batches, _ = plan_batches([spec], "code")
    reasons: Counter[str] = Counter()
    named = []
    for batch in batches:
        stage_batch(batch, str(out))
        path = out / SHARDS / batch.fingerprint / BAD_ROWS
        for row in store.read_file(path).to_pylist() if path.exists() else ():
            reasons[row["reason"]] += row.get("n", 1)
            named.append(row["file"])
    return reasons, named


@pytest.mark.parametrize("what", ODD[:-1])
@pytest.mark.parametrize("form", NAMES)
def test_a_dump_that_is_no_file_is_quarantined(
    tmp_path: Path, form: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "dumps" / NAMES[form], what, monkeypatch)
    benchmark = "gsm8k" if form.startswith("wide") else None
    found = stage(SourceSpec(form.split()[0], str(tmp_path / "dumps"), benchmark), tmp_path / "out")
    assert found == ({"unreadable_file": 1}, [NAMES[form]])


@pytest.mark.parametrize("form", NAMES)
def test_a_dump_that_becomes_a_pipe_after_it_was_listed(tmp_path: Path, form: str) -> None:
    path = tmp_path / "dumps" / NAMES[form]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    spec = SourceSpec(form.split()[0], str(tmp_path / "dumps"), "gsm8k" if form[0] == "w" else None)
    (batch,), _ = plan_batches([spec], "code")
    path.unlink()
    os.mkfifo(path)
    stage_batch(batch, str(tmp_path / "out"))
    bad = store.read_file(tmp_path / "out" / SHARDS / batch.fingerprint / BAD_ROWS)
    assert bad["reason"].to_pylist() == ["unreadable_file"]


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("name", ["items.csv", "items.parquet"])
def test_an_items_file_that_is_none_is_an_error(
    tmp_path: Path, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps/a.csv").write_text("model,q1\norg/a,1\n")
    make(tmp_path / name, what, monkeypatch)
    options = WideOptions(items=str(tmp_path / name))
    with pytest.raises(ItemsUnreadable, match=name):
        stage(SourceSpec("wide", str(tmp_path / "dumps"), "gsm8k", options=options), tmp_path / "out")


@pytest.mark.parametrize("what", ["a pipe", "a socket", "a device", "a folder"])
@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_models_file_that_is_none_is_an_error(
    tmp_path: Path, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / name, what, monkeypatch)
    with pytest.raises(DumpUnreadable, match=f"{name}.*found a "):
        describe([ModelsSpec(str(tmp_path / name), {"model_id": "m"})])
    with pytest.raises(OSError, match=name):
        store.sha256(tmp_path / name)


@pytest.mark.parametrize("what", ODD)
def test_a_config_that_is_no_file_is_an_error(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "x.toml", what, monkeypatch)
    with pytest.raises((OSError, ConfigError), match=r"x\.toml"):
        load_config(tmp_path / "x.toml")


@pytest.mark.parametrize("what", ODD)
def test_a_results_file_that_is_none_tells_nothing(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "dumps" / NAMES["lm_eval"]
    make(log.with_name("results_2024-01-01T00-00-00.0.json"), what, monkeypatch)
    log.write_bytes(GOOD)
    assert stage(SourceSpec("lm_eval", str(tmp_path / "dumps")), tmp_path / "out")[0] == {}


@pytest.mark.parametrize("what", ODD)
def test_a_prompt_pickle_that_is_none_costs_the_prompts(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    import numpy as np

    scores = tmp_path / "dumps/leaderboard_score/b.pkl"
    scores.parent.mkdir(parents=True)
    entry = {"correctness": np.eye(3, 2)}
    scores.write_bytes(pickle.dumps({"model": ["a", "b"], "data": {"harness_gsm8k_5": entry}}))
    make(tmp_path / "dumps/leaderboard_prompt/b_prompt.pkl", what, monkeypatch)
    reasons, _ = stage(SourceSpec("routereval", str(tmp_path / "dumps")), tmp_path / "out")
    assert set(reasons) <= {"unreadable_file"}


# names


@pytest.mark.parametrize("loop", ["x", "org__a/x.jsonl", "results.json", "org__a/" + "y" * 200])
def test_a_loop_beside_good_dumps_costs_itself(tmp_path: Path, loop: str) -> None:
    good = tmp_path / "dumps/org__b/samples_gsm8k_2024-01-01T00-00-00.0.jsonl"
    good.parent.mkdir(parents=True)
    good.write_bytes(GOOD)
    link = tmp_path / "dumps" / loop
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(link.name)
    found = discover(SourceSpec("lm_eval", str(tmp_path / "dumps")), lambda name: name == good.name)
    assert [dump.file for dump in found.dumps] == ["org__b/" + good.name]
    assert loop in [each.file for each in found.others]


def test_folders_in_folders_end_somewhere(tmp_path: Path) -> None:
    """And where they do is told; a thousand would end the program."""
    (tmp_path / "a.csv").write_text("model,q1\norg/a,1\n")
    (tmp_path / ("d/" * 150)).mkdir(parents=True)
    found = discover(SourceSpec("wide", str(tmp_path), "gsm8k"), lambda name: name.endswith(".csv"))
    assert [dump.file for dump in found.dumps] == ["a.csv"]
    assert [each.file for each in found.others] == ["d/" * MAX_DEPTH + "d"]


@pytest.mark.parametrize("name", ["a[1]", "a*b", "a?b", "[!x]", "**"])
def test_a_name_that_is_there_as_it_stands_is_no_glob(tmp_path: Path, name: str) -> None:
    for folder in (name, "a1", "axb", "ab"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.csv").write_text("model,q1\norg/a,1\n")
        (tmp_path / folder / "a1.csv").write_text("model,q1\norg/a,1\n")
    for path, expected in (
        (f"{name}/{name}.csv", [f"{name}.csv"]),
        (f"{name}/a?.csv", ["a1.csv"]),
        (name, sorted([f"{name}.csv", "a1.csv"])),
    ):
        found = discover(SourceSpec("wide", f"{tmp_path}/{path}", "gsm8k"), lambda _: True)
        assert [dump.file for dump in found.dumps] == expected
        assert {Path(dump.path).parent for dump in found.dumps} == {tmp_path / name}


def test_items_below_a_folder_that_looks_like_a_glob(tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    (tmp_path / "a[1]/s.csv").write_text("model,q1\norg/a,1\n")
    (tmp_path / "a[1]/i[1].csv").write_text("item,question\nq1,What?\n")
    options = WideOptions(items=f"{tmp_path}/a[1]/i[1].csv")
    spec = SourceSpec("wide", f"{tmp_path}/a[1]", "gsm8k", options=options)
    from routerset.etl.sources.wide import SOURCE

    assert [dump.file for dump in SOURCE.discover(spec)] == ["s.csv"]
    assert len(SOURCE.companions(SOURCE.discover(spec).dumps[0], spec)) == 1
    assert stage(replace(spec), tmp_path / "out")[0] == {}


# archives

ROWS = json.dumps([{"question_id": 1, "answer": "A", "pred": "A", "question": "q", "options": ["a"]}])


def archive(*members: tuple[str, str, int]) -> bytes:
    """A zip of members: name, text and mode of each."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text, mode in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.external_attr = name, mode << 16
            written.writestr(info, text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        [("a\0b.json", ROWS, 0)],
        [("a.json\0", "", 0), ("b.json", ROWS, 0)],
        [("/etc/a.json", ROWS, 0)],
        [("../../a.json", ROWS, 0)],
        [("folder/", "", stat.S_IFDIR), ("x.json/", "", stat.S_IFDIR), ("folder/a.json", ROWS, 0)],
        [("link.json", "/etc/passwd", stat.S_IFLNK | 0o777), ("a.json", ROWS, 0)],
        [("__MACOSX/._a.json", "x", 0), ("a.json", ROWS, 0)],
        [("a\\b.json", ROWS, 0)],
    ],
)
def test_names_of_members_are_no_paths(tmp_path: Path, members: list[tuple[str, str, int]]) -> None:
    path = tmp_path / "dumps" / NAMES["mmlu_pro"]
    path.parent.mkdir()
    path.write_bytes(archive(*members))
    batches, _ = plan_batches([SourceSpec("mmlu_pro", str(path.parent))], "code")
    (shard,) = stage_batch(batches[0], str(tmp_path / "out"))
    folder = tmp_path / "out" / SHARDS / shard.folder
    assert store.read_json(folder / "batch.json")["n_read"] == {"mmlu_pro": 1}
    assert not (folder / BAD_ROWS).exists()
