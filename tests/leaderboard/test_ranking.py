"""Places where not everybody can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.release.leaderboards.ranking import places


def proven(n: int, *pairs: tuple[int, int]) -> np.ndarray:
    better = np.zeros((n, n), bool)
    for pair in pairs:
        better[pair] = True
    return better


@pytest.mark.parametrize(
    ("better", "spans", "groups"),
    [
        (proven(0), [], []),
        (proven(1), ["1"], [(1,)]),
        (proven(3), ["1-3", "1-3", "1-3"], [(1,), (1,), (1,)]),
        (proven(3, (0, 1), (0, 2), (1, 2)), ["1", "2", "3"], [(1,), (2,), (3,)]),
        (proven(3, (0, 2)), ["1-2", "1-3", "2-3"], [(1,), (1, 2), (2,)]),
        # the last is as good as the first for all that is known, but scores less than one that is not
        (proven(3, (0, 1)), ["1-2", "2-3", "2-3"], [(1,), (2,), (2,)]),
    ],
)
def test_places(better: np.ndarray, spans: list[str], groups: list[tuple[int, ...]]) -> None:
    found = places(better)
    assert [place.span for place in found] == spans
    assert [place.groups for place in found] == groups


@given(st.integers(1, 9), st.data())
def test_ranks_and_groups_keep_what_is_proven(n: int, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))
    better = np.triu(np.array(drawn).reshape(n, n), 1)
    found = places(better)
    ranks = [place.rank for place in found]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1
    for i in range(n):
        assert 1 + better[:, i].sum() <= found[i].rank <= i + 1 <= found[i].last <= n
        assert found[i].groups
        for j in range(i + 1, n):
            shared = set(found[i].groups) & set(found[j].groups)
            assert bool(shared) == (not better[i : j + 1, i : j + 1].any())
