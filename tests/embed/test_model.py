"""Vectors equal those of a plain forward pass, whatever else is in the batch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from routerset.embed import packed
from routerset.embed.encoders import Encoder, Pooling
from routerset.embed.errors import BadVectors, ModelUnusable
from routerset.embed.model import Encoded, Policy, encode, load, resolve_dtype
from tests.embed.tiny import CONFIGS, MAX_TOKENS, reference, save_model, text_of, tiny_encoder

FP32 = Policy(dtype="float32", device="cpu")
TEXTS = (
    "How many apples does it take to fill 12 baskets?",
    "",
    "Planets orbit",
    text_of(MAX_TOKENS - 1),
    text_of(MAX_TOKENS),
    text_of(MAX_TOKENS + 1),
    "the answer of a question, " * 60 + "and the END is what counts: 42",
    "a [PAD] <pad> [SEP] </s> spelled out",
    "Äpfel für 12 Körbe?  日本 \t\n",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {family: save_model(family, root / family) for family in CONFIGS}


def run(folder: str, texts: tuple[str, ...], *encoders: Encoder, policy: Policy = FP32) -> Encoded:
    return encode(texts, encoders, policy=policy, paths={e.name: folder for e in encoders})


@pytest.mark.parametrize("pooling", Pooling)
@pytest.mark.parametrize("family", CONFIGS)
def test_vectors_equal_a_plain_forward_pass(folders: dict[str, str], family: str, pooling: Pooling) -> None:
    expected = reference(folders[family], TEXTS, pooling).numpy()
    actual = run(folders[family], TEXTS, tiny_encoder("tiny", pooling)).vectors["tiny"]
    cosines = (expected * actual).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(actual, axis=1)
    assert cosines.min() >= 0.99999
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_the_end_of_a_long_text_is_kept_and_counted(folders: dict[str, str]) -> None:
    for family, folder in folders.items():
        encoded = run(folder, TEXTS, tiny_encoder("tiny"))
        assert encoded.tokens.tolist()[3:7] == [MAX_TOKENS - 1, MAX_TOKENS, MAX_TOKENS, MAX_TOKENS], family
        assert encoded.truncated.tolist()[3:7] == [False, False, True, True], family


def test_two_poolings_share_one_pass(folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    forward = packed.PackedEncoder.forward

    def counted(
        self: packed.PackedEncoder, batch: packed.PackedTexts, poolings: set[Pooling]
    ) -> dict[Pooling, torch.Tensor]:
        passes.append(poolings)
        return forward(self, batch, poolings)

    monkeypatch.setattr(packed.PackedEncoder, "forward", counted)
    layers, last = tiny_encoder("layers", Pooling.MEAN_LAYERS), tiny_encoder("last", Pooling.MEAN_LAST)
    both = run(folders["roberta"], TEXTS, layers, last)
    assert passes == [set(Pooling)]
    for encoder in (layers, last):
        alone = run(folders["roberta"], TEXTS, encoder)
        np.testing.assert_array_equal(both.vectors[encoder.name], alone.vectors[encoder.name])


def test_encoders_of_different_weights_do_not_share_a_pass(folders: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="share a forward pass, found a, b"):
        encode(TEXTS, [tiny_encoder("a"), tiny_encoder("b")], policy=FP32, paths={"a": folders["bert"]})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", CONFIGS)
def test_a_vector_does_not_depend_on_its_company(folders: dict[str, str], family: str, dtype: str) -> None:
    """Same bits alone, in any order and in batches of any size: each text only ever meets itself."""
    encoder = tiny_encoder("tiny", Pooling.MEAN_LAYERS)
    policy = Policy(dtype=dtype, device="cpu", block=64)
    together = run(folders[family], TEXTS, encoder, policy=policy).vectors["tiny"]
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = run(
        folders[family],
        tuple(TEXTS[i] for i in order),
        encoder,
        policy=dataclasses.replace(policy, token_budget=64),
    )
    np.testing.assert_array_equal(shuffled.vectors["tiny"], together[order])
    for i, text in enumerate(TEXTS):
        alone = run(folders[family], (text,), encoder, policy=policy)
        np.testing.assert_array_equal(alone.vectors["tiny"][0], together[i])


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 1e-3)])
def test_the_size_of_a_block_hardly_matters(folders: dict[str, str], dtype: str, tolerance: float) -> None:
    encoder = tiny_encoder("tiny", normalize=True)
    small, large = (
        run(folders["bert"], TEXTS, encoder, policy=Policy(dtype=dtype, device="cpu", block=block))
        for block in (8, 512)
    )
    np.testing.assert_allclose(small.vectors["tiny"], large.vectors["tiny"], atol=tolerance)


def test_bfloat16_stays_close_to_float32(folders: dict[str, str]) -> None:
    encoder = tiny_encoder("tiny", normalize=True)
    exact, rounded = (
        run(folders["roberta"], TEXTS, encoder, policy=Policy(dtype=dtype, device="cpu")).vectors["tiny"]
        for dtype in ("float32", "bfloat16")
    )
    assert (exact * rounded).sum(1).mean() >= 0.9995


def test_one_kernel_over_all_texts_sees_the_same_texts(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPU's path, with the kernel's contract acted out: offsets and longest text are right."""

    def varlen_attn(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, at: torch.Tensor, same: torch.Tensor, *longest: int
    ) -> torch.Tensor:
        assert at.dtype == torch.int32
        assert at is same
        assert longest == (int(at.diff().max()),) * 2
        texts = [
            torch.nn.functional.scaled_dot_product_attention(*(x[a:b].transpose(0, 1) for x in (q, k, v)))
            for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True)
        ]
        return torch.cat(texts, dim=1).transpose(0, 1)

    encoder = tiny_encoder("tiny")
    expected = run(folders["roberta"], TEXTS, encoder).vectors["tiny"]
    monkeypatch.setattr(packed, "varlen_attn", varlen_attn)
    _, model = load(folders["roberta"], "cpu", "float32")
    monkeypatch.setattr(model, "varlen", True)
    np.testing.assert_allclose(run(folders["roberta"], TEXTS, encoder).vectors["tiny"], expected, atol=1e-5)


