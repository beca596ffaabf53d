"""Logs of Inspect become the scores and costs that another reading of them finds, however they are packed."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.sources import inspect_logs
from routerset.etl.sources.base import Block, DumpUnreadable, Reading, SourceSpec, SpecError
from routerset.etl.sources.inspect_logs import InspectOptions, choose_scorer
from routerset.etl.sources.parse.epochs import reducer_of
from routerset.etl.sources.parse.inspect_log import GRADES
from routerset.schemas.tables import COST_MEASURES
from tests.golden.sources.inspect.make import archive, log, sample, usage
from tests.sources import golden

MODEL = "openai/gpt-x"


def readings(folder: Path, **spec: object) -> list[Reading]:
    """All readings of the logs in a folder."""
    source = SourceSpec("inspect", str(folder), **{"benchmark": "gsm8k", **spec})  # type: ignore[arg-type]
    return [r for dump in inspect_logs.discover(source) for r in inspect_logs.read(dump, source)]


def scores(folder: Path, **spec: object) -> dict[str, float]:
    """Scores of the one run of the logs in a folder, by key."""
    (block,) = [block for reading in readings(folder, **spec) for block in reading.blocks]
    return dict(zip(block.columns.doc_keys.to_pylist(), block.values[0].tolist(), strict=True))


def texts_of(folder: Path) -> list[object]:
    """Documents of the one run of the logs in a folder."""
    return [row for r in readings(folder) for block in r.blocks for row in block.columns.docs().to_pylist()]


def put(folder: Path, content: object, name: str = "log.json") -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / name).write_bytes(data)
    return folder


def test_a_build_holds_what_duckdb_reads_in_the_raw_logs(tmp_path: Path) -> None:
    case = golden.ROOT / "inspect" / "sound" / "dump"
    config = tmp_path / "x.toml"
    config.write_text(
        f'[[benchmark]]\nname = "quiz"\nmetric = "choice"\ntasks = ["quiz"]\n'
        f'[[source]]\nformat = "inspect"\npath = "{case}"\n'
    )
    out = tmp_path / "out"
    build(load_config(config), out, Runner(), lambda *_: None, "ingest")
    with zipfile.ZipFile(case / "other" / "run.eval") as packed:
        packed.extractall(tmp_path / "x")
    grades = " ".join(f"when '{letter}' then {value}" for letter, value in GRADES.items())
    samples = f"""select 'openai/gpt-x' as model, unnest(from_json(content->'samples', '["json"]')) as s
        from read_text('{case}/*.json')
        union all select 'hf/meta-llama/Llama-9-8B', content::json from read_text('{tmp_path}/x/samples/*')"""
    raw = f"""select regexp_extract(model, '[^/]+/[^/]+$') as model_id, s->>'id' as doc_key,
        case grade {grades} else try_cast(grade as double) end::float as score,
        (used->>'total_cost')::float as usd, (used->>'input_tokens')::float as prompt_tokens,
        (used->>'output_tokens')::float as completion_tokens,
        coalesce(s->>'working_time', s->>'total_time')::float as latency_s
        from (select model, s, s->'scores'->'choice'->>'value' as grade,
        json_extract(s, '$.model_usage."' || model || '"') as used from ({samples}))"""
    names, expected = ", ".join(COST_MEASURES), {}
    for table, columns in (("scores", "score"), ("costs", names)):
        scores, items = (f"{out}/tables/{name}/benchmark=quiz/part-0.parquet" for name in (table, "items"))
        found = duckdb.sql(
            f"""select model_id, doc_key, {columns} from read_parquet('{scores}', hive_partitioning = false)
            join read_parquet('{items}', hive_partitioning = false) using (item) order by all"""
        ).fetchall()
        expected[table] = duckdb.sql(
            f"""select model_id, doc_key, {columns} from ({raw}) where coalesce({columns}) is not null
            order by all"""
        ).fetchall()
        assert found == expected[table]
    assert len(expected["scores"]) == 6
    assert len(expected["costs"]) == 5


@pytest.mark.parametrize("pack", [json.dumps, archive, "gz"], ids=["json", "eval", "json.gz"])
def test_all_ways_to_pack_a_log_are_read_the_same(
    tmp_path: Path, pack: Callable[[Mapping[str, object]], bytes] | str
) -> None:
    whole = log(MODEL, [sample("q1"), sample("q2", value="I"), sample(7, value=0.5)])
    if pack == "gz":
        put(tmp_path, gzip.compress(json.dumps(whole).encode()), "log.json.gz")
    else:
        packed = pack(whole)  # type: ignore[operator]
        put(tmp_path, packed.encode() if isinstance(packed, str) else packed, "what")
        (tmp_path / "what").rename(tmp_path / ("x.eval" if isinstance(packed, bytes) else "x.json"))
    assert scores(tmp_path) == {"q1": 1.0, "q2": 0.0, "7": 0.5}


def test_what_a_log_is_does_not_depend_on_its_name(tmp_path: Path) -> None:
    put(tmp_path, archive(log(MODEL, [sample("q1")])), "a.json")
    assert scores(tmp_path) == {"q1": 1.0}
    put(tmp_path, log(MODEL, [sample("q1", value="I")]), "a.json").joinpath("a.json").rename(
        tmp_path / "a.eval"
    )
    assert scores(tmp_path) == {"q1": 0.0}


def test_a_large_log_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that fits the memory is; strings, escapes and brackets lie across the ends of pieces."""
    from routerset.etl.sources.parse import json_members

    tricky = ["\\", '"', '\\"', "]}", "{[", "\\\\", "é\u2028", "x" * 50]
    samples = [sample(at, input=text * at, value=at % 2) for at, text in enumerate(tricky * 4)]
    put(tmp_path, json.dumps(log(MODEL, samples), ensure_ascii=False, indent=1).encode())
    expected = scores(tmp_path)
    texts = texts_of(tmp_path)
    for size in (1, 7, 64):
        monkeypatch.setattr(json_members, "WHOLE", 16)
        monkeypatch.setattr(json_members, "CHUNK", size)
        assert scores(tmp_path) == expected
        assert texts_of(tmp_path) == texts
    assert len(expected) == len(samples)


