"""The question of a prompt, by the registry's rule: of made-up prompts, and of real ones that say it too."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.sources.parse.questions import prompt_of, question_of
from routerset.schemas import ids
from routerset.schemas.benchmarks import BENCHMARKS
from tests.dumps import truth, write_config, write_wide

REAL = Path(__file__).parents[2] / "shared" / "dumps" / "lm_eval_samples" / "EleutherAI__pythia-14m"
ABOUT = "The following are multiple choice questions (with answers) about anatomy.\n\n"
SHOT = "Which is a bone?\nA. Femur\nB. Liver\nC. Skin\nD. Lung\nAnswer: A\n\n"


@pytest.mark.parametrize(
    ("benchmark", "prompt", "expected"),
    [
        ("arc", "Question: One?\nAnswer: yes\n\nQuestion: Two?\nAnswer:", "Two?"),
        ("arc", "Question: Two?\nAnswer: ", "Two?"),
        ("arc", "Question: One?\nAnswer: yes", None),
        ("arc", "<user>Two?<assistant>", None),
        ("gsm8k", "Question: 1?\nAnswer: 2\n\nQuestion: Ask\nQuestion: why?\nAnswer:", "Ask\nQuestion: why?"),
        ("hellaswag", "Cooking: He stirs it.\n\nRunning: She starts. She", "Running: She starts. She"),
        ("hellaswag", "Running: She", "Running: She"),
        ("winogrande", "The cup fell.\n\nAnn beat Bea since Ann", "Ann beat Bea since Ann"),
        ("truthfulqa", "Q: One?\nA: Yes.\n\nQ: Two?\nA:", "Two?"),
        ("mmlu", f"{ABOUT}{SHOT}Read.\n\nThen where?\nA. Here\nB. There\nAnswer:", "Read.\n\nThen where?"),
        ("mmlu", f"{ABOUT}Where?\nA. Here\nB. There\nAnswer:", "Where?"),
        ("mmlu", "Where?\nA. Here\nB. There\nAnswer:", None),
        ("bbh", "Q: One?\nA: yes\n\nQ: Two?\nA:", None),
        ("arc", "Question: \nAnswer:", None),
    ],
)  # fmt: skip
def test_the_question_of_a_prompt(benchmark: str, prompt: str, expected: str | None) -> None:
    assert BENCHMARKS[benchmark].question_in(prompt) == expected


@pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}")
@pytest.mark.parametrize("benchmark", ["arc", "gsm8k", "hellaswag", "mmlu", "truthfulqa", "winogrande"])
def test_real_prompts_give_the_question_that_their_document_says(benchmark: str) -> None:
    lines = [
        json.loads(line)
        for path in sorted(REAL.glob(f"samples_metabench_{benchmark}_*"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    asked = [BENCHMARKS[benchmark].question_in(prompt_of(line["arguments"]) or "") for line in lines]
    said = [(question_of(line["doc"]) or "").strip() for line in lines]
    if benchmark == "winogrande":  # the prompt ends at the blank, with an option in it
        said = [
            f"{sentence.partition('_')[0]}{line['doc']['option1']}".split("\n\n")[-1]
            for sentence, line in zip(said, lines, strict=True)
        ]
    assert asked == said
    assert len(said) >= 58


def test_items_say_where_their_question_is_from_and_keep_their_ids(tmp_path: Path) -> None:
    known = truth()
    keys = sorted(known.keys, key=int)
    asked = [f"How much is {key} and 1?" for key in keys]
    asked[1] = asked[0].replace(" and", ", and").upper()
    prompts = [f"Question: Is it?\nAnswer: yes\n\nQuestion: {question}\nAnswer:" for question in asked]
    prompts[2] = "another form"
    with (tmp_path / "items.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("item", "prompt"), *zip(keys, prompts, strict=True)])
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    out = tmp_path / "out"
    build(load_config(write_config(tmp_path / "x.toml")), out, Runner(), lambda *_: None, "ingest")
    items = pq.read_table(next((out / "tables/items").rglob("*.parquet"))).to_pylist()
    assert [row["prompt"] for row in items] == prompts
    assert [row["question"] for row in items] == [*asked[:2], None, *asked[3:]]
    assert [row["question_source"] for row in items] == [
        "prompt",
        "prompt",
        None,
        *["prompt"] * (len(asked) - 3),
    ]
    contents = [ids.content_digest(None, None, prompt) or "" for prompt in prompts]
    assert [row["item_id"] for row in items] == [ids.item_id("gsm8k", "gsm8k", c, 0) for c in contents]
    named = [ids.question_id(question, None, "") for question in asked]
    assert items[0]["family_id"] == items[1]["family_id"] == min(named[:2])
    assert len({row["family_id"] for row in items}) == len(items) - 1
    info = json.loads((out / "manifest.json").read_text())["stages"]["ingest"]["info"]
    none = {"families": 0, "items": 0}
    assert info["families"]["gsm8k"] == {"text": {"families": 1, "items": 2}, "context": none, "near": none}