def test_a_gpu_that_is_not_there_is_an_error(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ValueError, match="device: found 'cuda:1', but torch sees no GPU; expected auto or cpu"
    ):
        run(folders["bert"], ("text",), tiny_encoder("tiny"), policy=Policy(device="cuda:1"))


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bfloat16"),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, "float32"),
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, "bfloat16"),
        ({"avx2": True}, "float32"),
    ],
)
def test_bfloat16_is_chosen_where_the_hardware_is_faster_with_it(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, object], expected: str
) -> None:
    policy = Policy(device="cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert resolve_dtype(policy) == expected
    assert resolve_dtype(dataclasses.replace(policy, dtype="float32")) == "float32"


def test_no_texts_no_vectors(folders: dict[str, str]) -> None:
    encoded = run(folders["bert"], (), tiny_encoder("tiny"))
    assert encoded.vectors["tiny"].shape == (0, 32)
    assert encoded.padding_waste == 0


@pytest.mark.parametrize("family", CONFIGS)
def test_a_megabyte_and_broken_unicode(folders: dict[str, str], family: str) -> None:
    long = "orbit " * 175_000 + "the end"
    texts = (
        long,
        "lone \ud800 surrogate",
        "lone \ufffd surrogate",
        "pair \ud83e\udd89",
        "pair 🦉",
        "x" * 1_000_000,
    )
    encoded = run(folders[family], texts, tiny_encoder("tiny"))
    vectors = encoded.vectors["tiny"]
    expected = reference(folders[family], [long[-2000:]], Pooling.MEAN_LAST)[0].numpy()
    np.testing.assert_allclose(vectors[0], expected, atol=2e-5)
    np.testing.assert_array_equal(vectors[1], vectors[2])
    np.testing.assert_array_equal(vectors[3], vectors[4])
    assert encoded.truncated[0]
    assert np.isfinite(vectors).all()


def test_the_empty_text_has_a_vector(folders: dict[str, str]) -> None:
    encoded = run(folders["bert"], ("",), tiny_encoder("tiny", normalize=True))
    assert encoded.tokens.tolist() == [2]
    assert np.linalg.norm(encoded.vectors["tiny"][0]) == pytest.approx(1, abs=1e-6)


def edit_weights(folder: Path, change: dict[str, float | None]) -> str:
    """A tiny RoBERTa, with weights set to a number, or left out."""
    path = Path(save_model("roberta", folder), "model.safetensors")
    tensors = load_file(path)
    for name, value in change.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name].fill_(value)
    save_file(tensors, path, metadata={"format": "pt"})
    return str(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"encoder.layer.2.output.LayerNorm.weight": float("nan")},
            "2 of 2 .* not finite, for the text 'one'",
        ),
        (
            dict.fromkeys(
                ("encoder.layer.2.output.LayerNorm.weight", "encoder.layer.2.output.LayerNorm.bias"), 0.0
            ),
            "2 of 2 .* all zero, for the text 'one': the weights in .* are broken",
        ),
    ],
)
def test_a_broken_model_is_named_with_the_text(
    tmp_path: Path, change: dict[str, float | None], message: str
) -> None:
    folder = edit_weights(tmp_path, change)
    with pytest.raises(BadVectors, match=rf"encoder tiny: {message}"):
        run(folder, ("one", "two"), tiny_encoder("tiny"))


