"""Stage `embed`: passes are shared, what was cut is said, and a model that cannot serve stops the build."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from routerset.embed import shards
from routerset.embed.encoders import ENCODERS, Encoder, Pooling
from routerset.embed.model import Encoded, encode
from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Finished
from routerset.schemas.exits import exit_code
from tests.dumps import truth, write_config, write_items, write_wide
from tests.embed.tiny import MAX_TOKENS, save_model, tiny_encoder

NAMES = ("layers", "last")
SECOND = '[[source]]\nformat = "wide"\npath = "arc.csv"\nbenchmark = "arc"\nitems = "items.csv"\n'


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "layers", tiny_encoder("layers", Pooling.MEAN_LAYERS))
    monkeypatch.setitem(ENCODERS, "last", tiny_encoder("last"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two benchmarks of the same 20 questions, three of them too long, and two encoders of one model."""
    known = truth()
    save_model("roberta", tmp_path / "a model")
    texts = dict.fromkeys(known.keys[:2], "apples " * 200) | {known.keys[2]: "pears " * 200}
    write_items(tmp_path / "items.csv", known.keys, texts)
    for name in ("dumps/a", "arc"):
        write_wide(tmp_path / f"{name}.csv", known.models, known.keys, known.scores)
    paths = "".join(f'{name} = "a model"\n' for name in NAMES)
    extra = f'[embed]\nencoders = {json.dumps(NAMES)}\ndtype = "float32"\n[embed.paths]\n{paths}'
    path = write_config(tmp_path / "x.toml", extra=extra)
    path.write_text(SECOND + path.read_text())
    return path


def embed(config: Path) -> Finished:
    """The stage, after those it needs."""
    for name in ("ingest", "embed"):
        manifest = build(load_config(config), config.parent / "out", Runner(), lambda *_: None, name)
    return manifest.stages["embed"]


def vectors(config: Path, encoder: str, benchmark: str) -> np.ndarray:
    """Vectors as built, (items, dimension)."""
    folder = config.parent / "out" / "tables" / "embeddings" / f"encoder={encoder}"
    table = pq.read_table(folder / f"benchmark={benchmark}" / "part-0.parquet")
    return np.array(table["vector"].to_pylist(), np.float32)


def test_encoders_of_one_model_share_a_pass_and_benchmarks_their_texts(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = []

    def counted(texts: Sequence[str], encoders: Sequence[Encoder], **settings: object) -> Encoded:
        passes.append((len(texts), [encoder.name for encoder in encoders]))
        return encode(texts, encoders, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(shards, "encode", counted)
    found = embed(config).info["embeddings"]
    assert passes == [(19, [*NAMES])]
    each = {"items": 20, "from": "model", "truncated": 3}
    assert found == {name: {"arc": each, "gsm8k": each} for name in NAMES}
    said = capsys.readouterr().err.splitlines()
    cut = f"3 of 20 texts of gsm8k cut to their last {MAX_TOKENS} tokens"
    assert {f"{name}: {cut}" for name in NAMES} < set(said)
    for name in NAMES:
        np.testing.assert_array_equal(vectors(config, name, "arc"), vectors(config, name, "gsm8k"))
    assert not np.array_equal(vectors(config, "layers", "arc"), vectors(config, "last", "arc"))


def test_each_encoder_alone_gives_the_same_bytes(config: Path) -> None:
    embed(config)
    together = vectors(config, "last", "arc")
    config.write_text(config.read_text().replace(json.dumps(NAMES), '["last"]'))
    (config.parent / "out").rename(config.parent / "before")
    assert list(embed(config).info["embeddings"]) == ["last"]
    np.testing.assert_array_equal(vectors(config, "last", "arc"), together)


def fill_with_nan(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.2.output.LayerNorm.weight"].fill_(np.nan)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def remove(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (fill_with_nan, 1, "encoder layers: 19 of 19 vectors are unusable; the first one is not finite, for"),
        (cut_short, 3, "a model: cannot load the model"),
        (
            remove,
            3,
            r"\[embed.paths\] layers = '.*/a model': expected a model folder, found no model.safeten",
        ),
    ],
)
def test_a_model_that_cannot_serve_stops_the_build(
    config: Path, change: Callable[[Path], None], code: int, message: str
) -> None:
    change(config.parent / "a model")
    with pytest.raises(Exception, match=message) as caught:
        embed(config)
    assert exit_code(caught.value) == code
    assert not (config.parent / "out" / "tables" / "embeddings").exists()
    save_model("roberta", config.parent / "a model")
    assert embed(config).outputs


def test_a_model_of_another_dimension_stops_the_build(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setitem(ENCODERS, name, dataclasses.replace(ENCODERS[name], dimension=768))
    with pytest.raises(Exception, match=r"expects vectors of length 768 .*, found 32") as caught:
        embed(config)
    assert exit_code(caught.value) == 3


def test_without_weights_and_network_the_build_may_be_tried_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(config.parent / "hub"))
    config.write_text(config.read_text().partition("[embed.paths]")[0])
    with pytest.raises(Exception, match=r"(?s)encoder layers: .*\[embed.paths\]\nlayers = ") as caught:
        embed(config)
    assert exit_code(caught.value) == 75


def test_a_cache_file_cut_short_is_written_again(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    embed(config)
    before = vectors(config, "last", "arc")
    out = config.parent / "out"
    victim = min((out / "staging" / "vectors").rglob("*.arrows"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-100])
    for path in (out / "tables" / "embeddings").rglob("*.parquet"):
        path.unlink()
    embed(config)
    assert victim.read_bytes() == whole
    assert "cut short or altered" in caplog.text
    np.testing.assert_array_equal(vectors(config, "last", "arc"), before)
