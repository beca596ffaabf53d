"""Records of the data sets behind the benchmarks, as harness logs quote them in `doc`."""

from __future__ import annotations

from routerset.etl.synth.wording import LETTERS, Item, option_lines, target


def document(item: Item) -> dict[str, object]:
    """The data set's own record, in the shape that each data set has."""
    choices, gold = list(item.choices), item.gold
    match item.benchmark:
        case "arc":
            return {
                "id": f"Synthetic_{item.key}",
                "question": item.question,
                "choices": {"text": choices, "label": list(LETTERS[: len(choices)])},
                "answerKey": LETTERS[gold],
            }
        case "hellaswag":
            return {
                "ind": item.key,
                "label": str(gold),
                "query": item.question,
                "choices": choices,
                "gold": gold,
            }
        case "mmlu":
            return {"question": item.question, "subject": item.subset, "choices": choices, "answer": gold}
        case "truthfulqa":
            right = [item.answer]
            wrong = [choice for choice in choices if choice != item.answer]
            targets = {"choices": right + wrong, "labels": [1] + [0] * len(wrong)}
            return {"question": item.question, "mc1_targets": targets, "mc2_targets": targets}
        case "winogrande":
            sentence: dict[str, object] = {
                "sentence": item.question,
                "option1": choices[0],
                "option2": choices[1],
            }
            return sentence | {"answer": str(gold + 1)}
        case "gsm8k":
            return {"question": item.question, "answer": f"{item.topic}\n#### {item.answer}"}
        case "ifeval":
            kinds = ["length_constraints:number_words", "punctuation:no_comma"]
            return {
                "key": 1000 + item.key,
                "prompt": item.question,
                "instruction_id_list": kinds,
                "kwargs": [{}, {}],
            }
        case "bbh":
            return {"input": item.question + option_lines(item), "target": target(item)}
        case "gpqa":
            others = [choice for choice in choices if choice != item.answer]
            wrong_answers = {f"Incorrect Answer {i}": choice for i, choice in enumerate(others, 1)}
            shown = {f"choice{i}": choice for i, choice in enumerate(choices, 1)}
            asked = {"Question": item.question, "Correct Answer": item.answer}
            return asked | wrong_answers | shown | {"choices": choices, "answer": target(item)}
        case "musr":
            narrative, _, question = item.question.partition("\n\n")
            return {
                "narrative": narrative,
                "question": question,
                "choices": str(choices),
                "answer_index": gold,
                "answer_choice": item.answer,
            }
        case "math_lvl5":
            return {
                "problem": item.question,
                "level": "Level 5",
                "type": item.subset.replace("_", " ").title(),
                "solution": f"$k = \\boxed{{{item.answer}}}$",
                "answer": item.answer,
            }
        case _:
            return {
                "question_id": item.key,
                "question": item.question,
                "options": choices,
                "answer": LETTERS[gold],
                "answer_index": gold,
                "cot_content": "",
                "category": item.topic,
                "src": f"synthetic-{item.topic}",
            }
