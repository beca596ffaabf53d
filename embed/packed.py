"""The forward pass of a BERT-like encoder over packed texts: no padding between texts, ever.

The texts of a batch lie one after the other in a single (rows, dimension) matrix. Everything but
attention works on single rows; attention works on single texts. Matrix products always see blocks
of the same number of rows, so that the library picks the same kernel whatever else is in the batch:
a text gets the same bits in any company (but for Longformer's in bfloat16 on a GPU: all but a few).
Only the last block of a batch is filled up, and that is all the padding there is.

Weights come from the `transformers` models of the same name; tests hold this pass to theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

from routerset.embed.encoders import Pooling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_GRID = 16
MODEL_TYPES = ("bert", "longformer", "mpnet", "roberta")


@dataclass(frozen=True)
class PackedTexts:
    """Packed texts.

    tokens, positions: int64 (rows,), on the model's device; rows is a multiple of `block`.
    lengths: tokens of each text, in order; rows beyond their sum are filler.
    offsets: int32 (texts + 1,), on the model's device: where each text starts, and the last one ends.
    """

    tokens: Tensor
    positions: Tensor
    lengths: Sequence[int]
    offsets: Tensor
    block: int

    def groups(self) -> Iterator[PaddedTexts]:
        """Texts of nearly one length, side by side, to attend to in one kernel."""
        start = 0
        for size, members in groupby(self.lengths, lambda length: -(-length // _GRID) * _GRID):
            lengths = torch.tensor(list(members))
            starts = start + lengths.cumsum(0) - lengths
            at = torch.arange(size)
            real = at < lengths[:, None]
            # what lies beyond a text is masked: any row will do
            rows = torch.where(real, starts[:, None] + at, 0)
            parts = (rows, real, real.flatten().nonzero()[:, 0])
            yield PaddedTexts(*(part.to(self.tokens.device, non_blocking=True) for part in parts))
            start += int(lengths.sum())


@dataclass(frozen=True)
class PaddedTexts:
    """Texts that attention sees padded to one size.

    The size is a function of the text's own length, so attention stays blind to the company; and it is
    a multiple of 16, so that every thread's scratch memory is aligned alike: the last bit can depend on it.

    rows: int64 (texts, size), the row of each token. real: bool (texts, size), what is not padding.
    tokens: int64, where among texts x size the real ones are.
    """

    rows: Tensor
    real: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Layer:
    """One layer: attention, add and normalise, feed forward, add and normalise.

    weight, bias: fused input projections: queries, keys and values; in Longformer also those by which the
    first token, which is global, sees all others.
    window: how far a token of Longformer sees to either side; None is all the way.
    """

    weight: Tensor
    bias: Tensor
    window: int | None
    attention_out: nn.Module
    attention_norm: nn.Module
    intermediate: nn.Module
    out: nn.Module
    norm: nn.Module

    def project(self, out: Tensor, x: Tensor) -> None:
        """What attention takes in, row by row."""
        torch.addmm(self.bias, x, self.weight.T, out=out)

    def feed_forward(self, x: Tensor, context: Tensor) -> None:
        """What follows attention, row by row, in place."""
        attended = self.attention_norm(self.attention_out(context) + x)
        x.copy_(self.norm(self.out(self.intermediate(attended)) + attended))


class PackedEncoder:
    """A BERT, RoBERTa, MPNet or Longformer encoder that takes packed batches.

    dimension: length of a token's state. max_tokens: longest text that the table of positions allows.
    padding_id: id of the padding token where positions are counted from it, else None.
    varlen: attention over all texts of a batch in one kernel (FlashAttention, GPUs only).
    """

    def __init__(self, model: PreTrainedModel) -> None:
        """Take over the weights of a model of one of `MODEL_TYPES`, in eval mode and on its device."""
        config = model.config
        self.heads: int = config.num_attention_heads
        self.dimension: int = config.hidden_size
        embeddings: Any = model.embeddings
        encoder: Any = model.encoder
        # BERT counts positions from 0, the others from the one after the padding id
        self.padding_id: int | None = getattr(embeddings, "padding_idx", None)
        first = 0 if self.padding_id is None else self.padding_id + 1
        self.max_tokens: int = config.max_position_embeddings - first
        self.words: Tensor = embeddings.word_embeddings.weight
        self.positions: Tensor = embeddings.position_embeddings.weight
        if config.model_type != "mpnet":
            self.positions = self.positions + embeddings.token_type_embeddings.weight[0]
        self.embedding_norm: nn.Module = embeddings.LayerNorm
        self.layers = [_layer(layer) for layer in encoder.layer]
        self.position_bias: Callable[[Tensor], Tensor] | None = getattr(
            encoder, "compute_position_bias", None
        )
        self.device: torch.device = self.words.device
        plain = self.position_bias is None and self.layers[0].window is None
        self.varlen = plain and self.words.is_cuda and self.words.dtype is not torch.float32

    def forward(self, batch: PackedTexts, poolings: Collection[Pooling]) -> dict[Pooling, Tensor]:
        """One float32 (texts, dimension) matrix for each pooling asked for."""
        x = self.embedding_norm(self.words[batch.tokens] + self.positions[batch.positions])
        groups = list(batch.groups())
        bias = None
        if self.position_bias is not None:  # MPNet's, (1, heads, size, size); it depends on distance alone
            bias = self.position_bias(x[None, : groups[0].rows.shape[1]])
        total = torch.zeros_like(x, dtype=torch.float32) if Pooling.MEAN_LAYERS in poolings else None
        # one buffer for all layers: fresh memory costs page faults, and filler rows stay zero
        projected = x.new_empty(len(x), len(self.layers[0].weight))
        context = torch.zeros_like(x)
        for layer in self.layers:
            _by_block(batch.block, layer.project, projected, x)
            if layer.window is not None:
                self._attend_window(layer.window, projected, context, groups)
            elif self.varlen:
                self._attend_varlen(projected, context, batch)
            else:
                self._attend(projected, context, bias, groups)
            _by_block(batch.block, layer.feed_forward, x, context)
            if total is not None:
                total += x
        pooled = {}
        if total is not None:
            pooled[Pooling.MEAN_LAYERS] = _mean(total / len(self.layers), batch)
        if Pooling.MEAN_LAST in poolings:
            pooled[Pooling.MEAN_LAST] = _mean(x.float(), batch)
        return pooled

    def _attend(
        self, projected: Tensor, context: Tensor, bias: Tensor | None, groups: Sequence[PaddedTexts]
    ) -> None:
        """Full attention, one kernel for each group."""
        parts = []
        for group in groups:
            texts, size = group.rows.shape
            q, k, v = projected[group.rows].view(texts, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            mask = group.real[:, None, None, :]
            if bias is not None:
                mask = torch.where(mask, bias[:, :, :size, :size], -torch.inf)
            attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
            parts.append(attended.transpose(1, 2).reshape(texts * size, -1)[group.tokens])
        done = torch.cat(parts)
        context[: len(done)] = done

    def _attend_varlen(self, projected: Tensor, context: Tensor, batch: PackedTexts) -> None:
        """Full attention, one kernel for the whole batch."""
        total, longest = sum(batch.lengths), max(batch.lengths)
        q, k, v = projected[:total].view(total, 3, self.heads, -1).unbind(1)
        attended = varlen_attn(q, k, v, batch.offsets, batch.offsets, longest, longest)
        assert isinstance(attended, Tensor)
        context[:total] = attended.reshape(total, self.dimension)

    def _attend_window(
        self, window: int, projected: Tensor, context: Tensor, groups: Sequence[PaddedTexts]
    ) -> None:
        """Longformer's attention: a sliding window, and the first token sees and is seen by all."""
        parts = []
        for group in groups:
            texts, size = group.rows.shape
            inputs = projected[group.rows].view(texts, size, 6, self.heads, -1).permute(2, 0, 3, 1, 4)
            q, k, v, global_q, global_k, global_v = inputs
            attended = _sliding_window(q, k, v, window, group.real)
            attended[:, :, :1] = scaled_dot_product_attention(
                global_q[:, :, :1], global_k, global_v, attn_mask=group.real[:, None, None, :]
            )
            parts.append(attended.transpose(1, 2).reshape(texts * size, -1)[group.tokens])
        done = torch.cat(parts)
        context[: len(done)] = done


