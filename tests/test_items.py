"""Canonical items: joined by key in a key space, by content across; disputed and stray documents left out."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.ingest.items import CONFLICT, UNKNOWN, DocsetUse, canonical_items
from routerset.etl.sources.base import DOCS


def use(
    rows: Sequence[tuple[str, str | None, str | None]], n_models: int = 4, key_space: str = "a"
) -> DocsetUse:
    """A document list of (key, question, gold)."""
    docs = pa.table(
        {
            "doc_key": [key for key, _, _ in rows],
            "question": pa.array([question for _, question, _ in rows], pa.string()),
            "prompt": pa.nulls(len(rows), pa.string()),
            "choices": pa.nulls(len(rows), pa.list_(pa.string())),
            "gold": pa.array([gold for _, _, gold in rows], pa.string()),
        },
        schema=DOCS,
    )
    return DocsetUse(
        key_space, docs.append_column("print", pa.array([str(row) for row in rows], pa.string())), n_models
    )


def canonical(*uses: DocsetUse, n_models: int | None = None):
    return canonical_items("arc", "arc", uses, n_models or sum(u.n_models for u in uses))


def test_numbers_are_ordered_as_numbers() -> None:
    found = canonical(use([("10", "ten", None), ("9", "nine", None)]))
    assert found.items["doc_key"].to_pylist() == ["9", "10"]
    assert found.positions[0].tolist() == [1, 0]


def test_lists_in_another_order_are_the_same_items() -> None:
    found = canonical(
        use([("1", "one", None), ("2", "two", None)]), use([("2", "two", None), ("1", "one", None)])
    )
    assert [p.tolist() for p in found.positions] == [[0, 1], [1, 0]]


def test_key_spaces_are_joined_by_content_never_by_key() -> None:
    found = canonical(
        use([("0", "one", None), ("1", "two", None)], key_space="a", n_models=5),
        use([("0", "two", None), ("1", "one", None)], key_space="b", n_models=4),
    )
    assert found.items["question"].to_pylist() == ["one", "two"]
    assert [p.tolist() for p in found.positions] == [[0, 1], [1, 0]]


def test_repeats_of_one_content_stay_apart() -> None:
    found = canonical(use([("1", "same", None), ("2", "same", None), ("3", "other", None)]))
    ids = found.items["item_id"].to_pylist()
    assert len(set(ids)) == 3
    assert ids[1] == ids[0] + "-2"
    assert found.items["family_id"][0] == found.items["family_id"][1]


def test_the_gold_answer_of_most_models_counts() -> None:
    found = canonical(use([("1", "q", "A")], 5), use([("1", "q", "B")], 3))
    assert [p.tolist() for p in found.positions] == [[0], [CONFLICT]]
    assert found.golds == ({}, {0: "A"})


def test_without_a_majority_no_answer_counts() -> None:
    found = canonical(use([("1", "q", "A"), ("2", "r", "A")], 4), use([("1", "q", "B"), ("2", "r", "A")], 4))
    assert [p.tolist() for p in found.positions] == [[CONFLICT, 0], [CONFLICT, 0]]
    assert found.golds == ({0: None}, {0: None})


def test_documents_few_models_saw_are_no_items() -> None:
    found = canonical(use([("1", "q", None)], 9), use([("1", "q", None), ("2", "stray", None)], 1))
    assert [p.tolist() for p in found.positions] == [[0], [0, UNKNOWN]]


def test_the_text_most_models_saw_is_kept() -> None:
    found = canonical(use([("1", "typo fixed", "A")], 5), use([("1", "typo", "A")], 3))
    assert found.items["question"].to_pylist() == ["typo fixed"]
    assert [p.tolist() for p in found.positions] == [[0], [0]]


def test_keys_without_text_join_inside_their_key_space_only() -> None:
    bare = use([("1", None, None), ("2", None, None)], 3, key_space="bare")
    told = use([("1", "one", None), ("2", "two", None)], 5, key_space="told")
    found = canonical(bare, told)
    assert [p.tolist() for p in found.positions] == [[UNKNOWN, UNKNOWN], [0, 1]]
    alone = canonical(bare)
    assert alone.positions[0].tolist() == [0, 1]
    assert alone.items["question"].to_pylist() == [None, None]


def test_two_key_spaces_without_text_are_never_merged() -> None:
    found = canonical(use([("1", None, None)], 5, key_space="a"), use([("1", None, None)], 4, key_space="b"))
    assert [p.tolist() for p in found.positions] == [[0], [UNKNOWN]]


documents = st.lists(
    st.tuples(st.sampled_from("123"), st.sampled_from(["q", "r", None]), st.sampled_from(["A", "B", None])),
    max_size=4,
    unique_by=lambda row: row[0],
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(documents, st.integers(1, 3), st.sampled_from("ab")), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_lists_changes_nothing(lists: list, random) -> None:
    uses = [use(rows, n, space) for rows, n, space in lists]
    shuffled = random.sample(range(len(uses)), len(uses))
    first = canonical_items("arc", "arc", uses, 4)
    second = canonical_items("arc", "arc", [uses[i] for i in shuffled], 4)
    assert second.items == first.items
    assert [p.tolist() for p in second.positions] == [first.positions[i].tolist() for i in shuffled]
