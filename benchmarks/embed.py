"""Speed of our encoders against SentenceTransformer.encode with its defaults, in the same run.

    python benchmarks/embed.py                              minilm on real questions, on this machine
    python benchmarks/embed.py --gpu-shapes                 every encoder's shapes, random weights, for a GPU
    python benchmarks/embed.py --gpu-shapes --build DIR     the same on all questions of a build

The questions are MMLU-Pro's and those of the leaderboard prompts in the folder `shared` beside the
checkout; without it, synthetic texts of the same lengths. With --gpu-shapes come texts of 512 tokens (as
long as a table of positions allows), too. Random weights do not change the speed. Runs take turns, and the
best of each counts, so that a busy machine hurts all alike.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import sentence_transformers
import torch
import transformers

# Python would look into this folder first, and this file is called `embed` too
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import command, cpu, versions
from routerset.embed.batches import plan_batches
from routerset.embed.batches import run as run_batches
from routerset.embed.encoders import ENCODERS, Encoder
from routerset.embed.model import Policy, batch_shape, encode, load, resolve_device, resolve_dtype
from routerset.embed.texts import tokenize
from routerset.embed.weights import model_path

DUMPS = Path(__file__).resolve().parents[2] / "shared" / "dumps"
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense bf16 operations a second, as the vendor states them (SXM versions)."""
WIDE_BATCH = 512
"""Texts in a batch of the library that keep a large GPU busy."""


def questions(count: int) -> tuple[list[str], str]:
    """Distinct texts and where they are from; the same ones every time."""
    found: dict[str, None] = {}
    for path in sorted(DUMPS.glob("openllm_v2_wide/prompts/*.csv")):
        if path.name.startswith("musr"):  # stories of a thousand words, not questions
            continue
        with path.open(newline="", encoding="utf-8") as file:
            found |= dict.fromkeys(row["prompt"] for row in csv.DictReader(file))
    for path in sorted(DUMPS.glob("mmlu_pro_results/*gemma-7b*.zip")):
        with zipfile.ZipFile(path) as archive:
            rows = json.loads(archive.read(archive.namelist()[0]))
        found |= dict.fromkeys(row["question"] for row in rows)
    rng = np.random.default_rng(0)
    if found:
        pool = list(found)
        return [pool[i] for i in rng.permutation(len(pool))[:count]], f"real questions ({len(pool)} in all)"
    words = [f"{a}{b}" for a in ("plan", "orb", "num", "quest") for b in ("et", "it", "ber", "ion")]
    lengths = rng.lognormal(3.9, 0.7, count).astype(int).clip(5, 600)
    return [" ".join(rng.choice(words, n)) for n in lengths], "synthetic texts"


SHAPES: dict[str, transformers.PretrainedConfig] = {
    "minilm": transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, intermediate_size=1536, num_attention_heads=12
    ),
    "sbert": transformers.MPNetConfig(max_position_embeddings=514),
    "roberta_last": transformers.RobertaConfig(max_position_embeddings=514),
    "longformer": transformers.LongformerConfig(max_position_embeddings=4098, attention_window=512),
}
"""Of each forward pass of the registry; the table of words is replaced by minilm's."""
LONG_TEXT = 512


def random_weights(name: str, folder: Path) -> None:
    """Save a model of an encoder's shapes, with minilm's tokenizer."""
    source = model_path(ENCODERS["minilm"], {})
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    config = SHAPES[name]
    config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.model_max_length = ENCODERS[name].max_tokens
    tokenizer.save_pretrained(folder)


def of_build(folder: Path) -> list[str]:
    """Distinct questions of a build's items; the prompt where there is no question."""
    found: dict[str, None] = {}
    for path in sorted(folder.glob("tables/items/*/*.parquet")):
        table = pq.read_table(path, columns=["question", "prompt"])
        both = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
        found |= dict.fromkeys(question or prompt or "" for question, prompt in both)
    return list(found)


def long_texts(count: int, tokens: int) -> list[str]:
    """Texts of one number of tokens: short words of one token each, and the two special ones."""
    rng = np.random.default_rng(0)
    words = ["the", "of", "and", "in", "to", "was", "he", "is", "as", "for", "on", "with", "that", "it"]
    return [" ".join(rng.choice(words, tokens - 2)) for _ in range(count)]


@dataclasses.dataclass
class Run:
    """One way to encode: what it is called, the function, and what came of it."""

    name: str
    function: Callable[[Sequence[str]], np.ndarray]
    waste: float
    seconds: float = float("inf")
    vectors: np.ndarray | None = None
    alike: float = 0.0
    """Share of texts that get the same bits among a third of the texts as among all."""


def library_waste(lengths: Sequence[int], texts: Sequence[str], batch: int = 32) -> float:
    """Share of padding in SentenceTransformer.encode: batches of texts sorted by characters."""
    order = np.array(sorted(range(len(texts)), key=lambda i: -len(texts[i])))
    return padding(lengths, np.split(order, range(batch, len(order), batch)))


