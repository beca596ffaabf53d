"""Question, answer options and prompt in an evaluation harness's documents, whatever their names there."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from routerset.etl.sources.parse.jsonlines import as_text

FIRST_REQUEST = "gen_args_0"
_QUESTIONS = ("question", "Question", "query", "ctx", "goal", "sentence", "problem", "input", "prompt")
_CHOICES = ("choices", "options", "endings", "mc1_targets", "mc2_targets")
_NUMBERED = (("option1", "option2"), ("sol1", "sol2"), ("choice1", "choice2", "choice3", "choice4"))
_MAX_LITERAL = 10_000  # characters


def question_of(doc: object) -> str | None:
    """The question in a document, after the story where there is one (MuSR)."""
    if not isinstance(doc, Mapping):
        return None
    question = next((doc[name] for name in _QUESTIONS if isinstance(doc.get(name), str)), None)
    story = doc.get("narrative")
    return f"{story}\n\n{question}" if question is not None and isinstance(story, str) else question


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