def test_a_sample_that_is_too_large_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from routerset.etl.sources.parse import json_members

    monkeypatch.setattr(json_members, "WHOLE", 16)
    monkeypatch.setattr(json_members, "CHUNK", 512)
    monkeypatch.setattr(json_members, "MAX_MEMBER", 4096)
    put(tmp_path, log(MODEL, [sample("q1"), sample("large", store={"x": "y" * 9000}), sample("q2")]))
    found = readings(tmp_path)
    assert [row["row"] for r in found for row in r.quarantined.to_pylist()] == [1]
    assert scores(tmp_path) == {"q1": 1.0, "q2": 1.0}


PARTS = {"strict": True, "loose": 0.5}


@pytest.mark.parametrize(
    ("metric", "expected"), [("follow.loose", 0.5), ("loose", 0.5), ("strict", 1.0), (None, None)]
)
def test_one_of_several_values_of_a_scorer_counts(
    tmp_path: Path, metric: str | None, expected: float | None
) -> None:
    put(tmp_path, log(MODEL, [sample("q1", value=PARTS, scorer="follow")], results=None))
    if expected is None:
        with pytest.raises(DumpUnreadable, match=r"'follow.loose', 'follow.strict'"):
            scores(tmp_path)
    else:
        assert scores(tmp_path, metric=metric) == {"q1": expected}


def test_the_scorer_that_counts() -> None:
    assert choose_scorer(["a"], ["acc"], None) == "a"
    assert choose_scorer(["a", "acc"], ["acc"], None) == "acc"
    assert choose_scorer(["a", "b"], ["acc"], "b") == "b"
    assert choose_scorer([], ["acc"], None) is None
    for names, asked in ((["a", "b"], None), (["a"], "b"), (["x.k", "y.k"], "k")):
        with pytest.raises(DumpUnreadable, match=r"found 'a'|found 'x.k', 'y.k'"):
            choose_scorer(names, ["acc"], asked)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", 0.5),
        ("mean_score", 0.5),
        ("median", 0.5),
        ("mode", 1.0),
        ("max", 1.0),
        ("at_least_2", 1.0),
        ("at_least_3", 0.0),
        ("pass_at_1", 0.5),
        ("pass_at_2", 5 / 6),
        ("pass_at_4", 1.0),
        ("pass_k_2", 1 / 6),
        ("own", None),
        ("at_least_0", None),
    ],
)
def test_epochs_are_reduced_as_the_log_says(tmp_path: Path, name: str, expected: float | None) -> None:
    """Reducers by their definitions, of two right answers and two wrong ones."""
    results = {"scores": [{"name": "choice", "scorer": "choice", "reducer": name}]}
    values = [sample("q1", epoch, value) for epoch, value in enumerate([1, 1, 0, 0], 1)]
    put(tmp_path, log(MODEL, values, results=results))
    if expected is None:
        with pytest.raises(DumpUnreadable, match='reducer = "mean"'):
            scores(tmp_path)
        assert scores(tmp_path, options=InspectOptions("max")) == {"q1": 1.0}
    else:
        assert scores(tmp_path) == {"q1": pytest.approx(expected)}
        assert readings(tmp_path)[0].notes["gsm8k", f"epochs_reduced: {name}"] == 4
    (block,) = blocks_of(tmp_path, "max")
    assert (block.n_read.tolist(), block.n_superseded.tolist()) == ([4], [3])