def _sliding_window(q: Tensor, k: Tensor, v: Tensor, window: int, real: Tensor) -> Tensor:
    """Attention to real tokens at most `window` away and to the first; (texts, heads, tokens, head size)."""
    length = q.shape[2]
    real = real[:, None, None, :]
    if length <= window + 1:
        return scaled_dot_product_attention(q, k, v, attn_mask=real)
    at = torch.arange(length, device=q.device)
    blocks = []
    for start in range(0, length, window):
        queries = at[start : start + window]
        keys = at[max(0, start - window) : start + 2 * window]
        if start > window:
            keys = torch.cat((at[:1], keys))
        seen = ((queries[:, None] - keys).abs() <= window) | (keys == 0)
        blocks.append(
            scaled_dot_product_attention(
                q[:, :, queries], k[:, :, keys], v[:, :, keys], attn_mask=seen & real[..., keys]
            )
        )
    return torch.cat(blocks, dim=2)


def _by_block(block: int, function: Callable[[Tensor, Tensor], None], out: Tensor, rows: Tensor) -> None:
    """A row-wise function that writes to its first argument, over blocks of `block` rows."""
    for part in zip(torch.split(out, block), torch.split(rows, block), strict=True):
        function(*part)


def _mean(states: Tensor, batch: PackedTexts) -> Tensor:
    """Mean over the tokens of each text, (texts, dimension)."""
    total = sum(batch.lengths)
    return torch.segment_reduce(states[:total], "mean", lengths=batch.offsets.diff().long(), unsafe=True)


def _layer(layer: Any) -> Layer:
    """The parts of a `transformers` layer, under one set of names."""
    attention: Any
    if hasattr(layer.attention, "attn"):  # MPNet
        attention, out, norm = layer.attention.attn, layer.attention.attn.o, layer.attention.LayerNorm
        inputs = [attention.q, attention.k, attention.v]
    else:
        attention = layer.attention.self
        out, norm = layer.attention.output.dense, layer.attention.output.LayerNorm
        inputs = [attention.query, attention.key, attention.value]
    window = getattr(attention, "one_sided_attn_window_size", None)
    if window is not None:
        inputs += [attention.query_global, attention.key_global, attention.value_global]
    return Layer(
        weight=torch.cat([projection.weight for projection in inputs]),
        bias=torch.cat([projection.bias for projection in inputs]),
        window=window,
        attention_out=out,
        attention_norm=norm,
        intermediate=layer.intermediate,
        out=layer.output.dense,
        norm=layer.output.LayerNorm,
    )
