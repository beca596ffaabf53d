"""Texts to vectors on one device: load a model, run packed batches through it, pool, check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from routerset.embed.encoders import Encoder, shared_passes
from routerset.embed.errors import BadVectors, ModelUnusable
from routerset.embed.texts import tokenize
from routerset.embed.weights import model_path
from routerset.schemas.ids import well_formed

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from routerset.embed.packed import PackedEncoder

DTYPES = ("auto", "float32", "bfloat16")
NO_PATHS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Policy:
    """How to compute. For one dtype, any policy gives the same vectors to 1e-5, or 1e-3 in bfloat16.

    dtype: `float32`, `bfloat16`, or `auto`: bfloat16 where the hardware multiplies it faster.
    device: a torch device, or `auto`: the GPU where there is one.
    token_budget: tokens in a batch. block: rows in a matrix product; what is left of the last one is
    padding. For both, 0 stands for what suits the device.
    shard_texts: texts in a shard, about; what a kill can cost.
    """

    dtype: str = "auto"
    device: str = "auto"
    token_budget: int = 0
    block: int = 0
    shard_texts: int = 1024

    def __post_init__(self) -> None:
        """Raise ValueError on a value that cannot be meant."""
        if self.dtype not in DTYPES:
            raise ValueError(f"[embed] dtype: found {self.dtype!r}, expected one of {', '.join(DTYPES)}")
        for name, least in (("token_budget", 0), ("block", 0), ("shard_texts", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"[embed] {name}: found {getattr(self, name)}, expected {least} or more")


@dataclass(frozen=True)
class Encoded:
    """Vectors of n texts, and what it took.

    vectors: encoder name -> float32 (n, dimension). truncated: bool (n,), the start was cut off.
    tokens: int32 (n,), tokens that the model saw. rows: those and the padding.
    """

    vectors: dict[str, npt.NDArray[np.float32]]
    truncated: npt.NDArray[np.bool_]
    tokens: npt.NDArray[np.int32]
    rows: int

    @property
    def padding_waste(self) -> float:
        """Share of the rows that were padding."""
        return 1 - int(self.tokens.sum()) / self.rows if self.rows else 0.0


def resolve_device(policy: Policy) -> str:
    """The torch device that a policy means on this machine; raises ValueError if there is none such."""
    import torch

    if policy.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if policy.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"[embed] device: found {policy.device!r}, but torch sees no GPU; expected auto or cpu"
        )
    return policy.device


def resolve_dtype(policy: Policy) -> str:
    """`float32` or `bfloat16`: what a policy means on this machine."""
    import torch

    if policy.dtype != "auto":
        return policy.dtype
    if resolve_device(policy).startswith("cuda"):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = torch.cpu.get_capabilities()
        native = any(features.get(name, False) for name in ("amx_bf16", "bf16")) or (
            # where Intel has AVX-512's alone, it multiplies float32 as fast, and need not convert it
            features.get("avx512_bf16", False) and "Intel" not in features.get("cpu_name", "")
        )
    return "bfloat16" if native else "float32"


def batch_shape(policy: Policy) -> tuple[int, int]:
    """Tokens in a batch and rows in a matrix product: what a policy means on this machine."""
    gpu = resolve_device(policy).startswith("cuda")
    return policy.token_budget or (65536 if gpu else 16384), policy.block or (8192 if gpu else 1024)


def encode(
    texts: Sequence[str],
    encoders: Sequence[Encoder],
    *,
    policy: Policy | None = None,
    paths: Mapping[str, str] = NO_PATHS,
) -> Encoded:
    """Vectors of texts under encoders that share a forward pass, in the order of the texts.

    The empty text is a text (special tokens alone); of one that is too long the end is kept; lone
    surrogates count as U+FFFD. A vector does not depend on the other texts.
    Raises ModelUnavailable, ModelUnusable, and BadVectors on a vector that is not finite or all zero.
    """
    if len(shared_passes(encoders, paths)) != 1:
        names = ", ".join(e.name for e in encoders)
        raise ValueError(f"encode: expected encoders that share a forward pass, found {names}")
    from routerset.embed.batches import run

    policy = policy or Policy()
    device, dtype = resolve_device(policy), resolve_dtype(policy)
    path = model_path(encoders[0], paths)
    tokenizer, model = load(path, device, dtype)
    for encoder in encoders:
        _check_fit(encoder, model, path)
    ids, truncated = tokenize(tokenizer, [well_formed(text) for text in texts], encoders[0].max_tokens)
    pooled, rows = run(model, ids, {encoder.pooling for encoder in encoders}, *batch_shape(policy))
    vectors = {e.name: _unit(pooled[e.pooling]) if e.normalize else pooled[e.pooling] for e in encoders}
    for encoder in encoders:
        _check_vectors(encoder, vectors[encoder.name], texts, path)
    return Encoded(vectors, truncated, np.array([len(i) for i in ids], dtype=np.int32), rows)


def load(path: str, device: str, dtype: str) -> tuple[Tokenizer, PackedEncoder]:
    """Tokenizer and model of a folder; a process keeps one model at a time, while its files are the same."""
    files = sorted((file.name, file.stat()) for file in Path(path).iterdir() if file.is_file())
    return _load(path, device, dtype, tuple((name, s.st_size, s.st_mtime_ns) for name, s in files))


@lru_cache(maxsize=1)
def _load(path: str, device: str, dtype: str, files: object) -> tuple[Tokenizer, PackedEncoder]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from routerset.embed.packed import MODEL_TYPES, PackedEncoder

    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet_transformers():
            kind = AutoConfig.from_pretrained(path, **local).model_type
            if kind not in MODEL_TYPES:
                raise ValueError(f"found model type {kind!r}, expected one of {', '.join(MODEL_TYPES)}")
            tokenizer = AutoTokenizer.from_pretrained(path, **local).backend_tokenizer
            model, report = AutoModel.from_pretrained(
                path,
                dtype=getattr(torch, dtype),
                add_pooling_layer=False,
                weights_only=True,
                output_loading_info=True,
                **local,
            )
        if report["missing_keys"]:
            raise ValueError(f"no weights for {', '.join(sorted(report['missing_keys'])[:3])} ...")
        encoder = PackedEncoder(model.eval().requires_grad_(False).to(device))
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SafetensorError) as error:
        raise ModelUnusable(
            f"{path}: cannot load the model ({type(error).__name__}: {error}); if a download or a copy was "
            "interrupted, delete the folder and get it again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, encoder


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No bars, and no report on the language model head that an encoder rightly leaves out."""
    from transformers.utils import logging

    chatter: Any = logging

    verbosity, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(verbosity)
        if bars:
            chatter.enable_progress_bar()


