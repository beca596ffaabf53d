"""What the items ask: questions whose words tell their topic, answer options, and few-shot prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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


class _Style(NamedTuple):
    """How a benchmark asks. option: one answer option. lead, tail: what a prompt puts around the question.

    head, mark: how it lists the options, a line each; without a mark it does not.
    """

    question: str
    option: str = ""
    lead: str = ""
    tail: str = "\nAnswer:"
    head: str = ""
    mark: str = ""


_STYLES = {
    "arc": _Style(
        "Students compare a {a} with a {b} in trial {n} of a lesson on {topic}. What does the {c} show?",
        "how the {w} changes", "Question: "),
    "hellaswag": _Style(
        "{who} carries the {a} past the {b} on day {n} of a course in {topic}. After a look at the"
        " {c}, {who}",
        "puts the {w} away and waits {n} seconds.", tail=""),
    "mmlu": _Style(
        "A text on {topic} lists {n} facts about the {a} and the {b}. Which one governs the {c}?",
        "the rule of the {w}", mark="{letter}. "),
    "truthfulqa": _Style(
        "Does a {a} really change its {b} after {n} days, as people in {topic} say of the {c}?",
        "It depends on the {w}.", "Q: ", "\nA:"),
    "winogrande": _Style(
        "In {topic} class {n}, {who} moved the {a} instead of the {b} because the _ was too heavy.", "{w}"),
    "gsm8k": _Style(
        "{who} runs a shop for {topic} with {n} of each {a} and adds {x} more every day for {y} days,"
        " while each {b} stays on the {c}. How many of each {a} are there in the end?", lead="Question: "),
    "ifeval": _Style(
        "Write a story about {topic} in which {who} trades a {a} for a {b} and a {c}. Use at least {n}"
        " words and no commas.", tail=""),
    "bbh": _Style(
        "Consider {n} claims about {topic}: every {a} needs a {b} and no {b} is a {c}. What follows?",
        "the {w} comes first", "Q: ", "\nA:", "\nOptions:", "({letter}) "),
    "gpqa": _Style(
        "A study in {topic} measures the {a} under {n} conditions of the {b}. Which effect on the {c} is"
        " expected?", "a shift of the {w} by {n} units", "What is the correct answer to this question:",
        head="\nChoices:", mark="({letter}) "),
    "musr": _Style(
        "{who} kept a {a} in the room for {topic} for {n} nights. The {b} vanished before dawn, and only"
        " a {c} was found beside the door.\n\nWhere would {who} look for the {b}?", "beside the {w}",
        mark="{i} - "),
    "math_lvl5": _Style(
        "In a puzzle on {topic}, $k$ counts each {a} of a {b}. If ${x}k + {y} = {z}$ for every {c},"
        " what is $k$?", lead="Problem:\n", tail="\n\nSolution:"),
    "mmlu_pro": _Style(
        "An exam in {topic} describes a {a} that meets a {b} at {n} units. Which one fits the {c}?",
        "the {w} with factor {n}", "Question:\n", head="\nOptions:", mark="{letter}. "),
}  # fmt: skip
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
    n = len(bank.source)
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
    question = _STYLES[name].question.format(**fields, n=number, x=x, y=y, z=x * number + y)
    count = RECIPES[name].choices
    if count == 0:
        answer = {"gsm8k": number + x * y, "math_lvl5": number}.get(name, 0)
        return Item(name, subset, key, topic, question, (), 0, str(answer))
    if name == "winogrande":
        options = walk[:2]
    else:
        spread = walk[3:] + walk[:3]
        unique = ordinal if name == "hellaswag" else number
        options = [_STYLES[name].option.format(w=spread[(w + k) % 16], n=unique + k) for k in range(count)]
    gold = place % count
    turned = options[-gold:] + options[:-gold] if gold else options
    return Item(name, subset, key, topic, question, tuple(turned), gold, turned[gold])


def preamble(seed: int, benchmark: Benchmark, subset: str) -> str:
    """Few-shot examples of a subset, as they stand before every question."""
    # TruthfulQA counts as zero-shot, yet its prompt opens with six answered questions
    shots = 6 if benchmark.name == "truthfulqa" else benchmark.shots or 0
    lead = {
        "mmlu": "The following are multiple choice questions (with answers) about {}.\n\n",
        "mmlu_pro": "The following are multiple choice questions (with answers). Think step by step.\n\n",
        "bbh": "Tasks of the kind {}.\n\n",
    }.get(benchmark.name, "")
    return lead.format(subset.replace("_", " ")) + "".join(
        map(_solved, _examples(seed, benchmark.name, subset, shots))
    )


def option_lines(item: Item) -> str:
    """Options as the prompt lists them, one a line, each after a line break; empty where it lists none."""
    style = _STYLES[item.benchmark]
    if not style.mark:
        return ""
    marks = (style.mark.format(letter=LETTERS[i], i=i + 1) for i in range(len(item.choices)))
    return style.head + "".join(f"\n{mark}{choice}" for mark, choice in zip(marks, item.choices, strict=True))


def labels(item: Item) -> list[str]:
    """Options as an LLM names them: by the letters under which the prompt lists them, elsewhere in full."""
    mark = _STYLES[item.benchmark].mark.strip(" .")
    if "{letter}" not in mark:
        return list(item.choices)
    return [mark.format(letter=letter) for letter in LETTERS[: len(item.choices)]]


def target(item: Item) -> str:
    """Right answer as harness logs spell it: a label, a position or the text."""
    match item.benchmark:
        case "arc" | "hellaswag" | "mmlu":
            return str(item.gold)
        case "truthfulqa":
            return "0"
        case _:
            return labels(item)[item.gold] if item.choices else item.answer


def body(item: Item) -> str:
    """The question as it is put to an LLM, after the few-shot examples."""
    if item.benchmark == "winogrande":
        return item.question.partition("_")[0].rstrip()
    style = _STYLES[item.benchmark]
    return style.lead + item.question + option_lines(item) + style.tail


def _solved(item: Item) -> str:
    """An example with its answer."""
    answer = labels(item)[item.gold] if item.choices else item.answer
    rest = item.question.partition("_")[2] if item.benchmark == "winogrande" else ""
    return f"{body(item)} {answer}{rest}\n\n"


def _examples(seed: int, name: str, subset: str, shots: int) -> Iterator[Item]:
    """Example items; their numbers lie below those of all real items."""
    draws = uniforms(generator(seed, name, subset, "shots"), shots * _DRAWS).reshape(shots, _DRAWS)
    for k in range(shots):
        topic = TOPICS[int(draws[k, 6]) % len(TOPICS)]
        yield _item(name, subset, k, topic, draws[k], int(draws[k, 7]), 10 + k, 10 + k)
