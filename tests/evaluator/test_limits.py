"""What stands beside the scores of a cell: the same facts on all its rows, null where they are not known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import DataError, Evaluation, InputError, evaluate, load_release
from routerset.schemas.released import LIMITS_SCHEMA
from tests.evaluator.releases import KINDS, Fixture, random_fixture, write_release

FLOORS = {"oracle_b": 0.7, "oracle_b_lo": 0.65, "oracle_b_hi": 0.75, "best_single_b": 0.6}
FACTS = (
    *(name + part for name in ("noise_oracle", "noise_oracle_b") for part in ("", "_lo", "_hi")),
    *("headroom_real", "noise_best_single_b", "noise_best_on_train_b", "covered", "at_most", "optimal"),
)


def limits(*at_most: int | None) -> dict[tuple[str, int, str], dict[str, float | None]]:
    """Limits of three kinds of groups of 3, each a little further."""
    return {
        ("paper", 3, kind): {
            **FLOORS,
            "draws_a": 20,
            "draws_b": 5,
            "oracle_a": 0.7 + step / 100,
            "oracle_a_lo": 0.69,
            "oracle_a_hi": 0.8,
            "best_on_train_b": 0.5 + step / 100,
            "train_covered": 60,
            "train_at_most": bound,
        }
        for step, (kind, bound) in enumerate(zip(KINDS, at_most, strict=True))
    }


def evaluated(folder: Path, fixture: Fixture, scheme: str = "paper", follow: str = "paper") -> Evaluation:
    release = load_release(write_release(folder, [fixture], follow=follow))
    return evaluate(release, ["random", "best_single"], scheme=scheme, resamples=50)


@pytest.fixture
def fixture() -> Fixture:
    made = random_fixture()
    made.limits = limits(60, 62, 60)
    return made


def test_facts_of_a_cell_stand_on_every_row_of_it(tmp_path: Path, fixture: Fixture) -> None:
    found = evaluated(tmp_path, fixture)
    test = fixture.scores[:, fixture.splits["paper"] == "test"]
    for row in found.rows:
        said = row.to_dict()
        if row.m == 5:
            assert {said[name] for name in FACTS} == {None}
            continue
        step = KINDS.index(row.kind)
        scores = test[list(fixture.groups["paper", 3, row.kind])].astype(float)
        oracle, best = scores.max(axis=0).mean(), scores.mean(axis=1).max()
        expected = {
            "noise_oracle": 0.7 + step / 100,
            "noise_oracle_lo": 0.69,
            "noise_oracle_hi": 0.8,
            "noise_oracle_b": 0.7,
            "noise_oracle_b_lo": 0.65,
            "noise_oracle_b_hi": 0.75,
            "headroom_real": (oracle - 0.7 - step / 100) / (oracle - best),
            "noise_best_single_b": 0.6,
            "noise_best_on_train_b": 0.5 + step / 100,
            "covered": 60,
            "at_most": (60, 62, 60)[step],
            "optimal": (True, False, True)[step],
        }
        assert {name: said[name] for name in FACTS} == pytest.approx(expected, abs=1e-6)
        assert row.oracle_score == pytest.approx(oracle, abs=1e-6)
    json.dumps([row.to_dict() for row in (*found.rows, *found.means)], allow_nan=False)


def test_a_mean_row_is_the_mean_over_kinds(tmp_path: Path, fixture: Fixture) -> None:
    found = evaluated(tmp_path, fixture)
    for mean in (row for row in found.means if row.m == 3):
        kinds = [row for row in found.rows if (row.m, row.router) == (3, mean.router)]
        for name in FACTS[:-1]:
            expected = np.mean([getattr(row, name) for row in kinds])
            assert getattr(mean, name) == pytest.approx(expected, abs=1e-6)
        assert mean.optimal is False


def test_a_mean_row_has_only_what_all_kinds_have(tmp_path: Path, fixture: Fixture) -> None:
    fixture.limits = limits(60, None, 60)
    del fixture.limits["paper", 3, "all_weak"]["oracle_b"]
    mean = evaluated(tmp_path, fixture).means[0]
    assert (mean.at_most, mean.optimal, mean.noise_oracle_b) == (None, None, None)
    assert (mean.covered, mean.noise_oracle) == (60, pytest.approx(0.71))


def test_groups_are_optimal_where_those_of_all_kinds_are(tmp_path: Path, fixture: Fixture) -> None:
    fixture.limits = limits(60, 60, 60)
    found = evaluated(tmp_path, fixture)
    assert found.means[0].optimal is True
    assert found.table().count("groups: optimal on train") == 1


@pytest.mark.parametrize("follow", ["paper", "family"])
def test_limits_are_those_of_the_first_scheme(tmp_path: Path, fixture: Fixture, follow: str) -> None:
    for scheme in ("paper", "family"):
        found = evaluated(tmp_path, fixture, scheme, follow).means[0]
        assert (found.noise_oracle is None) == (scheme != follow)


def test_a_cell_without_headroom_has_no_share_of_it(tmp_path: Path, fixture: Fixture) -> None:
    for members in (fixture.groups["paper", 3, kind] for kind in KINDS):
        fixture.scores[members] = fixture.scores[members[0]]
    assert {row.headroom_real for row in evaluated(tmp_path, fixture).rows} == {None}


def test_lines_below_the_title_of_a_cell(tmp_path: Path, fixture: Fixture) -> None:
    table = evaluated(tmp_path, fixture).table()
    (line,) = [line for line in table.splitlines() if "noise" in line]
    assert " noise 0.710 [0.690, 0.800]  of the headroom " in line
    assert "groups: 60.0 train items covered, at most 60.7 can be" in table
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1, np.inf])
def test_what_is_no_share_is_refused(tmp_path: Path, fixture: Fixture, value: float) -> None:
    fixture.limits["paper", 3, "all_weak"]["oracle_a"] = value
    with pytest.raises(DataError, match=r"limits\.parquet: oracle_a: found"):
        load_release(write_release(tmp_path, [fixture]))


def test_columns_of_other_types_are_refused(tmp_path: Path, fixture: Fixture) -> None:
    path = write_release(tmp_path, [fixture]) / "limits.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("train_covered")
    pq.write_table(table.set_column(place, "train_covered", pa.array(["60"] * len(table))), path)
    with pytest.raises(DataError, match=r"limits\.parquet: train_covered: found '60', expected int or null"):
        load_release(tmp_path)


def test_the_table_is_read_where_the_manifest_names_it(tmp_path: Path, fixture: Fixture) -> None:
    path = write_release(tmp_path, [fixture])
    (path / "limits.parquet").unlink()
    with pytest.raises(InputError, match=r"limits\.parquet: no such file"):
        load_release(path)
    fixture.limits = {}
    pq.write_table(LIMITS_SCHEMA.empty_table(), write_release(path, [fixture]) / "limits.parquet")
    assert not load_release(path).limits
