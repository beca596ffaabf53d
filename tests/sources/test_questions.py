"""Question, choices and prompt of documents and requests of every shape that harness logs hold."""

from __future__ import annotations

import pytest

from routerset.etl.sources.parse.questions import choices_of, prompt_of, question_of, resolve_gold


@pytest.mark.parametrize(
    ("doc", "question", "choices"),
    [
        ({"question": "q", "choices": {"text": ["a"], "label": ["A"]}}, "q", ["a"]),
        ({"query": "q", "ctx": "c", "choices": ["a", "b"]}, "q", ["a", "b"]),
        ({"ctx": "c", "endings": ["a"]}, "c", ["a"]),
        ({"goal": "g", "sol1": "a", "sol2": "b"}, "g", ["a", "b"]),
        ({"sentence": "s _", "option1": "a", "option2": "b", "answer": "1"}, "s _", ["a", "b"]),
        ({"problem": "p", "solution": "s"}, "p", None),
        ({"input": "i", "target": "t"}, "i", None),
        ({"prompt": "p", "kwargs": []}, "p", None),
        (
            {"Question": "Q", "choice1": "a", "choice2": "b", "choice3": "c", "choice4": "d"},
            "Q",
            ["a", "b", "c", "d"],
        ),
        ({"question": "q", "options": ["a", 2], "answer_index": 0}, "q", ["a", "2"]),
        ({"question": "q", "mc1_targets": {"choices": ["y"], "labels": [1]}}, "q", ["y"]),
        ({"narrative": "n", "question": "q", "choices": "['a', \"b's\"]"}, "n\n\nq", ["a", "b's"]),
        ({"narrative": "n", "question": "q", "choices": "__import__('os')"}, "n\n\nq", None),
        ({"question": 3, "choices": "[1, 2]"}, None, None),
        ({"question": "q", "choices": "[" * 9000}, "q", None),
        ("text", None, None),
        (None, None, None),
    ],
)
def test_question_and_choices_of_every_kind_of_document(
    doc: object, question: str | None, choices: list[str] | None
) -> None:
    assert (question_of(doc), choices_of(doc)) == (question, choices)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"gen_args_0": {"arg_0": "p", "arg_1": " a"}}, "p"),
        ([["p", " a"], ["p", " b"]], "p"),
        ([["p", {"until": []}]], "p"),
        ({"gen_args_0": {"arg_0": [{"role": "user"}]}}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_prompt_of_every_kind_of_request(arguments: object, expected: str | None) -> None:
    assert expected == prompt_of(arguments)


def test_answers_in_lists_in_lists_do_not_grow_with_every_level() -> None:
    nested: object = "a"
    for _ in range(60):
        nested = [nested]
    assert len(resolve_gold(nested, ["a", "b"]) or "") < 200
    assert resolve_gold(["A", ["B"]], ["x", "y"]) == '["x",["B"]]'
