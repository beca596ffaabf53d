"""Every detector finds what was planted, and nothing where nothing was."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from routerset.release.auditing.audit import Audited, audit
from routerset.release.auditing.finding import Finding
from tests.auditing.worlds import (
    ALIKE,
    DOMINANT,
    N_CATEGORIES,
    NEAR_TWINS,
    SAME,
    TWINS,
    planted,
    rasch,
    specialist,
)


@pytest.fixture(scope="module")
def found() -> Mapping[str, Finding]:
    return audit(planted()).findings


@pytest.fixture(scope="module", params=[3, 4])
def nothing(request: pytest.FixtureRequest) -> Audited:
    return audit(rasch(request.param))


def number(finding: Finding, name: str) -> float:
    value = finding.values[name]
    assert isinstance(value, int | float), (name, value, finding.why_not)
    return float(value)


def test_the_specialist_of_every_category_is_found(found: Mapping[str, Finding]) -> None:
    rows = found["specialists"].rows
    assert [row[6] for row in rows] == [f"lab/m{specialist(t)}" for t in range(N_CATEGORIES)]
    assert all(row[4] > 0.03 for row in rows)
    assert number(found["specialists"], "cross_fitted_by_chance") < 0.01


def test_the_model_that_is_good_everywhere_is(found: Mapping[str, Finding]) -> None:
    first = found["dominance"].rows[0]
    assert first[1] == DOMINANT
    assert first[2] <= 2.5


def test_twins_and_near_twins_are_found_and_no_others(found: Mapping[str, Finding]) -> None:
    values = found["twins"].values
    assert (values["twins"], values["twin_sets"], values["near_twin_pairs"]) == (2, 1, 1)
    assert (values["twins_by_chance"], values["near_twin_pairs_by_chance"]) == (0, 0)
    assert {row[:2] for row in found["likeness"].rows[:2]} == {TWINS, NEAR_TWINS}


def test_duplicates_are_told_from_what_only_lies_near(found: Mapping[str, Finding]) -> None:
    text, cosine, near = found["duplicates"].rows
    assert text[:6] == ("text", SAME, 2.0, 2, 2 * SAME, 1.0)
    assert cosine[1] == SAME + ALIKE
    assert near[:6] == ("near", ALIKE, 2.0, 2, 2 * ALIKE, 0.0)
    assert (text[6], text[8]) == (0.0, 0.0)
    assert near[8] == pytest.approx(near[9], abs=0.1)


def test_the_headroom_of_specialists_is_more_than_noise(found: Mapping[str, Finding]) -> None:
    assert number(found["signal"], "by_category") > 0.03
    assert number(found["signal"], "by_category_by_chance") < 0.01


def test_nobody_is_a_specialist_by_ability_alone(nothing: Audited) -> None:
    finding = nothing.findings["specialists"]
    assert number(finding, "naive") == pytest.approx(number(finding, "naive_by_chance"), abs=0.02)
    assert number(finding, "cross_fitted") < 0.01
    assert number(finding, "cross_fitted") == pytest.approx(
        number(finding, "cross_fitted_by_chance"), abs=0.02
    )


def test_there_are_no_twins_by_ability_alone(nothing: Audited) -> None:
    values = nothing.findings["twins"].values
    assert (values["twins"], values["near_twin_pairs"]) == (0, 0)
    assert values["effective"] == pytest.approx(values["effective_by_chance"], rel=0.1)


def test_the_headroom_of_noise_is_what_chance_gives(nothing: Audited) -> None:
    finding = nothing.findings["headroom"]
    assert number(finding, "headroom") == pytest.approx(number(finding, "headroom_by_chance"), abs=0.04)
    assert number(finding, "whole") == pytest.approx(number(finding, "whole_by_chance"), abs=0.02)
    assert number(nothing.findings["signal"], "by_category") < 0.005
    assert number(nothing.findings["signal"], "by_neighbours") < 0.005


def test_models_are_alike_by_chance_alone(nothing: Audited) -> None:
    finding = nothing.findings["likeness"]
    for name in ("jaccard", "residual_max"):
        assert number(finding, name) == pytest.approx(number(finding, f"{name}_by_chance"), abs=0.03)


def test_items_are_not_twice_there(nothing: Audited) -> None:
    assert [row[1] for row in nothing.findings["duplicates"].rows] == [0, 0, 0]
    assert number(nothing.findings["redundancy"], "in_clusters") == 0


def test_one_audit_is_like_another() -> None:
    one, other = (audit(planted()) for _ in range(2))
    assert one.findings == other.findings


def test_a_question_in_two_subsets_tells_the_noise_of_labels() -> None:
    from dataclasses import replace

    world = rasch(5, n=960)
    n = world.scores.shape[1]
    rng = np.random.default_rng(0)
    scores, texts = world.scores.copy(), world.texts.copy()
    half = n // 2
    flipped = rng.random((len(scores), half)) < 0.1
    scores[:, half:] = scores[:, :half] ^ flipped
    texts[half:] = texts[:half]
    finding = audit(replace(world, scores=scores, texts=texts, kept=[])).findings["label_noise"]
    assert number(finding, "questions") == half
    assert number(finding, "differs") == pytest.approx(0.1, abs=0.01)
    assert number(finding, "differs_by_chance") > 0.35
    assert number(finding, "ceiling") == pytest.approx(1 - (1 - 0.8**0.5) / 2, abs=0.01)
