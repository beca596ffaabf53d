"""Canonical items: told by content, by key where there is no text; disputed and stray documents left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.ingest.identity import TEXTS, DocList
from routerset.etl.ingest.items import CONFLICT, UNKNOWN, Canonical, canonical_items
from routerset.etl.sources.parse.questions import gold_of, resolve_gold


@dataclass(frozen=True)
class Doc:
    """One document of a list."""

    key: str
    question: str | None = None
    gold: str | None = None
    choices: tuple[str, ...] | None = None
    hash: str | None = None
    category: str | None = None

    @property
    def text(self) -> tuple[object, ...]:
        return self.question, None, None if self.choices is None else list(self.choices), self.gold, self.hash


@dataclass(frozen=True)
class Use:
    """Documents that some models were scored on."""

    docs: Sequence[Doc]
    models: int = 4
    space: str = "a"


def canonical(*uses: Use, readers: dict[tuple[int, ...], int] | None = None, share: float = 0.5) -> Canonical:
    texts = {repr(doc.text): doc.text for use in uses for doc in use.docs}
    table = pa.Table.from_pylist(
        [dict(zip(TEXTS.names, (mark, *text), strict=True)) for mark, text in texts.items()], TEXTS
    )
    lists = [
        DocList(
            use.space,
            pa.chunked_array([[doc.key for doc in use.docs]], pa.string()),
            pa.chunked_array([[repr(doc.text) for doc in use.docs]], pa.string()),
            pa.chunked_array([[doc.category for doc in use.docs]], pa.string()),
        )
        for use in uses
    ]
    counts = readers or {(at,): use.models for at, use in enumerate(uses)}
    return canonical_items("arc", "arc", lists, table, counts, share)


def places(found: Canonical) -> list[list[int]]:
    return [placed.position.tolist() for placed in found.placed]


def docs(*rows: tuple[str, str | None] | tuple[str, str | None, str | None]) -> list[Doc]:
    return [Doc(*row) for row in rows]


def test_numbers_are_ordered_as_numbers() -> None:
    found = canonical(Use(docs(("10", "ten"), ("9", "nine"))))
    assert found.items["doc_key"].to_pylist() == ["9", "10"]
    assert places(found) == [[1, 0]]


def test_lists_in_another_order_are_the_same_items() -> None:
    found = canonical(Use(docs(("1", "one"), ("2", "two"))), Use(docs(("2", "two"), ("1", "one"))))
    assert places(found) == [[0, 1], [1, 0]]
    assert not any(placed.rejoined.any() for placed in found.placed)


@pytest.mark.parametrize("space", ["a", "b"])
def test_a_key_never_joins_two_contents(space: str) -> None:
    found = canonical(
        Use(docs(("0", "one", "x"), ("1", "two", "x"), ("2", "three", "x")), 5),
        Use(docs(("0", "two", "x"), ("1", "one", "x"), ("2", "three", "x")), 4, space),
    )
    assert found.items["question"].to_pylist() == ["one", "two", "three"]
    assert places(found) == [[0, 1, 2], [1, 0, 2]]
    if space == "a":
        assert found.placed[1].rejoined.tolist() == [True, True, False]


def test_another_content_under_a_known_key_is_told_with_both_names() -> None:
    found = canonical(
        Use(docs(("0", "one", "x"), ("1", "two", "x")), 5),
        Use(docs(("0", "eleven", "x"), ("1", "two", "x")), 1),
    )
    assert places(found) == [[0, 1], [UNKNOWN, 1]]
    assert "'eleven'" in found.placed[1].why[0]
    assert "'one'" in found.placed[1].why[0]


def test_options_in_any_order_are_one_item_with_the_order_that_most_models_saw() -> None:
    shown = [("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")]
    uses = [Use([Doc("0", "q", "b", order)], n) for order, n in zip(shown, (2, 3, 2), strict=True)]
    found = canonical(*uses)
    assert places(found) == [[0], [0], [0]]
    assert found.items["choices"].to_pylist() == [["c", "a", "b"]]
    alone = canonical(uses[0])
    assert alone.items["item_id"] == found.items["item_id"]


def test_letters_that_name_no_option_are_no_dispute_where_options_are_shuffled() -> None:
    found = canonical(
        Use([Doc("0", "q", "X", ("a", "b"))], 2),
        Use([Doc("0", "q", "Y", ("b", "a"))], 2),
        Use([Doc("0", "r", "X", ("a", "b"))], 1),
    )
    assert places(found)[:2] == [[0], [0]]
    told = canonical(Use([Doc("0", "q", "X", ("a", "b"))], 3), Use([Doc("0", "q", "a", ("a", "b"))], 2))
    assert places(told) == [[0], [0]]
    same_order = canonical(Use([Doc("0", "q", "X", ("a", "b"))], 3), Use([Doc("0", "q", "Y", ("a", "b"))], 2))
    assert places(same_order) == [[0], [CONFLICT]]


def test_other_options_make_another_document() -> None:
    found = canonical(
        Use([Doc("0", "q", "a", ("a", "b"))], 3), Use([Doc("0", "q", "a", ("a", "c"))], 1), share=0.2
    )
    assert places(found) == [[0], [1]]


def test_empty_options_are_no_options() -> None:
    assert places(canonical(Use([Doc("0", "q", "a", ())]), Use([Doc("0", "q", "a", None)]))) == [[0], [0]]


def test_repeats_of_one_content_stay_apart() -> None:
    found = canonical(Use(docs(("1", "same"), ("2", "same"), ("3", "other"))))
    ids = found.items["item_id"].to_pylist()
    assert len(set(ids)) == 3
    assert ids[1] == ids[0] + "-2"


def test_part_of_a_run_lands_on_the_repeat_of_its_key() -> None:
    whole = Use(docs(("1", "same"), ("2", "same"), ("3", "other")))
    part = Use(docs(("2", "same"), ("3", "other")), 1)
    assert places(canonical(whole, part)) == [[0, 1, 2], [1, 2]]


def test_repeats_are_told_apart_where_every_run_is_split() -> None:
    found = canonical(
        Use(docs(("1", "same"), ("3", "other"))),
        Use(docs(("2", "same"), ("4", "more"))),
        readers={(0, 1): 5},
    )
    assert places(found) == [[0, 2], [1, 3]]


def test_equal_questions_with_different_golds_are_told_apart_by_gold() -> None:
    whole = Use(docs(("1", "same", "x"), ("2", "same", "y")), 5)
    moved = Use(docs(("1", "same", "y"), ("2", "same", "x")), 1)
    part = Use(docs(("7", "same", "y")), 1)
    assert places(canonical(whole, moved, part)) == [[0, 1], [1, 0], [1]]


def test_a_repeat_that_one_model_alone_logs_costs_the_others_nothing() -> None:
    others = [Use(docs((str(key), "same"), ("99", "other"))) for key in range(5)]
    odd = Use(docs(("3", "same"), ("17", "same"), ("99", "other")), 1)
    found = canonical(*others, odd)
    assert places(found) == [[0, 1]] * 5 + [[0, UNKNOWN, 1]]


def test_every_item_has_a_key_of_its_own_though_every_model_has_its_own_order() -> None:
    names = "abcde"
    uses = [Use([Doc(str(at), names[(at + turn) % 5]) for at in range(5)], 1) for turn in range(5)]
    found = canonical(*uses)
    assert len(set(found.items["doc_key"].to_pylist())) == 5
    assert sorted(found.items["question"].to_pylist()) == list(names)
    two = canonical(Use(docs(("1", "q"))), Use(docs(("1", "r")), space="b"))
    assert two.items["doc_key"].to_pylist() == ["1", "1#2"]


def test_repeats_in_another_key_space_follow_in_order() -> None:
    found = canonical(
        Use(docs(("1", "same"), ("2", "same")), 5), Use(docs(("30", "same"), ("4", "same")), 3, "b")
    )
    assert places(found) == [[0, 1], [1, 0]]


def test_the_gold_answer_of_most_models_counts() -> None:
    found = canonical(Use(docs(("1", "q", "A")), 5), Use(docs(("1", "q", "B")), 3))
    assert places(found) == [[0], [CONFLICT]]
    assert found.placed[1].why == {
        0: "document 1: found gold answer 'B', most models were scored against 'A'"
    }


def test_golds_are_compared_as_texts() -> None:
    found = canonical(Use(docs(("1", "q", "The  Answer")), 5), Use(docs(("1", "q", "the answer")), 3))
    assert places(found) == [[0], [0]]


def test_without_a_majority_no_answer_counts() -> None:
    found = canonical(
        Use(docs(("1", "q", "A"), ("2", "r", "A"))), Use(docs(("1", "q", "B"), ("2", "r", "A")))
    )
    assert places(found) == [[CONFLICT, 0], [CONFLICT, 0]]
    assert "no answer has a majority" in found.placed[0].why[0]


def test_documents_few_models_saw_are_no_items() -> None:
    found = canonical(Use(docs(("1", "q")), 9), Use(docs(("1", "q"), ("2", "stray")), 1))
    assert places(found) == [[0], [0, UNKNOWN]]


def test_what_complete_models_have_stays_though_most_models_are_small() -> None:
    full = Use([Doc(str(n), f"q{n}") for n in range(40)], 5)
    tiny = Use([Doc(str(n), f"q{n}") for n in range(10)], 7)
    assert len(canonical(full, tiny).items) == 40
    assert len(canonical(full, tiny, share=0.8).items) == 10


def test_a_mended_text_is_the_document_it_was_where_all_other_keys_agree() -> None:
    same = [Doc(str(n), f"What is the number {n}?", "x") for n in range(200)]
    text = "What is the sum of the angles of a triangle?"
    mended = Doc("200", text, "180", ("90", "180", "360"))
    typo = Doc("200", text.replace("the sum", "thesum"), "180", ("90", "180", "360"))
    dropped = Doc("200", text, "180", ("90", "180"))
    for other in (typo, dropped):
        found = canonical(Use([*same, mended], 5), Use([*same, other], 3))
        assert places(found)[1] == places(found)[0]
        assert found.items["choices"][200].as_py() == ["90", "180", "360"]
        assert found.placed[1].mended.tolist() == [False] * 200 + [True]
    elsewhere = canonical(Use([*same[:3], mended], 5), Use([*same[:3], typo], 3))
    assert places(elsewhere)[1] == [0, 1, 2, UNKNOWN]
    stranger = Doc("200", "Which town is it?", "180", ("90", "180", "360"))
    assert places(canonical(Use([*same, mended], 5), Use([*same, stranger], 3)))[1][-1] == UNKNOWN


def test_keys_without_text_join_inside_their_key_space_only() -> None:
    bare, told = docs(("1", None), ("2", None)), docs(("1", "one"), ("2", "two"))
    found = canonical(Use(bare, 3, "bare"), Use(told, 5, "told"))
    assert places(found) == [[UNKNOWN, UNKNOWN], [0, 1]]
    joined = canonical(Use(bare, 3, "told"), Use(told, 5, "told"))
    assert places(joined) == [[0, 1], [0, 1]]
    assert [placed.joined_by for placed in joined.placed] == ["key", "content"]
    alone = canonical(Use(bare, 3))
    assert places(alone) == [[0, 1]]
    assert alone.items["question"].to_pylist() == [None, None]


def test_two_key_spaces_without_text_are_never_merged() -> None:
    found = canonical(Use(docs(("1", None)), 5, "a"), Use(docs(("1", None)), 4, "b"))
    assert places(found) == [[0], [UNKNOWN]]


def test_a_hash_tells_documents_that_have_no_text() -> None:
    told = Use([Doc("0", "one", hash="h1"), Doc("1", "two", hash="h2")], 5)
    moved = Use([Doc("0", hash="h2"), Doc("1", hash="h1")], 2)
    other = Use([Doc("0", hash="h9"), Doc("1", hash="h2")], 1)
    found = canonical(told, moved, other)
    assert places(found) == [[0, 1], [1, 0], [UNKNOWN, 1]]
    assert [placed.joined_by for placed in found.placed] == ["content", "hash", "hash"]
    assert places(canonical(moved)) == [[0, 1]]
    without = Use([Doc("0", "one"), Doc("1", "two")], 5)
    by_key = canonical(without, moved)
    assert places(by_key) == [[0, 1], [0, 1]]
    assert by_key.placed[1].joined_by == "key"


@pytest.mark.parametrize(
    ("gold", "options", "labels", "own", "expected"),
    [
        ("(B)", ["a x", "b x", "c x"], [], None, "b x"),
        ("B", ["a x", "b x"], [], None, "b x"),
        ("b", ["a x", "b x"], [], None, "b x"),
        ("1", ["a x", "b x"], [], None, "b x"),
        (1, ["a x", "b x"], [], None, "b x"),
        ("1", ["a x", "b x"], ["1", "2"], None, "a x"),
        ("1", ["a x", "b x"], ["1", "2"], "2", "b x"),
        (1, ["a x", "b x"], ["1", "2"], "2", "b x"),
        ("B", ["a x", "b x"], ["B", "A"], None, "a x"),
        (" A  X ", ["a x", "b x"], [], None, "a x"),
        ("0", ["3", "0"], [], None, "3"),
        ("0", ["3", "0"], [], "B", "0"),
        ("9", ["a x", "b x"], [], None, "9"),
        ("Z", ["a x", "b x"], [], None, "Z"),
        ([0, 1], ["a x", "b x"], [], None, '["a x","b x"]'),
        ("x", [], [], None, "x"),
        (None, ["a x"], [], None, None),
        (True, ["a x", "b x"], [], None, "true"),
    ],
)
def test_golds_are_resolved_to_texts(
    gold: object, options: list[str], labels: list[str], own: object, expected: str | None
) -> None:
    assert resolve_gold(gold, options, labels, own) == expected


def test_the_documents_own_answer_decides_what_a_number_means() -> None:
    doc = {"choices": {"text": ["w", "x", "y", "z"], "label": ["1", "2", "3", "4"]}, "answerKey": "3"}
    assert gold_of(doc, "2", ["w", "x", "y", "z"]) == "y"
    assert gold_of(doc, "3", ["w", "x", "y", "z"]) == "y"


@st.composite
def list_of_documents(draw: st.DrawFn) -> Use:
    rows = st.builds(
        Doc,
        st.sampled_from("123"),
        st.sampled_from(["q", "r", None]),
        st.sampled_from(["A", "B", None]),
        st.sampled_from([None, ("A", "B"), ("B", "A")]),
        st.sampled_from([None, "h", "i"]),
    )
    found = draw(st.lists(rows, max_size=4, unique_by=lambda doc: doc.key))
    return Use(found, draw(st.integers(1, 3)), draw(st.sampled_from("ab")))


@settings(deadline=None)
@given(st.lists(list_of_documents(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_lists_changes_nothing(uses: list[Use], random) -> None:
    shuffled = random.sample(range(len(uses)), len(uses))
    first = canonical(*uses)
    second = canonical(*(uses[i] for i in shuffled))
    assert second.items == first.items
    assert places(second) == [places(first)[i] for i in shuffled]
    for placed in first.placed:
        kept = placed.position[placed.position >= 0].tolist()
        assert len(set(kept)) == len(kept)
        assert set(placed.why) == {at for at, place in enumerate(placed.position) if place < 0}


@settings(deadline=None)
@given(st.permutations(range(6)), st.permutations(range(3)), st.integers(1, 5))
def test_keys_and_options_in_any_order_give_the_same_items(keys: list, order: list, cut: int) -> None:
    options = [tuple(f"o{n}{k}" for k in range(3)) for n in range(6)]
    texts = [(f"question {n // 2}", f"o{n}1", options[n]) for n in range(6)]
    plain = [Doc(str(n), *text) for n, text in enumerate(texts)]
    moved = [
        Doc(str(keys[n]), question, gold, tuple(of[k] for k in order))
        for n, (question, gold, of) in enumerate(texts)
    ]
    parts = sorted(moved, key=lambda doc: doc.key)
    found = canonical(Use(plain), Use(parts[:cut]), Use(parts[cut:]), readers={(0,): 5, (1, 2): 1})
    text_of = found.items.select(["question", "choices"]).to_pylist()
    for use, positions in zip((plain, parts[:cut], parts[cut:]), places(found), strict=True):
        for doc, at in zip(use, positions, strict=True):
            assert text_of[at]["question"] == doc.question
            assert sorted(text_of[at]["choices"]) == sorted(doc.choices or ())