def blocks_of(folder: Path, reducer: str) -> list[Block]:
    return [block for r in readings(folder, options=InspectOptions(reducer)) for block in r.blocks]


def test_a_reducer_of_the_config_must_be_one(tmp_path: Path) -> None:
    put(tmp_path, log(MODEL, [sample("q1")]))
    with pytest.raises(SpecError, match="expected one of mean"):
        readings(tmp_path, options=InspectOptions("average"))
    reducer = reducer_of("pass_at_3")
    assert reducer is not None
    assert reducer([1.0]) != reducer([1.0])  # not told by fewer answers than three


def test_costs_of_epochs_are_means_of_what_is_known(tmp_path: Path) -> None:
    of = [(4, 10), (8, None), (-1, 30)]
    samples = [sample("q1", n, 1, model_usage=usage(MODEL, *both)) for n, both in enumerate(of)]
    put(tmp_path, log(MODEL, samples))
    (block,) = [block for r in readings(tmp_path) for block in r.blocks]
    assert block.costs["prompt_tokens"].tolist() == [[6.0]]
    assert block.costs["completion_tokens"].tolist() == [[20.0]]
    notes = readings(tmp_path)[0].notes
    assert notes["gsm8k", "costs/prompt_tokens/bad"] == 1
    assert ("gsm8k", "costs/completion_tokens/bad") not in notes


def test_subsets_come_from_metadata(tmp_path: Path) -> None:
    samples = [sample("q1", metadata={"subject": "anatomy"}), sample("q2", metadata={"subject": "../x"})]
    put(tmp_path, log(MODEL, samples, eval={"task": "inspect_evals/mmlu_0_shot", "model": MODEL}))
    found = readings(tmp_path, benchmark=None, tasks={"mmlu_0_shot": "mmlu/{subject}"})
    assert [block.columns.subset for r in found for block in r.blocks] == ["anatomy"]
    assert [row["reason"] for r in found for row in r.quarantined.to_pylist()] == ["unknown_task"]


def test_the_first_version_of_the_format_had_one_score(tmp_path: Path) -> None:
    old = {**sample("q1"), "score": {"value": "C", "answer": "x"}}
    del old["scores"]
    put(tmp_path, log(MODEL, [old]))
    assert scores(tmp_path) == {"q1": 1.0}


@pytest.mark.parametrize("harm", ["link", "huge", "many", "encrypted", "nested", "name"])
def test_hostile_archives(tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile member costs itself; one whose list of members is too long, itself."""
    from routerset.etl.sources.parse import archives

    data = archive(log(MODEL, [sample("q1")]))
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as packed:
        if harm == "link":
            info = zipfile.ZipInfo("samples/link.json")
            info.external_attr = 0o120777 << 16
            packed.writestr(info, "/etc/passwd")
        elif harm == "huge":
            packed.writestr("samples/huge.json", b" " * (archives.MAX_RATIO << 14))
        elif harm == "nested":
            packed.writestr("samples/deep.json", b'{"id":' + b"[" * 100_000)
        elif harm == "name":
            packed.writestr("samples/../../x\0.json", json.dumps(sample("q2")))
        elif harm == "many":
            monkeypatch.setattr(archives, "MAX_DIRECTORY", 1000)
            for at in range(100):
                packed.writestr(f"samples/{at}.json", b"{}")
    put(tmp_path, buffer.getvalue(), "x.eval")
    if harm == "many":
        with pytest.raises(DumpUnreadable, match="list of members"):
            readings(tmp_path)
    else:
        assert scores(tmp_path)["q1"] == 1.0
        bad = [row["reason"] for r in readings(tmp_path) for row in r.quarantined.to_pylist()]
        assert bad == (["malformed_row"] if harm in ("huge", "nested") else [])
