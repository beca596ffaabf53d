"""Writes the inputs of these golden folders, which are pickles; run it as a script."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
MODELS = ["org/a", "org__b", "bare"]
NAN = float("nan")


def save(value: object, case: str, *parts: str) -> None:
    """Pickle a value as the reference does, below the dump folder of a case."""
    path = HERE.joinpath(case, "dump", *parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=4))


def save_scores(case: str, name: str, models: object, data: object) -> None:
    """A score pickle."""
    save({"model": models, "data": data}, case, "leaderboard_score", f"{name}.pkl")


def entry(rows: list[list[float]], dtype: str = "f8") -> dict[str, object]:
    """A task's entry: scores (items, models)."""
    return {"correctness": np.array(rows, dtype)}


def text(*values: str) -> np.ndarray:
    """Prompts as the reference keeps them."""
    return np.array(values)


def main() -> None:
    """Write all of them."""
    four = [[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]]
    two = four[:2]
    tasks = ("harness_hendrycksTest_virology_5", "harness_hendrycksTest_anatomy_5")
    data = {"harness_gsm8k_5": entry(four), tasks[0]: entry(two), tasks[1]: entry(four)}
    save_scores("leaderboard", "leaderboard_old", MODELS, data)
    save_scores("leaderboard", "leaderboard_new", MODELS[:2], {"gpqa_diamond": entry([[1, 0]])})
    prompts = {"harness_gsm8k_5": text("one", "two", "", "four"), tasks[0]: text("six", "sévèn")}
    save(prompts, "leaderboard", "leaderboard_prompt", "leaderboard_old_prompt.pkl")
    vectors = {"harness_gsm8k_5": np.eye(4, 2, dtype="f4"), "unknown": np.eye(4, 2)}
    save(vectors, "leaderboard", "leaderboard_embed", "leaderboard_old_embed", "tiny_result.pkl")

    square = [[1, 0, 1], [0, 0, 1], [1, 1, 1]]
    turned = {"correctness": np.array(four, "i8").T}
    save_scores("layouts", "turned", np.array(MODELS), {"harness_gsm8k_5": turned, "mmlu_pro": entry(square)})
    save_scores("layouts", "square", MODELS, {"harness_gsm8k_5": entry(square)})
    nested = {"correctness": {"correctness_prompt": np.array(two, "?"), "weights_prompt": np.ones(2)}}
    save_scores("layouts", "nested", MODELS, {"ifeval": nested})
    flat = {
        "correctness_inst": np.ones((5, 3)),
        "weights_inst": np.ones(5),
        "correctness_prompt": np.array(two, "f2"),
        "weights_prompt": np.ones(2),
    }
    data = {"ifeval": flat, "harness_gsm8k_5": entry(four), "mmlu_pro": entry(square)}
    save_scores("layouts", "flat", MODELS, data)
    both = {"harness_gsm8k_5": entry(four), "harness_arc_challenge_25": turned, "mmlu_pro": entry(square)}
    save_scores("layouts", "both-ways", MODELS, both)

    data = {
        "harness_gsm8k_5": entry(two),
        "unknown_task": entry(two),
        7: entry(two),
        "harness_winogrande_5": {"accuracy": 0.5},
        "mmlu_pro": {},
        "ifeval": entry([[1, 0], [0, 1]]),
        "musr_team_allocation": {"correctness": np.ones(3)},
        "harness_hellaswag_10": {"correctness": [[1.0, 0.0, 1.0]]},
        "gpqa_main": np.ones((2, 3)),
        "gpqa_extended": {"correctness": text("1", "0", "1")},
        "bbh_navigate": {"correctness": np.ones((0, 3))},
        "my_arc": entry(two),
        "harness_arc_challenge_25": entry(two),
        "snarks": entry(two),
    }
    save_scores("tasks", "leaderboard_old", MODELS, data)

    models = ["org/a", "old name", "two words", "org/b", None, "org__a", 3.5, "../etc", "org/a"]
    rows = [
        [1, 1, 1, NAN, 1, 1, 1, 1, 1],
        [0, 1, 1, 2.0, 1, 1, 1, 1, 0],
        [NAN, -0.5, 1, 1.5, 1, NAN, 1, 1, NAN],
        [1, 0.5, 1, 1, 1, 1, 1, 1, NAN],
    ]
    save_scores("models", "leaderboard_old", models, {"harness_truthfulqa_mc_0": entry(rows)})

    data = {"harness_gsm8k_5": entry(two), "harness_arc_challenge_25": entry(two)}
    for name in ("joined", "unsafe", "cut", "other"):
        save_scores("prompts", name, MODELS, data)
    folder = HERE / "prompts" / "dump" / "leaderboard_prompt"
    texts = np.array(["one", None], dtype=object)
    joined = {"harness_gsm8k_5": text("one"), "harness_arc_challenge_25": texts}
    save(joined, "prompts", "leaderboard_prompt", "joined_prompt.pkl")
    save([text("one", "two")], "prompts", "leaderboard_prompt", "other_prompt.pkl")
    (folder / "unsafe_prompt.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    (folder / "cut_prompt.pkl").write_bytes(pickle.dumps(joined, protocol=4)[:-20])

    folder = HERE / "unreadable" / "dump" / "leaderboard_score"
    save_scores("unreadable", "whole", MODELS, {"harness_gsm8k_5": entry(two)})
    whole = (folder / "whole.pkl").read_bytes()
    (folder / "whole.pkl").unlink()
    (folder / "cut.pkl").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pkl").write_bytes(b"")
    (folder / "text.pkl").write_bytes(b"model,0\norg/a,1\n")
    (folder / "unsafe.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    save([1, 2], "unreadable", "leaderboard_score", "list.pkl")
    save({"model": MODELS}, "unreadable", "leaderboard_score", "no-data.pkl")
    save_scores("unreadable", "no-model", [], {"harness_gsm8k_5": entry(two)})
    save_scores("unreadable", "one-name", "org/a", {"harness_gsm8k_5": entry(two)})
    save_scores("unreadable", "array", MODELS, np.ones((2, 3)))

    write_others()


def write_others() -> None:
    """Pickles of CARROT and tinyBenchmarks, and of what they are made of."""
    prefix = "open-llm-leaderboard/details_"
    models = [f"{prefix}lab__a", f"{prefix}lab__b_private", "open-llm-leaderboard-old/details_gpt2"]
    four = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, NAN]])
    mc2 = np.array([[0.25, 0.5, 0.125], [1, 0, 2]])
    data = {
        "harness_arc_challenge_25": {"correctness": four},
        "harness_hendrycksTest_abstract_algebra_5": {"correctness": four[:3]},
        "harness_truthfulqa_mc_0": {"correctness": mc2},
        "harness_unknown_0": {"correctness": four},
        "harness_gsm8k_5": {"correctness": four[:, :2]},
    }
    save({"data": data, "models": models}, "tiny", "lb.pickle")

    # models are other ones in every task; one square matrix, which the others turn
    ifeval = {"correctness_inst": np.full((3, 2), 0.5), "correctness_prompt": np.eye(3, 2)}
    weights = {"weights_inst": np.ones(2), "weights_prompt": np.ones(2)}
    carrot = {
        "mmlu_pro": {"correctness": four.T, "models": models},
        "leaderboard_bbh_navigate": {"correctness": np.eye(2), "models": np.array(["lab/c", "lab/a"])},
        "ifeval": {**ifeval, **weights, "models": models},
        "musr_team_allocation": {"correctness": four},
        "gpqa_main": {"models": models, "scores": four},
        "math_algebra_hard": {"correctness": four, "models": ["lab/a", None, "two words"]},
        "mine": {"correctness": four.T, "models": models},
    }
    save(carrot, "carrot", "open-llm-lb-v2.pkl")
    square = {"mmlu_pro": {"correctness": four[:3], "models": models}}
    save(square, "carrot", "square.pkl")

    def raw(*rows: object, task: str = "mmlu_pro") -> dict[str, object]:
        names = ("lab__a", "lab__b", "lab__c", "lab__d", "lab__e")
        return {
            f"open-llm-leaderboard/{name}-details": {task: {"correctness": row}, "arc_challenge": {}}
            for name, row in zip(names, rows, strict=False)
        }

    rows = np.array([1, 0, 1]), [0, 0.5, None], np.array([1, 0]), np.ones((3, 1)), ["a", "b", "c"]
    save(raw(*rows), "carrot", "raw.pkl")


if __name__ == "__main__":
    main()