def padding(lengths: Sequence[int], batches: Sequence[Sequence[int]] | Sequence[np.ndarray]) -> float:
    """Share of padding where each batch is as wide as its longest text."""
    rows = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return 1 - sum(lengths) / rows


def alike(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Batches of at most `budget` tokens whose texts differ by less than 16 tokens, longest first."""
    return [
        list(part)
        for batch in plan_batches(lengths, budget)
        for _, part in itertools.groupby(batch, lambda i: -(-lengths[i] // 16))
    ]


def sorted_by_tokens(
    model: sentence_transformers.SentenceTransformer, texts: Sequence[str], longest: int, budget: int
) -> np.ndarray:
    """Vectors from the library's model over batches of nearly one length each."""
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids, _ = tokenize(tokenizer, texts, longest)
    lengths = [len(i) for i in ids]
    batches, parts = alike(lengths, budget), []
    with torch.inference_mode():
        for batch in batches:
            rows = [torch.from_numpy(ids[i]) for i in batch]
            tokens = torch.nn.utils.rnn.pad_sequence(rows, True, model.tokenizer.pad_token_id)
            mask = torch.arange(tokens.shape[1]) < torch.tensor([lengths[i] for i in batch])[:, None]
            inputs = {"input_ids": tokens.to(model.device), "attention_mask": mask.long().to(model.device)}
            parts.append(model(inputs)["sentence_embedding"].float())
    vectors = torch.cat(parts).cpu().numpy()
    placed = np.empty_like(vectors)
    placed[np.concatenate(batches)] = vectors
    return placed


def operations(model_dir: str, lengths: np.ndarray) -> float:
    """Multiplications and additions that the texts need, padding not counted."""
    config = transformers.AutoConfig.from_pretrained(model_dir)
    d, wide = config.hidden_size, config.intermediate_size
    linear = 2 * (4 * d * d + 2 * d * wide)
    return float(config.num_hidden_layers * (linear * lengths + 4.0 * d * lengths**2).sum())


def measured_peak(device: str) -> float:
    """Operations a second in one large bf16 matrix product."""
    n = 8192 if device.startswith("cuda") else 2048
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)
    return 2 * n**3 / best(10, lambda: float((a @ a)[0, 0]))