def test_a_model_without_some_weights_is_refused(tmp_path: Path) -> None:
    folder = edit_weights(tmp_path, {"encoder.layer.1.output.dense.weight": None})
    with pytest.raises(ModelUnusable, match=r"no weights for encoder\.layer\.1\.output\.dense\.weight"):
        run(folder, ("text",), tiny_encoder("tiny"))


def test_a_model_of_the_wrong_dimension_is_refused(folders: dict[str, str]) -> None:
    encoder = dataclasses.replace(tiny_encoder("tiny"), dimension=768)
    message = (
        r"encoder tiny expects vectors of length 768 from up to 40 tokens, found 32 from up to 48; "
        r"point \[embed.paths\] tiny to a copy of routerset-tests/tiny"
    )
    with pytest.raises(ModelUnusable, match=message):
        run(folders["bert"], ("text",), encoder)


def test_a_model_of_too_few_positions_is_refused(folders: dict[str, str]) -> None:
    encoder = dataclasses.replace(tiny_encoder("tiny"), max_tokens=49)
    with pytest.raises(ModelUnusable, match="up to 49 tokens, found 32 from up to 48"):
        run(folders["roberta"], ("text",), encoder)


def test_a_model_that_is_replaced_is_loaded_again(tmp_path: Path) -> None:
    encoder = tiny_encoder("tiny")
    first, second, again = (
        run(save_model("bert", tmp_path, seed), ("text",), encoder).vectors["tiny"] for seed in (1, 2, 1)
    )
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    folder = Path(save_model("bert", tmp_path))
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"model_type": "bert"', '"model_type": "distilbert"'))
    with pytest.raises(
        ModelUnusable, match="found model type 'distilbert', expected one of bert, longformer"
    ):
        run(str(folder), ("text",), tiny_encoder("tiny"))


def test_an_interrupted_copy_of_the_weights_is_refused(tmp_path: Path) -> None:
    weights = Path(save_model("bert", tmp_path), "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelUnusable, match=r"cannot load the model .* interrupted, delete the folder"):
        run(str(tmp_path), ("text",), tiny_encoder("tiny"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float16"}, "dtype: found 'float16', expected one of auto, float32, bfloat16"),
        ({"token_budget": -1}, "token_budget: found -1, expected 0 or more"),
        ({"shard_texts": 0}, "shard_texts: found 0, expected 1 or more"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(arguments: dict[str, str | int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Policy(**arguments)
