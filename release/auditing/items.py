"""What items say by themselves: who solves them, what a guess is worth, and how sure their labels are."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from routerset.release.auditing.duplicates import by_text
from routerset.release.auditing.finding import Cell, Detector, Finding, mean, rounded, tell
from routerset.release.auditing.subject import Subject

RIGHT = 1.0


def find_solved(subject: Subject) -> Finding:
    """Shares of items that no model, and that every model, has right."""
    right = (subject.scores >= RIGHT).sum(axis=0)
    nobody, everybody = (
        float((subject.scores.max(axis=0) <= 0).mean()),
        float((right == len(subject.models)).mean()),
    )
    means = subject.scores.mean(axis=1, dtype=np.float64)
    p = np.clip((subject.scores >= RIGHT).mean(axis=1), 0, 1)
    chance = [
        float(np.prod(1 - (p if subject.binary else (subject.scores > 0).mean(axis=1)))),
        float(np.prod(p)),
    ]
    rows = (
        ("nobody", rounded(nobody), rounded(chance[0])),
        ("everybody", rounded(everybody), rounded(chance[1])),
    )
    return Finding(
        f"{nobody:.1%} of items by nobody ({chance[0]:.1%} by chance), "
        f"{everybody:.1%} by everybody ({chance[1]:.1%})",
        {
            "nobody": rounded(nobody),
            "nobody_by_chance": rounded(chance[0]),
            "everybody": rounded(everybody),
            "everybody_by_chance": rounded(chance[1]),
            "mean_score": rounded(mean(means)),
        },
        rows,
    )


def find_answers(subject: Subject) -> Finding:
    """Items by their number of answer options, against what a guess gives."""
    why = "letters: no table holds which answer is right"
    names = ("guess", "score", "below_guess")
    known = subject.choices > 1
    if not known.any():
        return Finding.undefined("no item has its choices", (*names, "letters"))
    means = subject.scores.mean(axis=0, dtype=np.float64)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            int(k),
            int((subject.choices == k).sum()),
            rounded(float(means[subject.choices == k].mean())),
            rounded(1 / k),
        )
        for k in np.unique(subject.choices[known])
    )
    guess = float((1 / subject.choices[known]).mean())
    below = int((subject.scores[:, known].mean(axis=1, dtype=np.float64) < guess).sum())
    score = float(means[known].mean())
    return Finding(
        f"mean score {tell(score)} where a guess gives {tell(guess)}; {below:,} models below it",
        {"guess": rounded(guess), "score": rounded(score), "below_guess": below, "letters": None},
        rows,
        why,
    )


def find_noise(subject: Subject) -> Finding:
    """How often a model's scores differ on one question that stands in two subsets."""
    names = ("questions", "differs", "differs_by_chance", "ceiling")
    codes, subsets = subject.subsets
    if subject.texts is None:
        return Finding.undefined("no question is known", names)
    pairs = [
        (int(a), int(b))
        for group in by_text(subject.texts)
        for a, b in combinations(group[:10].tolist(), 2)
        if codes[a] != codes[b]
    ]
    if not pairs:
        return Finding.undefined("no question stands in two subsets", names)
    a, b = np.array(pairs).T
    differs = (subject.scores[:, a] != subject.scores[:, b]).mean(axis=0)
    rng = subject.rng(4)
    chance = np.array([_random_pairs(subject, a, b, rng) for _ in range(20)]).mean(axis=0)
    of: dict[tuple[int, int], list[int]] = {}
    for at in range(len(a)):
        key = (min(int(codes[a[at]]), int(codes[b[at]])), max(int(codes[a[at]]), int(codes[b[at]])))
        of.setdefault(key, []).append(at)
    rows = tuple(
        (
            subsets[one],
            subsets[two],
            len(places),
            rounded(mean(differs[places])),
            rounded(mean(chance[places])),
            rounded(_ceiling(float(differs[places].mean()))),
        )
        for (one, two), places in sorted(of.items())
    )
    d, by_chance = float(differs.mean()), float(chance.mean())
    ceiling = rounded(_ceiling(d))
    return Finding(
        f"{len(pairs):,} pairs across subsets: scores differ {tell(d, 2)} ({tell(by_chance, 2)} by chance); "
        f"ceiling {tell(ceiling, 2)}",
        {
            "questions": len(pairs),
            "differs": rounded(d),
            "differs_by_chance": rounded(by_chance),
            "ceiling": ceiling,
        },
        rows,
        "" if ceiling is not None else "scores differ at least as often as coins would",
    )


def _random_pairs(subject: Subject, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(pairs,) how often scores differ where the second item is any one of its subset."""
    codes, _ = subject.subsets
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], codes[b])
    sizes = np.bincount(codes)[codes[b]]
    other = order[starts + rng.integers(sizes)]
    return np.asarray((subject.scores[:, a] != subject.scores[:, other]).mean(axis=0))


def _ceiling(differs: float) -> float | None:
    """Greatest mean score where each score is turned over with the probability e that makes two of one
    question differ as often: 2 e (1 - e). None where they differ half of the time or more.
    """
    return None if differs >= 0.5 else 1 - (1 - np.sqrt(1 - 2 * differs)) / 2


SOLVED = Detector(
    "solved",
    "Items that nobody or everybody solves",
    (("who", "Solved by"), ("share", "Share of items"), ("by_chance", "By chance")),
    "Items that no model has right, and items that all have right, are the same for every router.",
    "Items of one difficulty: every model right with its own mean, independently of the item.",
    find_solved,
)
ANSWERS = Detector(
    "answers",
    "Answers",
    (("choices", "Options"), ("items", "Items"), ("score", "Mean score"), ("by_chance", "Guess")),
    "Items by their number of options, with the mean score over models. No table tells the right letter.",
    "One over the number of options.",
    find_answers,
)
NOISE = Detector(
    "label_noise",
    "Label noise",
    (
        ("subset", "Subset"),
        ("other", "Other subset"),
        ("pairs", "Pairs"),
        ("differs", "Scores differ"),
        ("differs_by_chance", "By chance"),
        ("ceiling", "Ceiling"),
    ),
    "One question in two subsets: how often a model is right in one and wrong in the other. The ceiling is "
    "the greatest mean score where scores are turned over at random as often as that takes.",
    "The second item of each pair replaced by any one of its subset.",
    find_noise,
)
