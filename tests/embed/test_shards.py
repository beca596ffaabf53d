"""Each distinct text is encoded once, and the bytes do not depend on how the work was done."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.embed.encoders import ENCODERS, Pooling
from routerset.embed.errors import ModelUnavailable
from routerset.embed.model import Policy, encode
from routerset.embed.shards import EncoderReport, RunShards, Shard, embed_texts, embeddings_table, plan_shards
from routerset.embed.texts import text_key
from routerset.schemas.tables import embeddings_schema
from tests.embed.tiny import save_model, text_of, tiny_encoder

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("layers", "last")
TEXTS = [f"the question {i} of how many apples {'orbit ' * (i % 9)}" for i in range(120)]
POLICY = Policy(dtype="float32", device="cpu", block=64, shard_texts=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model("roberta", tmp_path_factory.mktemp("roberta"))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "layers", tiny_encoder("layers", Pooling.MEAN_LAYERS))
    monkeypatch.setitem(ENCODERS, "last", tiny_encoder("last", Pooling.MEAN_LAST, normalize=True))


def files(cache: Path) -> dict[str, bytes]:
    """Every file of a cache and its bytes."""
    return {str(p.relative_to(cache)): p.read_bytes() for p in cache.rglob("*.arrows")}


def embed(
    folder: str,
    cache: Path,
    texts: Sequence[str] = TEXTS,
    names: Sequence[str] = NAMES,
    run_shards: RunShards | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, EncoderReport]]:
    paths = dict.fromkeys(NAMES, folder)
    return embed_texts(texts, names, cache_dir=str(cache), policy=POLICY, paths=paths, run_shards=run_shards)


def test_rows_follow_the_texts_and_equal_a_direct_call(folder: str, tmp_path: Path) -> None:
    texts = [*TEXTS[:30], "", TEXTS[3], text_of(300), "lone \ud800", TEXTS[3]]
    vectors, report = embed(folder, tmp_path, texts)
    both = [ENCODERS[name] for name in NAMES]
    direct = encode(texts, both, policy=POLICY, paths=dict.fromkeys(NAMES, folder))
    for name in NAMES:
        np.testing.assert_array_equal(vectors[name], direct.vectors[name])
        assert vectors[name].dtype == np.float32
        assert report[name].encoded == 33
        np.testing.assert_array_equal(report[name].truncated, direct.truncated)
    assert direct.truncated[32]


def test_a_second_run_encodes_nothing_and_needs_no_weights(folder: str, tmp_path: Path) -> None:
    first, _ = embed(folder, tmp_path)
    before = files(tmp_path)

    def nothing(function: Callable[[Shard], int], shards: Sequence[Shard]) -> None:
        raise AssertionError("there is nothing to run")

    second, report = embed(folder, tmp_path, TEXTS[::-1], run_shards=nothing)
    assert {name: report[name].encoded for name in NAMES} == {"layers": 0, "last": 0}
    assert report["last"].padding_waste is None
    assert files(tmp_path) == before
    for name in NAMES:
        np.testing.assert_array_equal(second[name], first[name][::-1])


def test_only_new_texts_are_encoded_and_get_the_vectors_of_a_fresh_build(folder: str, tmp_path: Path) -> None:
    embed(folder, tmp_path / "grown", TEXTS[:70])
    grown, report = embed(folder, tmp_path / "grown", TEXTS)
    fresh, _ = embed(folder, tmp_path / "fresh", TEXTS)
    assert report["last"].encoded == 50
    for name in NAMES:
        np.testing.assert_array_equal(grown[name], fresh[name])


def test_an_encoder_added_later_is_the_only_one_that_runs(folder: str, tmp_path: Path) -> None:
    embed(folder, tmp_path, names=["last"])
    _, report = embed(folder, tmp_path)
    assert {name: report[name].encoded for name in NAMES} == {"layers": 120, "last": 0}


def test_two_workers_in_any_order_leave_the_same_bytes(folder: str, tmp_path: Path) -> None:
    def spread(function: Callable[[Shard], int], shards: Sequence[Shard]) -> None:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            done = list(pool.map(function, [*reversed(shards), shards[0]]))
        assert sum(done[:-1]) == len(TEXTS)

    alone, _ = embed(folder, tmp_path / "alone")
    spread_out, _ = embed(folder, tmp_path / "spread", run_shards=spread)
    assert files(tmp_path / "alone") == files(tmp_path / "spread")
    for name in NAMES:
        np.testing.assert_array_equal(alone[name], spread_out[name])


KILLED = """
import os, sys
from routerset.embed.encoders import ENCODERS, Pooling
from routerset.embed.shards import embed_texts
from tests.embed.test_shards import NAMES, POLICY, TEXTS
from tests.embed.tiny import tiny_encoder

