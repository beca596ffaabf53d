"""Names and selection vectors, as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from routerset.release.layout import group_columns
from routerset.schemas.groups import Group
from routerset.schemas.labels import selection_vectors
from routerset.schemas.matrix import MISSING
from routerset.schemas.tables import Kind

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
scores = st.one_of(st.just(np.float32("nan")), st.floats(0, 1, width=32))


@given(hnp.arrays(np.float32, shapes, elements=scores))
def test_a_good_choice_has_nearly_the_best_score(found: np.ndarray) -> None:
    labels = selection_vectors(found)
    for row, choice in zip(found.tolist(), labels.tolist(), strict=True):
        best = max((s for s in row if s == s), default=0.0)
        assert choice == [int(s >= 0.95 * best and best > 0) for s in row]


@given(hnp.arrays(np.uint8, shapes, elements=st.sampled_from([0, 1, MISSING])))
def test_bytes_and_numbers_give_the_same_columns(found: np.ndarray) -> None:
    numbers = np.where(found == MISSING, np.float32("nan"), found.astype(np.float32))
    group = Group("paper", found.shape[1], Kind.ALL_WEAK)
    members = {group: np.arange(found.shape[1])[::-1]}
    as_bytes, as_numbers = group_columns(found, members), group_columns(numbers, members)
    assert as_bytes == as_numbers
    expected = [[None if s == MISSING else s for s in row] for row in found[:, ::-1].tolist()]
    assert as_bytes[group.column].to_pylist() == expected
    assert as_bytes[group.label_column].to_pylist() == (found[:, ::-1] == 1).astype(int).tolist()


def test_nobody_is_a_good_choice_where_all_fail() -> None:
    assert selection_vectors(np.zeros((2, 3), np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_the_edge_of_a_good_choice_is_taken_in_double_precision() -> None:
    edge = np.float32(0.95)
    assert float(edge) < 0.95
    assert selection_vectors(np.array([[1.0, edge]], np.float32)).tolist() == [[1, 0]]
    above = np.nextafter(edge, np.float32(1))
    assert selection_vectors(np.array([[1.0, above]], np.float32)).tolist() == [[1, 1]]


@given(
    st.sampled_from(["paper", "greedy", "my_m3_method"]), st.integers(1, 2000), st.sampled_from(list(Kind))
)
def test_the_name_of_a_group_can_be_read_back(method: str, m: int, kind: Kind) -> None:
    group = Group(method, m, kind)
    assert Group.parse(group.column) == group


@pytest.mark.parametrize("name", ["paper_m5", "paper_m0_all_weak", "_m5_all_weak", "paper_m5_all_weak_label"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name such as paper_m5_all_strong"):
        Group.parse(name)
