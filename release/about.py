"""What a dataset says of itself in words, wherever it does: card, Croissant metadata, citation."""

from __future__ import annotations

from routerset.release.manifest import Manifest

AUTHORS = (
    ("Huang", "Zhongzhan"),
    ("Ling", "Guoming"),
    ("Lin", "Yupei"),
    ("Chen", "Yandong"),
    ("Zhong", "Shanshan"),
    ("Wu", "Hefeng"),
    ("Lin", "Liang"),
)
"""Of RouterEval: family and given names."""
CITED = {
    "title": (
        "RouterEval: A Comprehensive Benchmark for Routing LLMs to Explore Model-level Scaling Up in LLMs"
    ),
    "booktitle": "Findings of the Association for Computational Linguistics: EMNLP 2025",
    "pages": "3860--3887",
    "year": "2025",
    "doi": "10.18653/v1/2025.findings-emnlp.208",
}
CITATION = "@inproceedings{{huang2025routereval,\n  author = {{{}}},\n{}\n}}".format(
    " and ".join(f"{family}, {given}" for family, given in AUTHORS),
    ",\n".join(f"  {key} = {{{value}}}" for key, value in CITED.items()),
)
KEYWORDS = ("llm-routing", "routing", "model-selection", "leaderboard", "benchmark", "tabular", "text")
USES = (
    "Training LLM routers, comparing them on the same candidates and items, studying what routing can gain."
)
OUT_OF_SCOPE = (
    "Not for ranking LLMs of today, whose scores these are not; not as training data for LLMs, which "
    "would contaminate the benchmarks; no statement of what an LLM is safe for."
)
BIASES = (
    "Items are those of their benchmarks, by default English, mostly multiple choice and mathematics; LLMs "
    "are those that somebody put on a leaderboard, many of them merges of a few others; scores depend on "
    "prompt formats and harness versions."
)
PERSONAL = (
    "Items are questions of published benchmarks, and LLMs bear the names of the accounts that published "
    "them; nothing else of persons was collected. Texts were not searched for names of persons."
)


def maker(manifest: Manifest) -> str:
    """Who makes the dataset, as far as its config says."""
    return str(manifest.about.get("creator", f"The makers of {manifest.name}"))


def subject(manifest: Manifest) -> str:
    """What the dataset is, in one sentence."""
    what = "Synthetic scores" if manifest.about.get("synthetic") else "Scores"
    return (
        f"{what} of {manifest.n_models} LLMs on the items of {len(manifest.benchmarks)} benchmarks, for "
        "training and comparing LLM routers: prompts, embeddings, splits and groups of candidate LLMs."
    )
