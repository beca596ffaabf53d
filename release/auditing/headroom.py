"""Whether routing is worth it: what a few models could reach together, and how much of that is noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routerset.release.auditing.finding import Detector, Finding, mean, rounded, tell
from routerset.release.auditing.halves import halves
from routerset.release.auditing.subject import Codes, Subject
from routerset.schemas.coverage import integer_coverage
from routerset.schemas.greedy import best_group

FEW = 5
NEIGHBOURS = 20
"""Items of the other half whose scores a neighbour's guess is made of."""
NEIGHBOUR_SPLITS = 3
"""Half splits, and one of more items than MANY."""
MANY = 5000
BLOCK = 256
NOT_DRAWN = "too few models to make chance of scores between 0 and 1"


def few_models(subject: Subject, items: Codes) -> Codes:
    """Rows of the FEW models that cover most of some items together, ascending; all of a smaller pool."""
    pool = np.arange(len(subject.models))
    found = best_group(integer_coverage(subject.scores, items), pool, min(FEW, len(pool)))
    return np.sort(found)


def _both_ways(subject: Subject) -> tuple[float, float]:
    """What the oracle of few models, and the best single model, reach on the half they were not chosen on."""
    order = subject.rng(5).permutation(subject.scores.shape[1])
    one, other = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    reached = []
    for mine, theirs in ((one, other), (other, one)):
        single = int(subject.scores[:, mine].sum(axis=1, dtype=np.float64).argmax())
        held_out = subject.scores[:, theirs]
        oracle = held_out[few_models(subject, mine)].max(axis=0)
        reached.append((oracle.mean(dtype=np.float64), held_out[single].mean(dtype=np.float64)))
    return tuple(np.mean(reached, axis=0).tolist())


def find_headroom(subject: Subject) -> Finding:
    """Oracle less best single model: of few models chosen on one half, counted on the other, and of all."""
    names = (
        "oracle",
        "best_single",
        "headroom",
        "headroom_by_chance",
        "noise_share",
        "whole",
        "whole_by_chance",
    )
    if len(subject.models) < 2 or subject.scores.shape[1] < 2:
        return Finding.undefined("fewer than two models or two items", names)
    oracle, single = _both_ways(subject)
    chance = [(few - best, _whole(world)) for world in subject.worlds for few, best in [_both_ways(world)]]
    by_chance = [rounded(mean([draw[k] for draw in chance])) for k in (0, 1)]
    room = rounded(oracle - single)
    share = rounded(by_chance[0] / room) if by_chance[0] is not None and room else None
    k = min(FEW, len(subject.models))
    told = [
        rounded(oracle),
        rounded(single),
        room,
        by_chance[0],
        share,
        rounded(_whole(subject)),
        by_chance[1],
    ]
    rows = (
        (f"oracle of {k} models, held out", told[0], None),
        ("best single model, held out", told[1], None),
        (f"headroom of {k} models", room, by_chance[0]),
        (f"headroom of all {len(subject.models):,}, in hindsight", told[5], by_chance[1]),
    )
    of_noise = "" if share is None else f"; {share:.0%} of it is there by chance"
    return Finding(
        f"{tell(room)} for {k} models over the best one{of_noise}",
        dict(zip(names, told, strict=True)),
        rows,
        "" if chance else NOT_DRAWN,
    )


def _whole(subject: Subject) -> float:
    """Oracle of all models less the best single one, in hindsight."""
    best = subject.scores.mean(axis=1, dtype=np.float64).max()
    return float(subject.scores.max(axis=0).mean(dtype=np.float64) - best)


def by_category(subject: Subject) -> float:
    """Gain over the best single model of the best one of each category, chosen on one half, on the other.

    A category of few items keeps the best single model. Mean over half splits, both ways.
    """
    gains = []
    few = ~subject.tested
    for sums, _, other, n_other in halves(subject):
        best = int(sums.sum(axis=0).argmax())
        chosen = sums.argmax(axis=1)
        tied = sums[:, best] >= sums[np.arange(len(sums)), chosen]
        chosen[few | tied] = best
        gained = other[np.arange(len(other)), chosen] - other[:, best]
        gains.append(float(gained.sum() / n_other.sum()))
    return float(np.mean(gains))


