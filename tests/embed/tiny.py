"""Tiny random models of every supported architecture, saved with real tokenizer files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    LongformerConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from routerset.embed.encoders import Encoder, Pooling

DIMENSION = 32
MAX_TOKENS = 40
WORDS = ("a", "of", "the", "question", "answer", "planet", "orbit", "how", "many", "apples", "12", "?")
_SIZES = {
    "hidden_size": DIMENSION,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
CONFIGS: dict[str, type[PretrainedConfig]] = {
    "bert": BertConfig,
    "longformer": LongformerConfig,
    "mpnet": MPNetConfig,
    "roberta": RobertaConfig,
}


def save_model(family: str, folder: Path, seed: int = 0) -> str:
    """Save a model and its tokenizer; every weight is random, biases and norms too."""
    tokenizer = _tokenizer(family)
    first = 0 if family == "bert" else tokenizer.pad_token_id + 1
    # 8 tokens to either side: a text of 40 tokens slides the window several times
    extra = {"attention_window": 16} if family == "longformer" else {}
    config = CONFIGS[family](
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS + first + 8,
        pad_token_id=tokenizer.pad_token_id,
        **_SIZES,
        **extra,
    )
    torch.manual_seed(seed)
    model = AutoModel.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def _tokenizer(family: str) -> PreTrainedTokenizerFast:
    """WordPiece for BERT and MPNet, byte-level BPE for RoBERTa and Longformer."""
    if family in ("bert", "mpnet"):
        start, end, pad, unknown = (
            ("[CLS]", "[SEP]", "[PAD]", "[UNK]") if family == "bert" else ("<s>", "</s>", "<pad>", "[UNK]")
        )
        letters = [chr(c) for c in range(33, 127)]
        pieces = [start, pad, end, unknown, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
        vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
        backend = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
        backend.normalizer = normalizers.BertNormalizer()
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        start, end, pad, unknown = "<s>", "</s>", "<pad>", "<unk>"
        pieces = [start, pad, end, unknown, *sorted(pre_tokenizers.ByteLevel.alphabet())]
        merges = [("a", "n"), ("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "a"), ("o", "r")]
        vocabulary = {piece: i for i, piece in enumerate([*pieces, *(a + b for a, b in merges)])}
        backend = Tokenizer(models.BPE(vocabulary, merges))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(t, backend.token_to_id(t)) for t in (start, end)]
    )
    # as in the files of all-MiniLM-L6-v2, which ask for both
    backend.enable_truncation(max_length=16)
    backend.enable_padding(pad_id=backend.token_to_id(pad), pad_token=pad, length=16)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=start, eos_token=end, pad_token=pad, unk_token=unknown
    )


def tiny_encoder(name: str, pooling: Pooling = Pooling.MEAN_LAST, normalize: bool = False) -> Encoder:
    """A registry row for a tiny model; its hub id does not exist."""
    return Encoder(
        name=name,
        hub_id="routerset-tests/tiny",
        revision="0" * 40,
        dimension=DIMENSION,
        max_tokens=MAX_TOKENS,
        pooling=pooling,
        normalize=normalize,
        license="none",
    )


def reference(folder: str, texts: Sequence[str], pooling: Pooling) -> torch.Tensor:
    """Plain `transformers` forward passes, one text at a time, (n, dimension)."""
    tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="left")
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    vectors = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=MAX_TOKENS, padding=False, return_tensors="pt")
        arguments = {key: inputs[key] for key in ("input_ids", "attention_mask")}
        if model.config.model_type == "longformer":
            arguments["global_attention_mask"] = torch.zeros_like(inputs["input_ids"])
            arguments["global_attention_mask"][:, 0] = 1
        with torch.no_grad():
            states = model(**arguments, output_hidden_states=True).hidden_states
        layers = states[-1:] if pooling is Pooling.MEAN_LAST else states[1:]
        vectors.append(torch.stack(layers).mean(0)[0].mean(0))
    return torch.stack(vectors)


def text_of(tokens: int) -> str:
    """A text of exactly so many tokens under every tiny tokenizer, special tokens included."""
    return "?" * (tokens - 2)
