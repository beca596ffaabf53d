"""What the items ask: questions whose words tell their topic, answer options, and few-shot prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from routerset.etl.synth.model import TOPICS, ItemBank, generator, uniforms
from routerset.etl.synth.plan import RECIPES
from routerset.schemas.benchmarks import Benchmark

LETTERS = "ABCDEFGHIJ"
_WORDS = {
    "astronomy": "comet telescope galaxy orbit nebula planet eclipse asteroid quasar supernova satellite "
    "meteor crater constellation pulsar parallax",
    "cooking": "oven dough sauce garlic skillet recipe butter onion broth pastry pepper stew whisk yeast "
    "marinade casserole",
    "finance": "bond dividend mortgage ledger loan broker audit invoice pension tariff budget annuity "
    "portfolio deposit premium interest",
    "law": "statute plaintiff verdict contract court appeal juror treaty felony clause injunction witness "
    "tribunal subpoena defendant litigation",
    "medicine": "fever vaccine artery surgeon tumour antibiotic diagnosis kidney insulin symptom biopsy "
    "clinic dosage anaemia lesion stethoscope",
    "music": "violin chord symphony melody trumpet tempo choir sonata drum rhythm harmony cello octave "
    "concerto flute overture",
    "sailing": "anchor mast harbour rudder keel regatta spinnaker tide lighthouse hull buoy jib compass "
    "schooner rigging helm",
    "software": "compiler server database pointer kernel algorithm browser thread packet cache debugger "
    "socket parser firewall repository bytecode",
}
WORDS: dict[str, tuple[str, ...]] = {topic: tuple(_WORDS[topic].split()) for topic in TOPICS}
"""Sixteen nouns per topic; no noun stands under two topics."""
_PEOPLE = (
    "Ada", "Bruno", "Chen", "Dalia", "Emeka", "Freya", "Goran", "Hana", "Idris", "Juno", "Kofi", "Lena",
    "Mateo", "Nadia", "Omar", "Priya",
)  # fmt: skip

_TEMPLATES = {
    "arc": "Students compare a {a} with a {b} in trial {n} of a lesson on {topic}. What does the {c} show?",
    "hellaswag": "{who} carries the {a} past the {b} on day {n} of a course in {topic}. After a look at the"
    " {c}, {who}",
    "mmlu": "A text on {topic} lists {n} facts about the {a} and the {b}. Which one governs the {c}?",
    "truthfulqa": "Does a {a} really change its {b} after {n} days, as people in {topic} say of the {c}?",
    "winogrande": "In {topic} class {n}, {who} moved the {a} instead of the {b} because the _ was too heavy.",
    "gsm8k": "{who} runs a shop for {topic} with {n} of each {a} and adds {x} more every day for {y} days,"
    " while each {b} stays on the {c}. How many of each {a} are there in the end?",
    "ifeval": "Write a story about {topic} in which {who} trades a {a} for a {b} and a {c}. Use at least {n}"
    " words and no commas.",
    "bbh": "Consider {n} claims about {topic}: every {a} needs a {b} and no {b} is a {c}. What follows?",
    "gpqa": "A study in {topic} measures the {a} under {n} conditions of the {b}. Which effect on the {c} is"
    " expected?",
    "musr": "{who} kept a {a} in the room for {topic} for {n} nights. The {b} vanished before dawn, and only"
    " a {c} was found beside the door.\n\nWhere would {who} look for the {b}?",
    "math_lvl5": "In a puzzle on {topic}, $k$ counts each {a} of a {b}. If ${x}k + {y} = {z}$ for every {c},"
    " what is $k$?",
    "mmlu_pro": "An exam in {topic} describes a {a} that meets a {b} at {n} units. Which one fits the {c}?",
}
_OPTIONS = {
    "arc": "how the {w} changes",
    "hellaswag": "puts the {w} away and waits {n} seconds.",
    "mmlu": "the rule of the {w}",
    "truthfulqa": "It depends on the {w}.",
    "winogrande": "{w}",
    "bbh": "the {w} comes first",
    "gpqa": "a shift of the {w} by {n} units",
    "musr": "beside the {w}",
    "mmlu_pro": "the {w} with factor {n}",
}
_LEADS = {
    "arc": "Question: ",
    "truthfulqa": "Q: ",
    "gsm8k": "Question: ",
    "bbh": "Q: ",
    "gpqa": "What is the correct answer to this question:",
    "math_lvl5": "Problem:\n",
    "mmlu_pro": "Question:\n",
}
_TAILS = {
    "arc": "\nAnswer:",
    "mmlu": "\nAnswer:",
    "truthfulqa": "\nA:",
    "gsm8k": "\nAnswer:",
    "bbh": "\nA:",
    "gpqa": "\nAnswer:",
    "musr": "\nAnswer:",
    "math_lvl5": "\n\nSolution:",
    "mmlu_pro": "\nAnswer:",
}
_LISTED = {
    "mmlu": "{letter}. ",
    "mmlu_pro": "{letter}. ",
    "bbh": "({letter}) ",
    "gpqa": "({letter}) ",
    "musr": "{i} - ",
}
"""How a prompt lists the options; elsewhere it does not."""
_DRAWS = 8


@dataclass(frozen=True)
class Item:
    """One document of a benchmark.

    key: number of the document in its subset, from 0. choices: answer options, none where the answer is
    free text. gold: position of the right choice, 0 where there is none. answer: the right answer's text.
    """

    benchmark: str
    subset: str
    key: int
    topic: str
    question: str
    choices: tuple[str, ...]
    gold: int
    answer: str


def write_items(seed: int, bank: ItemBank) -> list[Item]:
    """Items of a benchmark in canonical order; the question depends on `bank.source` alone."""
    name = bank.benchmark.name
    n = bank.n_items
    words = uniforms(generator(seed, name, "words"), n * _DRAWS).reshape(n, _DRAWS)
    place = uniforms(generator(seed, name, "gold"), n)
    subsets = [(subset, key) for subset, size in bank.sizes.items() for key in range(size)]
    return [
        _item(name, subset, key, TOPICS[topic], words[source], int(gold), 100 + source, 100 + i)
        for i, ((subset, key), source, topic, gold) in enumerate(
            zip(subsets, bank.source.tolist(), bank.topic.tolist(), place, strict=True)
        )
    ]


def _item(
    name: str, subset: str, key: int, topic: str, draws: np.ndarray, place: int, number: int, ordinal: int
) -> Item:
    """One item; `number` makes the question unique in its benchmark, `ordinal` the options."""
    a, step, who, x, y, w, *_ = draws.tolist()
    nouns = WORDS[topic]
    # an odd step visits all sixteen nouns before it repeats one
    walk = [nouns[(a + (2 * step + 1) * k) % 16] for k in range(16)]
    x, y = 2 + x % 29, 1 + y % 13
    fields = dict(zip("abc", walk, strict=False)) | {"who": _PEOPLE[who % 16], "topic": topic}
    question = _TEMPLATES[name].format(**fields, n=number, x=x, y=y, z=x * number + y)
    count = RECIPES[name].choices
    if count == 0:
        answer = {"gsm8k": number + x * y, "math_lvl5": number}.get(name, 0)
        return Item(name, subset, key, topic, question, (), 0, str(answer))
    if name == "winogrande":
        options = walk[:2]
    else:
        spread = walk[3:] + walk[:3]
        unique = ordinal if name == "hellaswag" else number
        options = [_OPTIONS[name].format(w=spread[(w + k) % 16], n=unique + k) for k in range(count)]
    gold = place % count
    turned = options[-gold:] + options[:-gold] if gold else options
    return Item(name, subset, key, topic, question, tuple(turned), gold, turned[gold])


def preamble(seed: int, benchmark: Benchmark, subset: str) -> str:
    """Few-shot examples of a subset, as they stand before every question."""
    # TruthfulQA counts as zero-shot, yet its prompt opens with six answered questions
    shots = 6 if benchmark.name == "truthfulqa" else benchmark.shots
    lead = {
        "mmlu": "The following are multiple choice questions (with answers) about {}.\n\n",
        "mmlu_pro": "The following are multiple choice questions (with answers). Think step by step.\n\n",
        "bbh": "Tasks of the kind {}.\n\n",
    }.get(benchmark.name, "")
    return lead.format(subset.replace("_", " ")) + "".join(
        f"{_body(item)} {_shown_answer(item)}\n\n" for item in _examples(seed, benchmark.name, subset, shots)
    )


def prompt(item: Item, before: str) -> str:
    """Text sent to the LLMs: the few-shot examples `before`, then the question."""
    return before + _body(item)


def option_lines(item: Item) -> str:
    """Options as the prompt lists them, one a line, each after a line break; empty where it lists none."""
    style = _LISTED.get(item.benchmark)
    if style is None:
        return ""
    rows = (style.format(letter=LETTERS[i], i=i + 1) + choice for i, choice in enumerate(item.choices))
    head = {"bbh": "\nOptions:", "mmlu_pro": "\nOptions:", "gpqa": "\nChoices:"}.get(item.benchmark, "")
    return head + "".join(f"\n{row}" for row in rows)


def target(item: Item) -> str:
    """Right answer as harness logs spell it: a label, a position or the text."""
    match item.benchmark:
        case "bbh" | "gpqa":
            return f"({LETTERS[item.gold]})"
        case "mmlu_pro":
            return LETTERS[item.gold]
        case "arc" | "hellaswag" | "mmlu":
            return str(item.gold)
        case "truthfulqa":
            return "0"
        case _:
            return item.answer


def _body(item: Item) -> str:
    if item.benchmark == "winogrande":
        return item.question.partition("_")[0].rstrip()
    text = item.question + option_lines(item)
    return _LEADS.get(item.benchmark, "") + text + _TAILS.get(item.benchmark, "")


def _shown_answer(item: Item) -> str:
    match item.benchmark:
        case "mmlu" | "mmlu_pro":
            return LETTERS[item.gold]
        case "bbh" | "gpqa":
            return f"({LETTERS[item.gold]})"
        case "winogrande":
            return item.answer + item.question.partition("_")[2]
        case _:
            return item.answer


def _examples(seed: int, name: str, subset: str, shots: int) -> Iterator[Item]:
    """Example items; their numbers lie below those of all real items."""
    draws = uniforms(generator(seed, name, subset, "shots"), shots * _DRAWS).reshape(shots, _DRAWS)
    for k in range(shots):
        topic = TOPICS[int(draws[k, 6]) % len(TOPICS)]
        yield _item(name, subset, k, topic, draws[k], int(draws[k, 7]), 10 + k, 10 + k)
