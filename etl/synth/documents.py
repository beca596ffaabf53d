"""Records of the data sets behind the benchmarks, as harness logs quote them in `doc`."""

from __future__ import annotations

from routerset.etl.synth.wording import LETTERS, Item, option_lines, target


def document(item: Item) -> dict[str, object]:
    """The data set's own record, in the shape that each data set has."""
    question, choices, gold = item.question, list(item.choices), item.gold
    wrong = [choice for choice in choices if choice != item.answer]
    numbered: dict[str, object] = {f"choice{i}": choice for i, choice in enumerate(choices, 1)}
    match item.benchmark:
        case "arc":
            listed = {"text": choices, "label": list(LETTERS[: len(choices)])}
            return {"question": question, "choices": listed, "answerKey": LETTERS[gold]}
        case "hellaswag":
            return {"ind": item.key, "query": question, "choices": choices, "gold": gold}
        case "mmlu":
            return {"question": question, "subject": item.subset, "choices": choices, "answer": gold}
        case "truthfulqa":
            targets = {"choices": [item.answer, *wrong], "labels": [1] + [0] * len(wrong)}
            return {"question": question, "mc1_targets": targets, "mc2_targets": targets}
        case "winogrande":
            first, second = choices
            return {"sentence": question, "option1": first, "option2": second, "answer": str(gold + 1)}
        case "gsm8k":
            return {"question": question, "answer": f"{item.topic}\n#### {item.answer}"}
        case "ifeval":
            return {"key": 1000 + item.key, "prompt": question}
        case "bbh":
            return {"input": question + option_lines(item), "target": target(item)}
        case "gpqa":
            return numbered | {"Question": question, "Correct Answer": item.answer}
        case "musr":
            narrative, _, question = question.partition("\n\n")
            return {"narrative": narrative, "question": question, "choices": str(choices)}
        case "math_lvl5":
            return {"problem": question, "level": "Level 5", "solution": f"$k = \\boxed{{{item.answer}}}$"}
        case _:
            return {
                "question_id": item.key,
                "question": question,
                "options": choices,
                "answer": LETTERS[gold],
            }
