"""`build --dry-run`: what it counts is what a build reads, and all problems are told at once."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.cli import main
from routerset.etl.config import Runner, load_config
from routerset.etl.looking import sample
from routerset.etl.looking.sample import look

HEADER = "model,doc_key,question,score,usd\n"
SOURCE = '[[source]]\nformat = "long"\npath = "{}"\nbenchmark = "gsm8k"\n'


def lines(n: int, model: str = "org/a") -> str:
    return "".join(f"{model},{i},What is {i} + {i}?,{i % 2},0.001\n" for i in range(n))


def config(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text)
    return path


def dry(path: Path, *more: str) -> int:
    return main(["build", str(path), "--out", str(path.parent / "out"), "--dry-run", *more])


def test_what_is_counted_is_what_a_build_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_text(HEADER + lines(40, f"org/{name}"))
    path = config(tmp_path, SOURCE.format("*.csv"))
    before = sorted(tmp_path.iterdir())
    assert dry(path) == 0
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if " long " in line)
    assert sorted(tmp_path.iterdir()) == before
    made = build(load_config(path), tmp_path / "made", Runner(), lambda *_: None, "ingest")
    (accounting,) = made.stages["ingest"].info["accounting"]
    size = sum(each.stat().st_size for each in tmp_path.glob("*.csv"))
    assert row == ["1", "long", "3", f"{size:,}", "3", str(accounting["read"]), "all"]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl"])
def test_of_a_large_file_the_beginning_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, beginning = (200_000, 1 << 20) if name.endswith("gz") else (20_000, 1 << 17)  # gzip reads ahead
    path = tmp_path / name
    if name.endswith("parquet"):
        columns = {"model": ["org/a"] * n, "doc_key": [str(i) for i in range(n)], "score": [1.0] * n}
        pq.write_table(pa.table(columns), path, row_group_size=1000)
        monkeypatch.setattr(sample, "MAX_CELLS", 3000)
    elif name.endswith("jsonl"):
        path.write_text("".join(f'{{"model": "org/a", "doc_key": {i}, "score": 1}}\n' for i in range(n)))
    else:
        data = (HEADER + lines(n)).encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    monkeypatch.setattr(sample, "WHOLE", 1 << 10)
    monkeypatch.setattr(sample, "BEGINNING", beginning)
    (spec,) = load_config(config(tmp_path, SOURCE.format(name))).sources
    found = look(spec)
    assert 0 < found.tally.records.total() < n // 2
    assert found.told_models() == "at least 1"
    about, told = found.told_records().split()
    assert about == "about"
    assert abs(int(told.replace(",", "")) - n) < n * (0.5 if name.endswith("gz") else 0.1)
    assert not found.tally.aside


def test_all_problems_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(HEADER + lines(4))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    wide = '[[source]]\nformat = "wide"\npath = "a.csv"\nbenchmark = "gsm8k"\n'
    path = config(
        tmp_path,
        SOURCE.format("a.csv")
        + 'subset_pattern = "(["\n'
        + SOURCE.format("none/*.csv")
        + f'{wide}items = "items.csv"\n'
        + SOURCE.format("a.csv")
        + 'columns = { score = "mark" }\n'
        + '[[models]]\npath = "models.csv"\ncolumns = { model_id = "name" }\n'
        + '[embed]\nencoders = ["minlm"]\n[release]\nprevious = "before"\n',
    )
    assert dry(path, "--only", "grups") == 2
    told = capsys.readouterr().err
    for text in (
        'unknown encoder "minlm"',
        'unknown stage "grups"',
        "'mine.txt', which is not ours",
        "[[source]] 1: subset_pattern = '([' is no regular expression",
        "[[source]] 2: ",
        "[[source]] 3: ",
        "items.csv: no such file",
        "expected a column 'mark' (score), found 'model'",
        "[[models]] 1: ",
        "[release] previous: ",
    ):
        assert text in told
    assert told.count("subset_pattern") == 1


@pytest.mark.parametrize(
    ("more", "arguments", "code", "message"),
    [
        ("", ["--only", "groups"], 2, "needs stage ingest first"),
        ('columns = { scores = "score" }\n', [], 2, "unknown key 'scores'"),
        ('columns = { score = "mark" }\n', [], 1, "no file holds a score"),
        ('[[models]]\npath = "a.csv"\ncolumns = { model_id = "name" }\n', [], 2, "maps 'model_id' to 'name'"),
        ('[release]\nprevious = "a.csv"\n', [], 3, "previous"),
    ],
)
def test_exit_codes_are_those_of_the_build(
    more: str,
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.csv").write_text(HEADER + lines(40))
    path = config(tmp_path, SOURCE.format("a.csv") + more)
    assert dry(path, *arguments) == code
    assert message in capsys.readouterr().err
    assert main(["build", str(path), "--out", str(tmp_path / "real"), *arguments]) == code


def test_what_would_be_set_aside_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(HEADER + lines(4) + "org/a,9,What?,7,1\n")
    (tmp_path / "b\x1b[31m.csv").write_bytes(b"\x00\xff\x00")
    path = config(tmp_path, SOURCE.format("*.csv"))
    assert dry(path) == 0
    told = capsys.readouterr()
    assert "1 long: 1 of 5 records score_out_of_range, such as a.csv: " in told.out
    assert "a file would be set aside whole: " in told.err
    assert "\x1b" not in told.out + told.err


def test_weights_that_are_not_here_are_told_and_not_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text(HEADER + lines(40))
    path = config(tmp_path, SOURCE.format("a.csv") + '[embed]\nencoders = ["longformer"]\n')
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    assert dry(path) == 0
    assert "the weights of longformer are not on this machine" in capsys.readouterr().err
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert dry(path) == 75
