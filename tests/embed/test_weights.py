"""Weights: from a folder, a package, the Hub's cache or the Hub; or an error that says what to do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from routerset.embed.encoders import ENCODERS, Encoder, shared_passes
from routerset.embed.errors import ModelUnavailable, ModelUnusable
from routerset.embed.model import Policy, encode
from routerset.embed.weights import model_path, weights_revision
from tests.embed.tiny import save_model, tiny_encoder
from tests.publish.hub_server import serve
from tests.publish.hub_store import Hub

ROBERTA = ENCODERS["roberta"]
MODEL = tiny_encoder("tiny").hub_id
CLOSED_PORT = "http://127.0.0.1:9"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub client, and a Hub that does not answer."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", CLOSED_PORT)
    return tmp_path / "hub"


def snapshot(hub_cache: Path, encoder: Encoder) -> Path:
    name = "models--" + encoder.hub_id.replace("/", "--")
    return hub_cache / name / "snapshots" / encoder.revision


def test_the_registry_holds_what_it_promises() -> None:
    assert list(ENCODERS) == ["minilm", "sbert", "roberta", "roberta_last", "longformer"]
    for encoder in ENCODERS.values():
        assert len(encoder.revision) == 40
        assert int(encoder.revision, 16)
    passes = shared_passes(ENCODERS.values(), {})
    assert [[e.name for e in group] for group in passes] == [
        ["minilm"],
        ["sbert"],
        ["roberta", "roberta_last"],
        ["longformer"],
    ]


def test_minilm_comes_from_its_package(hub_cache: Path) -> None:
    assert Path(model_path(ENCODERS["minilm"], {}), "model.safetensors").is_file()
    assert weights_revision(ENCODERS["minilm"], {}) == ENCODERS["minilm"].revision


def test_without_weights_and_network_the_message_says_what_to_do(hub_cache: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ModelUnavailable) as caught:
        model_path(ROBERTA, {})
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert message.startswith(
        f"encoder roberta: no files of FacebookAI/roberta-base at revision {ROBERTA.revision} in the local "
        "cache, and it cannot be downloaded (ConnectError: "
    )
    assert message.endswith(
        "Try again with a network, or point to a local copy in the config:\n"
        '[embed.paths]\nroberta = "path/to/roberta-base"'
    )


def test_offline_mode_is_respected(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match=r"cannot be downloaded \(HF_HUB_OFFLINE is set\)"):
        model_path(ROBERTA, {})


def test_a_whole_snapshot_needs_no_network(hub_cache: Path) -> None:
    encoder = tiny_encoder("tiny")
    folder = save_model("roberta", snapshot(hub_cache, encoder))
    assert model_path(encoder, {}) == folder
    assert encode(["text"], [encoder], policy=Policy(device="cpu")).vectors["tiny"].shape == (1, 32)


def test_an_interrupted_download_is_not_taken_for_whole(hub_cache: Path) -> None:
    encoder = tiny_encoder("tiny")
    weights = Path(save_model("roberta", snapshot(hub_cache, encoder)), "model.safetensors")
    weights.unlink()
    weights.symlink_to(hub_cache / "blobs" / "never-arrived")
    message = (
        r"encoder tiny: no model.safetensors or .* of routerset-tests/tiny at revision 0+ in the local cache"
    )
    with pytest.raises(ModelUnavailable, match=message):
        model_path(encoder, {})


def test_a_stand_in_folder_must_be_a_model(tmp_path: Path) -> None:
    folder = Path(save_model("bert", tmp_path))
    assert model_path(ROBERTA, {"roberta": str(folder)}) == str(folder)
    (folder / "model.safetensors").unlink()
    (folder / "tokenizer.json").unlink()
    message = (
        r"\[embed.paths\] roberta = '.*': expected a model folder, found no tokenizer.json or vocab.txt or "
        r"vocab.json and no model.safetensors or model.safetensors.index.json or pytorch_model.bin; "
        r"copy or download the model again"
    )
    with pytest.raises(ModelUnusable, match=message):
        model_path(ROBERTA, {"roberta": str(folder)})


def test_the_revision_of_a_stand_in_is_its_contents(tmp_path: Path) -> None:
    first, second = (save_model("bert", tmp_path / str(seed), seed) for seed in (1, 2))
    shutil.copytree(first, tmp_path / "copy")
    revisions = [weights_revision(ROBERTA, {"roberta": str(p)}) for p in (first, second, tmp_path / "copy")]
    assert revisions[0] == revisions[2] != revisions[1]
    assert all(revision.startswith("local-") for revision in revisions)


@pytest.fixture
def hub(hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with one model."""
    folder = Path(save_model("roberta", tmp_path / "origin"))
    template = "/{repo_id}/resolve/{revision}/{filename}"
    with serve() as hub:
        hub.add(MODEL, {path.name: path.read_bytes() for path in folder.iterdir()})
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + template)
        yield hub


def pinned(hub: Hub) -> Encoder:
    """An encoder whose weights are those of the Hub's model as it is now."""
    return replace(tiny_encoder("tiny"), revision=hub.repos[MODEL].branches["main"])


def test_a_model_is_fetched_once_without_its_spare_copies(hub: Hub) -> None:
    wanted = set(hub.read(MODEL, "main"))
    hub.add(MODEL, {"pytorch_model.bin": b"a second copy", "flax_model.msgpack": b"a third copy"})
    encoder = pinned(hub)
    folder = Path(model_path(encoder, {}))
    assert {path.name for path in folder.iterdir()} == wanted
    hub.repos.clear()
    assert model_path(encoder, {}) == str(folder)
    assert encode(["text"], [encoder], policy=Policy(device="cpu")).vectors["tiny"].shape == (1, 32)


def test_a_repository_without_weights_is_named(hub: Hub) -> None:
    encoder = pinned(hub)
    del hub.repos[MODEL].commits[encoder.revision]["model.safetensors"]
    with pytest.raises(ModelUnavailable, match="the Hub did not send all files"):
        model_path(encoder, {})
