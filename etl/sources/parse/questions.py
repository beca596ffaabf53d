"""Question, answer options and prompt in an evaluation harness's documents, whatever their names there."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence

from routerset.etl.sources.parse.jsonlines import as_text
from routerset.schemas.ids import normalise_text

FIRST_REQUEST = "gen_args_0"
_QUESTIONS = ("question", "Question", "query", "ctx", "goal", "sentence", "problem", "input", "prompt")
_CHOICES = ("choices", "options", "endings", "mc1_targets", "mc2_targets")
_NUMBERED = (("option1", "option2"), ("sol1", "sol2"), ("choice1", "choice2", "choice3", "choice4"))
_ANSWERS = ("answerKey", "answer", "label", "gold", "Correct Answer", "correct_answer", "answer_index")
_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")
_MAX_LITERAL = 10_000  # characters


def question_of(doc: object) -> str | None:
    """The question in a document, after the story where there is one (MuSR)."""
    if not isinstance(doc, Mapping):
        return None
    question = next((doc[name] for name in _QUESTIONS if isinstance(doc.get(name), str)), None)
    story = doc.get("narrative")
    return f"{story}\n\n{question}" if question is not None and isinstance(story, str) else question


def text_of(doc: object, name: str | None) -> str | None:
    """What stands in a field of a document, where that is text; None for no field."""
    found = doc.get(name) if isinstance(doc, Mapping) and name is not None else None
    return _string(found)


def choices_of(doc: object) -> list[str] | None:
    """The answer options in a document, in its order; None where it has none."""
    if not isinstance(doc, Mapping):
        return None
    for name in _CHOICES:
        found = doc.get(name)
        if isinstance(found, Mapping):  # ARC has `choices.text`, TruthfulQA `mc1_targets.choices`
            found = found.get("text", found.get("choices"))
        if isinstance(found, str):
            found = literal_of(found)
            if isinstance(found, list) and not all(isinstance(choice, str) for choice in found):
                continue
        if isinstance(found, list) and found:
            return [as_text(choice) or "" for choice in found]
    for names in _NUMBERED:
        if all(isinstance(doc.get(name), str) for name in names):
            return [doc[name] for name in names]
    return None


def gold_of(doc: object, target: object, choices: Sequence[str] | None) -> str | None:
    """The gold answer of a document: the text of an option, whether a log tells it by letter, number or text.

    target: as logged. Where it can be read in two ways, the document's own answer decides.
    """
    labels, own = None, None
    if isinstance(doc, Mapping):
        found = doc.get("choices")
        labels = found.get("label") if isinstance(found, Mapping) else None
        own = next((doc[name] for name in _ANSWERS if isinstance(doc.get(name), str | int)), None)
    names = [str(label) for label in labels] if isinstance(labels, list) else []
    return resolve_gold(target, choices or (), names, own)


def resolve_gold(
    gold: object, options: Sequence[str | None], labels: Sequence[str] = (), own: object = None
) -> str | None:
    """The option that a gold answer stands for, as text; the answer itself where no option can be told.

    gold: an option's text, its label, its letter ("(A)", "A", "a") or its position from 0, or a list of
    these. labels: of the options, where the document gives them. own: another spelling of the same answer,
    which decides where `gold` can be read in two ways.
    """
    if isinstance(gold, list):
        # lists in lists are as they are: text that is quoted again at every level doubles each time
        return as_text([e if isinstance(e, list) else resolve_gold(e, options, labels) for e in gold])
    found = _meant(gold, options, labels)
    if len(found) > 1 and own is not None:
        found = [at for at in found if at in _meant(own, options, labels)[:1]] or found
    return options[found[0]] if found else as_text(gold)


def _meant(gold: object, options: Sequence[str | None], labels: Sequence[str]) -> list[int]:
    """Positions that a gold answer may stand for, likeliest first: harnesses log numbers for positions."""
    text = normalise_text(as_text(gold) or "")
    labelled = [at for at, label in enumerate(labels[: len(options)]) if normalise_text(label) == text]
    spelled = [at for at, option in enumerate(options) if normalise_text(option or "") == text]
    if text.isdecimal():
        position = [int(text)] if len(text) < 4 and int(text) < len(options) else []
        found = [*position, *labelled] if isinstance(gold, int) else [*labelled, *position]
        return [*found, *spelled]
    letter = _LETTER.fullmatch(text)
    marked = [
        at for at, label in enumerate(labels[: len(options)]) if letter and label.casefold() == letter[1]
    ]
    place = [ord(letter[1]) - ord("a")] if letter and ord(letter[1]) - ord("a") < len(options) else []
    return [*spelled, *labelled, *(marked or place)]


def literal_of(text: str) -> object:
    """A list or a dict spelled as a Python literal; None where it is none. Nothing in it is run."""
    if not text.startswith(("[", "{")) or len(text) > _MAX_LITERAL:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def prompt_of(arguments: object) -> str | None:
    """The text sent to the LLM, from `arguments` of a harness log: its first request's first argument."""
    first: object = arguments
    if isinstance(first, Mapping):  # {"gen_args_0": {"arg_0": prompt, ...}, ...}
        first = first.get(FIRST_REQUEST)
        return _string(first.get("arg_0")) if isinstance(first, Mapping) else None
    while isinstance(first, list) and first:  # [[prompt, continuation], ...]
        first = first[0]
    return _string(first)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