ENCODERS["layers"] = tiny_encoder("layers", Pooling.MEAN_LAYERS)
ENCODERS["last"] = tiny_encoder("last", Pooling.MEAN_LAST, normalize=True)

def die_in_the_middle(function, shards):
    for shard in shards[:3]:
        function(shard)
    os._exit(9)

folder, cache = sys.argv[1:]
paths = dict.fromkeys(NAMES, folder)
embed_texts(TEXTS, NAMES, cache_dir=cache, policy=POLICY, paths=paths, run_shards=die_in_the_middle)
"""


def test_a_killed_run_is_resumed_to_the_same_bytes(folder: str, tmp_path: Path) -> None:
    undisturbed, _ = embed(folder, tmp_path / "undisturbed")
    killed = [sys.executable, "-c", KILLED, folder, str(tmp_path / "killed")]
    assert subprocess.run(killed, cwd=ROOT, check=False).returncode == 9
    finished = files(tmp_path / "killed")
    assert len(finished) == 3 * len(NAMES)
    resumed, report = embed(folder, tmp_path / "killed")
    assert 0 < report["last"].encoded < len(TEXTS)
    assert files(tmp_path / "killed") == files(tmp_path / "undisturbed")
    for name in NAMES:
        np.testing.assert_array_equal(resumed[name], undisturbed[name])


def test_a_damaged_file_is_reported_and_written_again(
    folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected, _ = embed(folder, tmp_path)
    before = files(tmp_path)
    victim = tmp_path / min(before)
    victim.write_bytes(victim.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        actual, _ = embed(folder, tmp_path)
    assert [str(victim) in record.getMessage() for record in caplog.records] == [True]
    assert files(tmp_path) == before
    for name in NAMES:
        np.testing.assert_array_equal(actual[name], expected[name])


def test_other_weights_do_not_share_a_cache(folder: str, tmp_path: Path) -> None:
    other = save_model("roberta", tmp_path / "other", seed=1)
    first, _ = embed(folder, tmp_path / "cache")
    second, report = embed(other, tmp_path / "cache")
    assert report["last"].encoded == len(TEXTS)
    assert not np.array_equal(first["last"], second["last"])


def test_unavailable_weights_stop_before_any_work(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(
        ModelUnavailable, match="encoder longformer: no files of allenai/longformer-base-4096"
    ):
        embed(folder, tmp_path / "cache", names=["last", "longformer"])
    assert files(tmp_path) == {}


def test_workers_without_the_shared_folder_are_found_out(folder: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found none for 120; workers must see the same cache folder"):
        embed(folder, tmp_path, run_shards=lambda function, shards: None)


@given(st.sets(st.integers(0, 500), min_size=1), st.data())
def test_shards_are_cut_by_all_texts_and_filled_by_the_missing(
    numbers: set[int], data: st.DataObject
) -> None:
    keys = {text_key(str(i)) for i in numbers}
    shards = plan_shards(keys, keys, 20)
    assert sorted(key for shard in shards for key in shard) == sorted(keys)
    assert [key for shard in shards for key in shard] == sorted(keys)
    finished = data.draw(st.sets(st.integers(0, len(shards) - 1)))
    rest = {key for i, shard in enumerate(shards) if i not in finished for key in shard}
    assert plan_shards(keys, rest, 20) == [s for i, s in enumerate(shards) if i not in finished]


def test_the_table_has_the_schema_of_the_contract() -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    table = embeddings_table([0, 1], vectors)
    assert table.schema == embeddings_schema(3)
    assert table.to_pydict() == {"item": [0, 1], "vector": [[0, 1, 2], [3, 4, 5]]}
    assert table.schema.field("vector").type == pa.list_(pa.field("element", pa.float32(), nullable=False), 3)