def _check_fit(encoder: Encoder, model: PackedEncoder, path: str) -> None:
    """Raise ModelUnusable unless the model can be what the registry says the encoder is."""
    if model.dimension != encoder.dimension or model.max_tokens < encoder.max_tokens:
        raise ModelUnusable(
            f"{path}: encoder {encoder.name} expects vectors of length {encoder.dimension} from up to "
            f"{encoder.max_tokens} tokens, found {model.dimension} from up to {model.max_tokens}; "
            f"point [embed.paths] {encoder.name} to a copy of {encoder.hub_id}"
        )


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Vectors at unit length; a zero vector stays zero."""
    norms: npt.NDArray[np.float32] = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    norms[norms == 0] = 1
    return vectors / norms


def _check_vectors(
    encoder: Encoder, vectors: npt.NDArray[np.float32], texts: Sequence[str], path: str
) -> None:
    """Raise BadVectors naming the first text whose vector is not finite, or all zero."""
    good = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
    if not good.all():
        first = int(np.argmin(good))
        found = "all zero" if np.isfinite(vectors[first]).all() else "not finite"
        raise BadVectors(
            f"encoder {encoder.name}: {np.count_nonzero(~good)} of {len(texts)} vectors are unusable; the "
            f"first one is {found}, for the text {texts[first][:60]!r}: the weights in {path} are broken"
        )