def best(rounds: int, function: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def hardware(device: str) -> str:
    """Name of the GPU or CPU, and the number of threads."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{cpu()}, {torch.get_num_threads()} threads"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=int, default=1000, help="number of texts (default 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, the best counts (default 3)")
    parser.add_argument("--gpu-shapes", action="store_true", help="all encoders' shapes, random weights")
    parser.add_argument("--encoders", default=",".join(SHAPES), help="of these (default: all)")
    parser.add_argument("--build", type=Path, help="all questions of this build instead")
    parser.add_argument("--device", default="auto", help="torch device (default: the GPU if there is one)")
    parser.add_argument("--token-budget", type=int, default=0, help="tokens in a batch (default: by device)")
    parser.add_argument("--block", type=int, default=0, help="rows in a matrix product (default: by device)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    args = parser.parse_args()
    texts, source = questions(args.texts)
    if args.build:
        texts, source = of_build(args.build), "questions of a build"
    policy = Policy(device=args.device, token_budget=args.token_budget, block=args.block)
    if not args.gpu_shapes:
        measure(ENCODERS["minilm"], {}, texts, source, policy, args.rounds, args.profile)
    for name in args.encoders.split(",") if args.gpu_shapes else ():
        encoder = ENCODERS[name]
        with tempfile.TemporaryDirectory() as folder:
            random_weights(name, Path(folder))
            paths = {name: folder}
            measure(encoder, paths, texts, source, policy, args.rounds, args.profile)
            long = min(LONG_TEXT, encoder.max_tokens)
            measure(encoder, paths, long_texts(args.texts, long), "long texts", policy, args.rounds)
    print(versions("torch", "transformers", "sentence-transformers"), command(), sep="\n")


def measure(
    encoder: Encoder,
    paths: dict[str, str],
    texts: Sequence[str],
    source: str,
    policy: Policy,
    rounds: int,
    profiled: bool = False,
) -> None:
    """Run the library in its default and in 16 bits, and ours in 32 and 16 bits, by turns."""
    device, native = resolve_device(policy), resolve_dtype(policy)
    path = model_path(encoder, paths)

    def ours(dtype: str) -> Callable[[Sequence[str]], np.ndarray]:
        chosen = dataclasses.replace(policy, dtype=dtype)
        return lambda part: encode(part, [encoder], policy=chosen, paths=paths).vectors[encoder.name]

    def library(dtype: torch.dtype, batch: int = 32) -> Callable[[Sequence[str]], np.ndarray]:
        model = sentence_transformers.SentenceTransformer(path, device=device, model_kwargs={"dtype": dtype})
        model.max_seq_length = encoder.max_tokens
        # costs nothing, and lets the vectors be compared: ours keep the end of a long text
        model.tokenizer.truncation_side = "left"
        return lambda part: model.encode(part, batch_size=batch, convert_to_tensor=True).float().cpu().numpy()

    def by_tokens(dtype: torch.dtype) -> Callable[[Sequence[str]], np.ndarray]:
        model = sentence_transformers.SentenceTransformer(path, device=device, model_kwargs={"dtype": dtype})
        return lambda part: sorted_by_tokens(model, part, encoder.max_tokens, budget)

    budget = batch_shape(policy)[0]
    first = encode(texts, [encoder], policy=policy, paths=paths)
    lengths, counts = first.tokens.astype(np.float64), first.tokens.tolist()
    padded, dense = library_waste(counts, texts), padding(counts, alike(counts, budget))
    runs = [Run("SentenceTransformer, default", library(torch.float32), padded)]
    runs.append(Run("  sorted by tokens", by_tokens(torch.float32), dense))
    if native == "bfloat16":
        runs.append(Run("SentenceTransformer, bfloat16", library(torch.bfloat16), padded))
        if device.startswith("cuda"):
            wide = library_waste(counts, texts, WIDE_BATCH)
            runs.append(Run(f"  in batches of {WIDE_BATCH}", library(torch.bfloat16, WIDE_BATCH), wide))
        runs.append(Run("  sorted by tokens", by_tokens(torch.bfloat16), dense))
    runs.append(Run("ours, float32", ours("float32"), first.padding_waste))
    if native == "bfloat16":
        runs.append(Run("ours, bfloat16", ours("bfloat16"), first.padding_waste))
    for run in runs * rounds:
        run.function(texts[:8])  # ours keeps one model in memory: the other dtype's has to be loaded
        started = time.perf_counter()
        run.vectors = run.function(texts)
        run.seconds = min(run.seconds, time.perf_counter() - started)
    for run in runs:
        assert run.vectors is not None
        run.alike = float((run.function(texts[::3]) == run.vectors[::3]).all(1).mean())
    print(f"{encoder.name} on {hardware(device)}")
    report(runs, texts, lengths, source)

    tokenizer, model = load(path, device, native)
    reading = best(rounds, lambda: tokenize(tokenizer, texts, encoder.max_tokens))
    ids, _ = tokenize(tokenizer, texts, encoder.max_tokens)
    computing = best(rounds, lambda: run_batches(model, ids, {encoder.pooling}, *batch_shape(policy)))
    speed, peak = operations(path, lengths) / computing, measured_peak(device)
    print(f"{native}: tokenizer alone {reading:.2f} s, model alone {computing:.2f} s")
    print(f"model alone: {lengths.sum() / computing:.0f} tokens/s, {speed / 1e12:.2f} Tflop/s, ", end="")
    print(f"{speed / peak:.0%} of a large bf16 product ({peak / 1e12:.0f} Tflop/s)")
    for name, stated in PEAKS.items():
        if device.startswith("cuda") and name in torch.cuda.get_device_name(device).split():
            print(f"{speed / stated:.0%} of the bf16 peak stated for {name} ({stated / 1e12:.0f} Tflop/s)")
    print(flush=True)
    if profiled:
        profile(runs[-1], texts)


def report(runs: Sequence[Run], texts: Sequence[str], lengths: np.ndarray, source: str) -> None:
    """The table: speed, padding, ratio to the library's default, cosine to our float32."""
    exact = next(run.vectors for run in runs if run.name == "ours, float32")
    assert exact is not None
    default = runs[0].seconds
    print(f"{len(texts)} {source}, {lengths.mean():.0f} tokens each (longest {lengths.max():.0f})")
    print(f"{'':30}{'texts/s':>9}{'tokens/s':>10}{'padding':>9}{'ratio':>8}{'cosine':>10}{'same bits':>11}")
    for run in runs:
        assert run.vectors is not None
        cosine = (run.vectors * exact).sum(1) / np.linalg.norm(run.vectors, axis=1)
        mean = float((cosine / np.linalg.norm(exact, axis=1)).mean())
        print(
            f"{run.name:30}{len(texts) / run.seconds:9.1f}{lengths.sum() / run.seconds:10.0f}"
            f"{run.waste:9.1%}{default / run.seconds:7.2f}x{mean:10.6f}{run.alike:11.0%}"
        )


def profile(run: Run, texts: Sequence[str]) -> None:
    """Print the operators that take most of the time of one run."""
    with torch.profiler.profile() as profiler:
        run.function(texts)
    events = sorted(profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    print(f"time by operator, {run.name}:")
    for event in events[:8]:
        print(f"  {event.key[:50]:50}{event.self_cpu_time_total / total:7.1%}")


if __name__ == "__main__":
    main()