def by_neighbours(subjects: Sequence[Subject], vectors: np.ndarray) -> list[float]:
    """The same of the model that is best on the nearest items of the other half, by vectors, of each subject.

    subjects: scores of the same models and items.
    """
    gains = np.zeros(len(subjects))
    rng = subjects[0].rng(6)
    splits = NEIGHBOUR_SPLITS if len(vectors) <= MANY else 1
    for _ in range(splits):
        order = rng.permutation(len(vectors))
        one, other = order[: len(order) // 2], order[len(order) // 2 :]
        for known, asked in ((one, other), (other, one)):
            near = _nearest(vectors[asked], vectors[known])
            gains += [_gain(each.scores, known, asked, near) for each in subjects]
    return [float(gain) for gain in gains / (2 * splits)]


def _nearest(asked: np.ndarray, known: np.ndarray) -> Codes:
    """(asked, k) places of the nearest among the known, at most NEIGHBOURS; of equally near ones the first.

    Cosines count to six decimals, so that all machines find the same.
    """
    k, n = min(NEIGHBOURS, len(known)), len(known)
    parts = []
    for start in range(0, len(asked), BLOCK):
        cosines = asked[start : start + BLOCK].astype(np.float64) @ known.T.astype(np.float64)
        far = np.rint(-1e6 * cosines).astype(np.int64) * n + np.arange(n)
        parts.append(np.argpartition(far, k - 1, axis=1)[:, :k])
    return np.concatenate(parts)


def _gain(scores: np.ndarray, known: Codes, asked: Codes, near: Codes) -> float:
    """Mean gain on some items of the model that is best on the nearest known ones over the best overall."""
    here = np.ascontiguousarray(scores[:, known].T)
    best = int(here.sum(axis=0, dtype=np.float64).argmax())
    gained = 0.0
    for start in range(0, len(asked), BLOCK):
        part, columns = asked[start : start + BLOCK], near[start : start + BLOCK]
        votes = here[columns[:, 0]].astype(np.float32)
        for column in columns.T[1:]:
            votes += here[column]
        chosen = votes.argmax(axis=1)
        chosen[votes[np.arange(len(part)), chosen] <= votes[:, best]] = best
        gained += float((scores[chosen, part].astype(np.float64) - scores[best, part]).sum())
    return gained / len(asked)


def find_signal(subject: Subject) -> Finding:
    """Gains of two plain routers over the best single model: by category, and by nearest items."""
    names = ("by_category", "by_category_by_chance", "by_neighbours", "by_neighbours_by_chance")
    if len(subject.models) < 2 or subject.scores.shape[1] < 2:
        return Finding.undefined("fewer than two models or two items", names)
    why: list[str] = []
    values = dict[str, float | None].fromkeys(names)
    if subject.tested.sum() > 1:
        drawn = [by_category(world) for world in subject.worlds]
        values["by_category"], values["by_category_by_chance"] = (
            rounded(by_category(subject)),
            rounded(mean(drawn)),
        )
    else:
        why.append("by category: fewer than two categories of 20 items")
    if subject.vectors is None:
        why.append(f"by neighbours: {subject.why_no_vectors}")
    else:
        gain, *drawn = by_neighbours([subject, *subject.worlds], subject.vectors)
        values["by_neighbours"] = rounded(gain)
        values["by_neighbours_by_chance"] = rounded(mean(drawn))
    if subject.null is None:
        why.append(NOT_DRAWN)
    rows = tuple(
        (words, values[name], values[f"{name}_by_chance"])
        for name, words in (
            ("by_category", "best model of each category"),
            ("by_neighbours", "best on 20 nearest items"),
        )
        if values[name] is not None
    )
    if not rows:
        return Finding.undefined("; ".join(why), values)
    says = "; ".join(f"{words} {tell(value)} ({tell(chance)})" for words, value, chance in rows)
    return Finding(f"{says} over the best model", values, rows, "; ".join(why))


def find_few(subject: Subject) -> Finding:
    """The models that cover most together, chosen on one half of the items, with their costs."""
    names = ("models", "held_out", "best_single", "held_out_by_chance", "cost", "cost_of_best")
    if len(subject.models) < 2 or subject.scores.shape[1] < 2:
        return Finding.undefined("fewer than two models or two items", names)
    order = subject.rng(5).permutation(subject.scores.shape[1])
    chosen_on, counted_on = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    group, held_out = few_models(subject, chosen_on), subject.scores[:, counted_on]
    means = held_out.mean(axis=1, dtype=np.float64)
    single = int(subject.scores[:, chosen_on].sum(axis=1, dtype=np.float64).argmax())
    group = group[np.lexsort((group, -means[group]))]
    best = held_out[group].argmax(axis=0)
    solved = held_out[group].max(axis=0) > 0
    shares = [float(((best == at) & solved).mean()) for at in range(len(group))]
    costs, why = subject.costs, []
    values = costs.values if len(costs.values) else np.full(len(subject.models), np.nan)
    rows = tuple(
        (subject.models[i], rounded(float(means[i])), rounded(share), rounded(float(values[i])))
        for i, share in zip(group.tolist(), shares, strict=True)
    )
    known = np.isfinite(values[group]).all()
    if not known:
        why.append(f"cost: {costs.why}")
    chance = [
        float(world.scores[few_models(world, chosen_on)][:, counted_on].max(axis=0).mean(dtype=np.float64))
        for world in subject.worlds
    ]
    if not chance:
        why.append(NOT_DRAWN)
    # each item by the first of the group that has it right, in the order of their held-out means
    cost = rounded(float(values[group][best].mean())) if known else None
    found = {
        "models": [subject.models[i] for i in group.tolist()],
        "held_out": rounded(float(held_out[group].max(axis=0).mean(dtype=np.float64))),
        "best_single": rounded(float(means[single])),
        "held_out_by_chance": rounded(mean(chance)),
        "cost": cost,
        "cost_of_best": rounded(float(values[single])),
    }
    best_cost = found["cost_of_best"]
    told = (
        "not known"
        if cost is None or best_cost is None
        else f"{cost:.4g} (best {best_cost:.4g}) {costs.unit}"
    )
    shown = [subject.models[i].rpartition("/")[2] for i in group.tolist()]
    return Finding(f"cost {told.strip()}: {', '.join(shown)}", found, rows, "; ".join(why))


HEADROOM = Detector(
    "headroom",
    "Headroom",
    (("what", "What"), ("value", "Value"), ("by_chance", "By chance")),
    "How far a router that always chose right would be above the best single model. Models are chosen on one "
    "half of the items and counted on the other, both ways.",
    "The same search in worlds with the same abilities and difficulties, where nobody is a specialist: an "
    "oracle picks the lucky answer there, too, and no router can.",
    find_headroom,
)
SIGNAL = Detector(
    "signal",
    "Item signal",
    (("router", "Router"), ("gain", "Gain"), ("by_chance", "By chance")),
    "What plain routers that know the other half of the items gain over the best single model: how much of "
    "the headroom an item's category, or its nearest items, give away.",
    "The same routers in worlds where there is nothing to find: about 0, or below.",
    find_signal,
)
FEW_MODELS = Detector(
    "few",
    "Five models that would do",
    (("model", "Model"), ("score", "Held-out score"), ("share", "Takes items"), ("cost", "Cost")),
    "The models that have most items right together, chosen on one half of the items; their scores on the "
    "other half, the items that each would take there, and what it costs.",
    "The held-out oracle of five models that are chosen so in worlds where nobody is a specialist.",
    find_few,
)
