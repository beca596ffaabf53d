"""Questions that are the same, share a story, or nearly say the same, are one family; others are not."""

from __future__ import annotations

import numpy as np
import pytest

from routerset.schemas.families import (
    CONTEXT,
    INSTRUCTION,
    OWN,
    RULES,
    SHARED_BY,
    connected,
    family_ids,
    joined,
    neighbours,
    words,
)


def story(seed: int, n: int = 80) -> str:
    """Words that no other seed gives."""
    return " ".join(f"w{number}" for number in np.random.default_rng(seed).integers(10**6, size=n))


def families(texts: list[str | None]) -> list[int]:
    return connected(len(texts), joined(texts)).tolist()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("What is it?", "what  is it", True),
        ('He said: "yes."', "he said yes", True),
        ("x + 1", "x+1", True),
        ("x + 1", "x - 1", False),
        ("(not True) and False", "not (True and False)", False),
        ("3.5 metres", "35 metres", False),
        ("3.5 metres", "3 5 metres", True),
        ("\uff21 cat", "a cat", True),
    ],
)
def test_sentence_punctuation_and_spacing_do_not_count_but_signs_do(a: str, b: str, same: bool) -> None:
    assert (families([a, b]) == [0, 0]) is same


def test_questions_on_one_story_are_one_family_and_say_which_rule_joined_them() -> None:
    texts = [
        f"{story(1)} Who did it?",
        f"{story(2)} Who?",
        f"Read on. {story(1)} Where was the key?",
        None,
        "",
    ]
    pairs = joined(texts)
    assert {rule: len(found) for rule, found in pairs.items()} == {"text": 0, "context": 1, "near": 0}
    assert tuple(pairs) == RULES
    assert connected(5, pairs).tolist() == [0, 1, 0, 3, 4]


def test_what_many_share_is_an_instruction() -> None:
    texts = [f"{story(0, CONTEXT + 5)} {story(k, 30)}" for k in range(1, SHARED_BY + 2)]
    assert families(texts) == list(range(len(texts)))
    assert families(texts[:-1]) == [0] * SHARED_BY


def test_one_word_in_many_makes_a_near_duplicate_in_few_it_does_not() -> None:
    long, short = story(3, 49).split(), story(4, 12).split()
    changed = [[*text[:-1], "other"] for text in (long, short)]
    texts = [" ".join(text) for text in (long, changed[0], short, changed[1])]
    assert families(texts) == [0, 0, 2, 3]
    assert len(joined(texts)["near"]) == 1


def test_families_are_what_is_connected() -> None:
    a, b = story(5), story(6)
    assert families([f"{a} first", f"{a} {b} second", f"{b} third", "fourth"]) == [0, 0, 0, 3]


def test_the_order_of_the_items_does_not_matter() -> None:
    texts = [f"{story(k // 3)} q{k}" for k in range(30)] + ["same text"] * 2
    order = np.random.default_rng(0).permutation(len(texts))
    found, shuffled = np.array(families(texts)), np.array(families([texts[k] for k in order]))
    together = found[order][:, None] == found[order]
    np.testing.assert_array_equal(together, shuffled[:, None] == shuffled)


def test_words() -> None:
    assert words("\uff37hat's 2+2, (say)?") == ["what", "s", "2", "+", "2", "(", "say", ")"]


@pytest.mark.parametrize(
    "options",
    [
        "(A) red\n(B) blue\n(C) not red",
        "A. blue\nB. not red\nC. red\nAnswer:",
        "1 - not red\n2 - red\n3 - blue\n",
        "- red\n- not red\n- blue",
    ],
)
def test_the_order_of_options_does_not_count_and_what_they_say_does(options: str) -> None:
    texts = [f"What is it?\n{said}" for said in ("(A) not red\n(B) red\n(C) blue", options)]
    assert families(texts) == [0, 0]
    assert families([texts[0], texts[1].replace("blue", "green")]) == [0, 1]
    assert families([texts[0], texts[1].replace("What", "Who")]) == [0, 1]


def test_the_end_of_an_instruction_with_a_few_words_more_is_no_context() -> None:
    told = story(0, CONTEXT + INSTRUCTION)
    own = [f"{story(1, OWN - 1)} {story(k, 12)}" for k in (2, 3)]
    others = [f"{told} {story(k, 30)}" for k in range(4, SHARED_BY + 4)]
    assert families([*(f"{told} {one}" for one in own), *others]) == list(range(SHARED_BY + 2))
    own = [f"{story(1, OWN)} {story(k, 12)}" for k in (2, 3)]
    assert families([*(f"{told} {one}" for one in own), *others])[:2] == [0, 0]


def test_what_many_share_makes_no_near_duplicate() -> None:
    told = story(0, 400)
    assert families([f"{told} {story(k, 30)}" for k in range(1, SHARED_BY + 2)]) == list(range(SHARED_BY + 1))


def test_a_family_has_the_smallest_id_of_its_questions_whatever_the_order() -> None:
    told = story(1)
    asked = {"c": f"{told} one?", "b": f"{told} two?", "d": "Else?", "a": None, "e": "ELSE"}
    expected = {"c": "b", "b": "b", "d": "d", "a": "a", "e": "d"}
    for names in (list(asked), sorted(asked), sorted(asked, reverse=True)):
        found, counts = family_ids(names, [asked[name] for name in names])
        assert dict(zip(names, found, strict=True)) == expected
        assert counts == {rule: {"families": 1, "items": 2} for rule in RULES}
    assert family_ids(["a", "a", "b"], [None, "One?", "Two?"])[0] == ["a", "a", "b"]
    assert family_ids([], [])[0] == []


def test_neighbours_are_groups_of_vectors_that_nearly_agree_across_families() -> None:
    turn = np.deg2rad([0, 2, 4, 90, 90, 180, 182])
    vectors = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32) * 3
    names = ["a", "b", "c", "d", "d", "e", "e"]
    assert neighbours(vectors, names) == {"groups": 1, "items": 3}  # cos 2 degrees is .9994, cos 4 .9976
    assert neighbours(vectors, [*"abcdefg"]) == {"groups": 3, "items": 7}
    assert neighbours(np.zeros((3, 2), np.float32), [*"abc"]) == {"groups": 0, "items": 0}
    many = np.ones((700, 4), np.float32)
    assert neighbours(many, [str(k) for k in range(700)]) == {"groups": 1, "items": 700}
