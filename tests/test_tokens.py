"""Texts are counted by one stated tokenizer where a config names it; lists of tokens are measured."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.manifest import load
from routerset.etl.sources.parse.answer_texts import Exchange, exchange_of
from routerset.etl.sources.parse.token_lists import holds_tokens, lengths_of
from routerset.etl.sources.tokens import TokenizerUnusable, count_tokens, find_tokenizer
from routerset.etl.synth.costs import TOKENIZER

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / ".." / "shared" / "dumps"
QUARTERS = TOKENIZER | {
    "pre_tokenizer": {
        "type": "Split",
        "pattern": {"Regex": "[\\s\\S]{1,4}"},
        "behavior": "Isolated",
        "invert": False,
    }
}
"""Four characters are a token."""


def write_tokenizer(path: Path, content: object = TOKENIZER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_a_text_is_counted_as_it_stands(tmp_path: Path) -> None:
    words = find_tokenizer(str(write_tokenizer(tmp_path / "words" / "tokenizer.json")))
    assert words == find_tokenizer(str(tmp_path / "words"))
    assert words.name == f"words@{words.sha256[:12]}"
    texts = ["one two", None, "", "one  two\nthree", "\ud83d broken \udfff", "one two", "x" * (1 << 22 | 1)]
    found = count_tokens(words, texts)
    np.testing.assert_array_equal([2, np.nan, 0, 3, 3, 2, np.nan], found)
    np.testing.assert_array_equal(found, count_tokens(words, texts))


def test_a_template_or_a_limit_of_a_tokenizer_does_not_count(tmp_path: Path) -> None:
    limits = {
        "truncation": {"max_length": 2, "stride": 0, "strategy": "LongestFirst", "direction": "Right"},
        "padding": {
            "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "word",
        },
    }  # fmt: skip
    cut = find_tokenizer(str(write_tokenizer(tmp_path / "tokenizer.json", TOKENIZER | limits)))
    np.testing.assert_array_equal([4], count_tokens(cut, ["one two three four"]))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"model": {"type": "None"}}'])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(TokenizerUnusable, match=r"expected a tokenizer\.json"):
        find_tokenizer(str(path))
    with pytest.raises(TokenizerUnusable, match=r"nowhere.*expected a tokenizer\.json, a folder"):
        find_tokenizer(str(tmp_path / "nowhere"))


GENERATION = {"until": ["\n"]}


@pytest.mark.parametrize(
    ("arguments", "resps", "expected"),
    [
        ({"gen_args_0": {"arg_0": "a", "arg_1": GENERATION}}, [["b", "c"]], Exchange(["a"], "b")),
        ([["a", GENERATION]], [["b"]], Exchange(["a"], "b")),
        (["a", GENERATION], ["b"], Exchange(["a"], "b")),
        ([[["a", GENERATION]]], [["b"]], Exchange(["a"], "b")),
        ([["a", GENERATION]], [[]], Exchange(["a"], None)),
        ([["a", GENERATION]], None, Exchange(["a"], None)),
        ([["a", GENERATION]], [[""]], Exchange(["a"], "")),
        (
            [["a", " x"], ["a", " y"]],
            [[["-1.5", "False"]], [["-2", "True"]]],
            Exchange(["a", " x", " y"], ""),
        ),
        ([["a x", "."], ["a y", "."]], [], Exchange(["a x", "a y", ".", "."], "")),
        ({"gen_args_0": {"arg_0": "a"}}, [["-1.5"]], Exchange(["a", ""], "")),
        ([["a", None]], [["b"]], Exchange(["a"], None)),
        ([["a", " x"], ["a", GENERATION]], [["b"]], Exchange(["a"], None)),
        ([[{"role": "user"}, GENERATION]], [["b"]], Exchange()),
        ([[1, " x"]], [["b"]], Exchange()),
        (None, [["b"]], Exchange()),
        ("text", [["b"]], Exchange()),
        ([], [["b"]], Exchange()),
        ({"gen_args_0": "a"}, [["b"]], Exchange()),
        ({"gen_args_0": {"arg_1": "a"}}, [["b"]], Exchange()),
    ],
)
def test_what_was_sent_and_written(arguments: object, resps: object, expected: Exchange) -> None:
    assert exchange_of(arguments, resps) == expected


@pytest.mark.parametrize(
    ("column", "longest", "total"),
    [
        (pa.array([[1, 2], [], None]), [2, None, None], [2, None, None]),
        (pa.array([[[1, 2], [3]], [[]], [None, [1]]]), [2, None, 1], [3, None, 1]),
        (pa.array([[[[1], [2, 3]], [[4]]]]), [3], [4]),
        (pa.array([[[1, 2], [3]], None], pa.large_list(pa.large_list(pa.int32()))), [2, None], [3, None]),
        (pa.array([[1, None, 3]], pa.list_(pa.int64(), 3)), [3], [3]),
        (pa.array([[[1], [2]], [[3], [4, 5]]]).slice(1), [2], [3]),
        (
            pa.array(["[[1, 2], [3]]", "[]", None, "", "None", "[-1]"]),
            [2, *[None] * 4, 1],
            [3, *[None] * 4, 1],
        ),
        (pa.array(["[1, 2]", "[3]", "[1, 2]"]).dictionary_encode(), [2, 1, 2], [2, 1, 2]),
        (pa.array([], pa.list_(pa.int64())), [], []),
    ],
)
def test_lists_are_counted_and_not_read(column: pa.Array, longest: list[object], total: list[object]) -> None:
    assert holds_tokens(column.type)
    found = lengths_of(column)
    assert (found.texts, [longest, total]) == (
        {}, [pa.array(of, from_pandas=True).to_pylist() for of in (found.longest, found.total)],
    )  # fmt: skip


def test_text_that_spells_no_list_is_shown() -> None:
    found = lengths_of(pa.array(["[1, 2]", "[tensor([1])]", "seven", "[1 2 ... 3]"]))
    assert found.texts == {1: "[tensor([1])]", 2: "seven", 3: "[1 2 ... 3]"}
    for kind in (pa.int64(), pa.list_(pa.string()), pa.struct([("a", pa.int64())]), pa.list_(pa.null())):
        assert not holds_tokens(kind)


def mmlu_pro(folder: Path, texts: list[object], name: str = "generated_text") -> Path:
    """A result zip with an answer to as many questions."""
    rows = [
        {"question_id": i, "question": f"q{i}?", "options": ["x", "y"], "answer": "A", "answer_index": 0,
         "pred": "A", "category": "law", "src": "s", name: text}
        for i, text in enumerate(texts)
    ]  # fmt: skip
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "model_outputs_org__m_5shots.zip", "w") as archive:
        archive.writestr("a.json", json.dumps(rows))
    return folder


def config(folder: Path, more: str = "", form: str = "mmlu_pro") -> Path:
    path = folder / "x.toml"
    path.write_text(f'[[source]]\nformat = "{form}"\npath = "dumps"\n[groups]\nsizes = []\n{more}\n')
    return path


def test_costs_of_a_build_and_where_they_are_from(tmp_path: Path) -> None:
    mmlu_pro(tmp_path / "dumps", ["one two", None, "", 7, ["a b c", "d"]], "model_outputs")
    write_tokenizer(tmp_path / "kit" / "words.json")
    told, out = '[costs]\ntokenizer = "kit/words.json"', tmp_path / "out"
    build(load_config(config(tmp_path)), out, Runner(), lambda *_: None, "ingest")
    costs, runs = (out / "tables" / name for name in ("costs", "runs.parquet"))
    assert not costs.exists()
    assert pq.read_table(runs)["tokens_from"].to_pylist() == [None]
    build(load_config(config(tmp_path, told)), out, Runner(), lambda *_: None, "ingest")
    found = pq.read_table(costs / "benchmark=mmlu_pro" / "part-0.parquet").to_pylist()
    assert {row["item"]: row["completion_tokens"] for row in found} == {0: 2.0, 2: 0.0, 4: 3.0}
    assert {row["prompt_tokens"] for row in found} == {None}
    (name,) = pq.read_table(runs)["tokens_from"].to_pylist()
    manifest = load(out)
    assert manifest is not None
    info = manifest.stages["ingest"].info
    assert info["tokenizer"] == {"name": name, "sha256": info["tokenizer"]["sha256"]}
    assert name == f"words@{info['tokenizer']['sha256'][:12]}"
    (row,) = info["accounting"]
    assert row["costs"] == {"completion_tokens": {"kept": 3, "missing": 2, "bad": 0}}
    write_tokenizer(tmp_path / "kit" / "words.json", QUARTERS)
    build(load_config(config(tmp_path, told)), out, Runner(), lambda *_: None, "ingest")
    found = pq.read_table(costs / "benchmark=mmlu_pro" / "part-0.parquet").to_pylist()
    assert [row["completion_tokens"] for row in found] == [2.0, 0.0, 2.0]
    assert pq.read_table(runs)["tokens_from"].to_pylist() != [name]
    build(load_config(config(tmp_path)), out, Runner(), lambda *_: None, "ingest")
    assert not list(costs.rglob("*.parquet"))


def test_a_config_says_what_it_cannot_mean(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[costs\] tokenizer: expected a local path or ORG/NAME@REVISION"):
        load_config(config(tmp_path, '[costs]\ntokenizer = "s3://a/b.json"'))
    revision = f"org/name@{'0a' * 20}"
    assert load_config(config(tmp_path, f'[costs]\ntokenizer = "{revision}"')).costs.tokenizer == revision
    relative = load_config(config(tmp_path, '[costs]\ntokenizer = "org/name"')).costs.tokenizer
    assert relative == str(tmp_path / "org/name")


@pytest.mark.skipif(not (SHARED / "mmlu_pro_results").exists(), reason="needs the real dumps")
def test_real_answers_are_as_long_as_others_measured(tmp_path: Path) -> None:
    """Quarters of characters: 75 for Mistral-7B, 229 for Llama-3.1-8B, whose wrong answers are longer."""
    from routerset.etl.sources.base import SourceSpec
    from routerset.etl.sources.registry import SOURCES

    quarters = find_tokenizer(str(write_tokenizer(tmp_path / "tokenizer.json", QUARTERS)))
    spec = SourceSpec("mmlu_pro", str(SHARED / "mmlu_pro_results"), tokenizer=quarters)
    means = {}
    for dump in SOURCES["mmlu_pro"].discover(spec):
        if "Mistral-7B" in dump.name or "3_1-8B" in dump.name:
            (reading,) = SOURCES["mmlu_pro"].read(dump, spec)
            (block,) = reading.blocks
            tokens = block.costs["completion_tokens"][0]
            right = block.values[0] == 1
            means[dump.name[14:21]] = [np.nanmean(tokens), *(np.nanmean(tokens[w]) for w in (right, ~right))]
    assert means["Mistral"][0] == pytest.approx(75, abs=1)
    assert means["Meta-Ll"] == pytest.approx([229, 116, 319], abs=2)


@pytest.mark.skipif(not (SHARED / "lm_eval_samples").exists(), reason="needs the real dumps")
@pytest.mark.parametrize(
    ("task", "name"), [("metabench_gsm8k_secondary", "gsm8k"), ("metabench_arc_secondary", "arc")]
)
def test_real_logs_are_counted_as_another_reading_does(tmp_path: Path, task: str, name: str) -> None:
    from routerset.etl.sources.base import SourceSpec
    from routerset.etl.sources.registry import SOURCES

    words = find_tokenizer(str(write_tokenizer(tmp_path / "tokenizer.json")))
    (path,) = (SHARED / "lm_eval_samples").glob(f"*/samples_{task}_*")
    metrics = {"gsm8k": "exact_match", "arc": "acc_norm"}
    spec = SourceSpec("lm_eval", str(path), tasks={task: name}, metric=metrics[name], tokenizer=words)
    (dump,) = SOURCES["lm_eval"].discover(spec)
    (reading,) = SOURCES["lm_eval"].read(dump, spec)
    (block,) = reading.blocks
    expected = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if row.get("filter") in (None, "none", "strict-match"):
            asked = row["arguments"].values()
            ranked = all(isinstance(request["arg_1"], str) for request in asked)
            sent = {request["arg_0"] for request in asked}
            texts = [*sent, *(request["arg_1"] for request in asked if ranked)]
            answer = "" if ranked else row["resps"][0][0]
            expected[str(row["doc_id"])] = (sum(len(t.split()) for t in texts), len(answer.split()))
    costs = zip(block.costs["prompt_tokens"][0], block.costs["completion_tokens"][0], strict=True)
    assert dict(zip(block.columns.doc_keys.to_pylist(), costs, strict=True)) == expected
    assert block.tokens_from == words.name
