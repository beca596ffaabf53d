"""Whatever bytes and names a dump holds: no crash, no code run, nothing written outside the output folder,
and every record accounted for. `Sandbox.stage` asserts all of that.

`pytest tests/fuzz --hypothesis-profile=long` tries thousands of inputs each.
"""

from __future__ import annotations

import json
import os
import pickle
import string
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import DumpUnreadable, SourceSpec, SpecError
from routerset.etl.sources.parse.item_major_layout import ItemMajorOptions
from routerset.etl.sources.parse.wide_layout import WideOptions
from routerset.etl.sources.registry import SOURCES
from tests.fuzz.damage import Damage, damage, damages, zipped
from tests.fuzz.sandbox import Sandbox
from tests.fuzz.seeds import SYNTHETIC, Seed, goldens, synthetic
from tests.sources.hostile_frames import hostile_frames
from tests.sources.hostile_pickles import hostile_pickles

LONG = settings.get_current_profile_name() == "long"
GOLDENS = goldens()
NAMES = (
    *("../../x", "..", ".", "/etc/x", "a/../../x", "..\\..\\x", "C:\\x", "~/x", "x\0y", "x\ny", "", " "),
    *("x" * 100_000, "\u202ex", "org/" + "y" * 300, "{subject}", "%2e%2e%2fx", "-rf", "nul", "\U0001f600"),
)


def short(n: int) -> settings:
    """Few inputs, always the same, unless the run is a long one."""
    if LONG:
        return settings(deadline=None)
    return settings(
        max_examples=n,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("fuzz") / "folder")


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seed]:
    folder = tmp_path_factory.mktemp("seeds")
    return {name: synthetic(folder / name, name) for name in SYNTHETIC}


pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.mark.parametrize("name", SYNTHETIC)
@given(which=st.integers(0, 9), order=damages, inside=st.booleans())
@short(20)
def test_damage_to_a_sound_dump(
    sandbox: Sandbox, seeds: dict[str, Seed], name: str, which: int, order: list[Damage], inside: bool
) -> None:
    seed = seeds[name]
    file = sorted(seed.files)[which % len(seed.files)]
    sandbox.put(seed.files | {file: damage(seed.files[file], order, inside=inside)})
    with suppress(SpecError):  # an items file that is damaged is refused by name
        sandbox.stage(seed.at(sandbox.dumps))


@given(data=st.data(), order=damages, inside=st.booleans())
@short(60)
def test_damage_to_the_golden_dumps(
    sandbox: Sandbox, data: st.DataObject, order: list[Damage], inside: bool
) -> None:
    seed = data.draw(st.sampled_from(GOLDENS))
    file = data.draw(st.sampled_from(sorted(seed.files)))
    try:
        harmed = damage(seed.files[file], order, inside=inside)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        # what is damaged already may hold nothing to be taken out
        harmed = damage(seed.files[file], order)
    sandbox.put(seed.files | {file: harmed})
    with suppress(SpecError):  # an items file that is damaged is refused by name
        sandbox.stage(seed.at(sandbox.dumps))


def test_the_corpus_of_hostile_pickles(sandbox: Sandbox, tmp_path: Path) -> None:
    corpus = hostile_pickles(str(tmp_path / "canary"))
    for folder in ("leaderboard_score", "leaderboard_prompt"):
        end = "" if folder == "leaderboard_score" else "_prompt"
        files = {f"{folder}/{i}{end}.pkl": hostile.data for i, hostile in enumerate(corpus)}
        if end:
            scores = {"model": ["a", "b"], "data": {"harness_gsm8k_5": {"correctness": np.eye(3, 2)}}}
            files |= {f"leaderboard_score/{i}.pkl": pickle.dumps(scores) for i in range(len(corpus))}
        sandbox.put(files)
        staged = sandbox.stage(SourceSpec("routereval", str(sandbox.dumps)))
        assert staged.n_scores == (6 * len(corpus) if end else 0)
    frames = [*corpus, *hostile_frames(str(tmp_path / "canary"))]
    sandbox.put({f"{i}.pkl": hostile.data for i, hostile in enumerate(frames)})
    staged = sandbox.stage(SourceSpec("item_major", str(sandbox.dumps), benchmark="gsm8k"))
    assert (staged.n_scores, staged.n_read) == (0, len(frames))
    assert len(corpus) >= 30
    assert not (tmp_path / "canary").exists()


# names


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
def test_hostile_names_inside_dumps(sandbox: Sandbox, name: str) -> None:
    """As model, task, subset, document key, filter and archive member; what is read depends on the name."""
    sandbox.put(
        {
            "wide/a.csv": f'model,timestamp,1,2\n"{name}",2024-01-01T00:00:00,0,1\norg/a,,1,1\n'.encode(),
            "columns/a.csv": f'model,"{name}.1",anatomy.2\norg/a,1,0\n'.encode(),
            "items/a.csv": f'doc_key,prompt,"{name}",org/a\n1,"{name}",1,0\n"{name}",x,1,1\n'.encode(),
            "items/b.jsonl": json.dumps({"doc_key": name, name: 1, "org/a": {name: 1, "score": 1}}).encode(),
            "items/c.jsonl": json.dumps({"doc_key": 1, "org/a": 1, name: {"score": 1}}).encode(),
            "cells/a.jsonl": json.dumps({"doc_key": name, "by": {name: 1, "org/a": 0}}).encode() + b"\n",
            "cells/b.jsonl": json.dumps({"doc_key": 1, "by": repr({name: 1, "org/a": 0})}).encode(),
            "pickles/leaderboard_score/s.pkl": pickle.dumps(
                {
                    "model": [name, "org/a"],
                    "data": {
                        name: {"correctness": np.eye(3, 2)},
                        "harness_gsm8k_5": {"correctness": np.eye(3, 2)},
                    },
                }
            ),
            "zips/model_outputs_org__a_5shots.zip": zipped(
                (
                    f"{name[:60_000]}.json",
                    json.dumps([{"question_id": name, "answer": "A", "pred": "A"}]).encode(),
                )
            ),
            "lines/org__a/samples_fuzz_2024-01-01T00-00-00.0.jsonl": b"".join(
                json.dumps(
                    {"doc_id": i, "doc": {"subject": s}, "target": "x", "filter": name, "acc": 1.0, name: 1}
                ).encode()
                + b"\n"
                for i, s in enumerate([name, "anatomy"])
            ),
            **{
                f"results/{i}.json": json.dumps(
                    {"dataset_name": each, "split": name, "model_name": name}
                    | {"records": [{"index": name, "topic": name, "score": 1, "cost": name, name: name}]}
                ).encode()
                for i, each in enumerate([name, "fuzz"])
            },
            "ever/a_samples.jsonl": b"".join(
                json.dumps(
                    {"model_id": name, "evaluation_name": each, "evaluation_result_id": name}
                    | {"evaluation_id": name, "sample_id": name, "evaluation": {"score": i, name: name}}
                    | {
                        "metadata": {"topic": name},
                        "input": {"raw": name, "reference": [name]},
                        "error": name,
                    }
                ).encode()
                + b"\n"
                for i, each in enumerate([name, "fuzz", f"gsm8k/{name}"])
            ),
            "ever/a.json": json.dumps(
                {"evaluation_id": name, "evaluation_timestamp": name}
                | {"model_info": {"id": name, "additional_details": {"revision": name}}}
                | {
                    "evaluation_results": [
                        {"evaluation_name": name, "metric_config": {"metric_id": name}},
                        name,
                    ]
                }
            ).encode(),
        }
    )
    d = sandbox.dumps
    by = ItemMajorOptions(columns={"score": "by"})
    columns = WideOptions(column_pattern=r"(?s)(?P<subset>.*)\.(?P<doc_key>\d)")
    for spec in (
        SourceSpec("wide", f"{d}/wide", benchmark="gsm8k"),
        SourceSpec("wide", f"{d}/columns", benchmark="mmlu", options=columns),
        SourceSpec("item_major", f"{d}/items", benchmark="gsm8k"),
        SourceSpec("item_major", f"{d}/cells", benchmark="gsm8k", options=by),
        SourceSpec("routereval", f"{d}/pickles"),
        SourceSpec("mmlu_pro", f"{d}/zips"),
        SourceSpec("lm_eval", f"{d}/lines", tasks={"fuzz": "mmlu/{subject}"}),
        SourceSpec("llmrouterbench", f"{d}/results", tasks={"fuzz": "mmlu/{topic}"}),
        SourceSpec("every_eval_ever", f"{d}/ever", tasks={"fuzz": "mmlu/{topic}"}),
    ):
        staged = sandbox.stage(spec)
        assert staged.n_read > 0


FORMS = {
    "wide": ("{}.csv", b"model,1\norg/a,1\n"),
    "lm_eval": ("{}/samples_gsm8k_2024-01-01T00-00-00.0.jsonl", b'{"doc_id": 0, "exact_match": 1.0}\n'),
    "details": ("details_{}/2024-01-01T00:00:00/details_x_2024-01-01T00:00:00.parquet", b"PAR1"),
    "mmlu_pro": (
        "model_outputs_{}_5shots.zip",
        zipped(("x.json", b'[{"question_id": 1, "answer": "A", "pred": "A"}]')),
    ),
    "routereval": ("leaderboard_score/{}.pkl", b"N."),
    "long": ("{}.csv", b"model,doc_key,score\na/b,1,1\n"),
    "every_eval_ever": (
        "{}_samples.jsonl",
        b'{"model_id": "a", "evaluation_name": "gsm8k", "sample_id": "1", "evaluation": {"score": 1}}',
    ),
    "llmrouterbench": (
        "{}.json",
        b'{"dataset_name": "gsm8k", "split": "a", "model_name": "b", "records": [{"index": 1, "score": 1}]}',
    ),
    "inspect": (
        "{}.json",
        b'{"eval": {"task": "gsm8k", "model": "a/b"}, "samples": [{"id": 1, "scores": {"x": {"value": 1}}}]}',
    ),
    "item_major": ("{}.csv", b"doc_key,a/b\n1,1\n"),
}


@pytest.mark.parametrize("form", FORMS)
@given(
    name=st.binary(min_size=1, max_size=60)
    | st.text(string.printable + "é\u202e", min_size=1).map(str.encode)
)
@example(name=b"\xff\xfe")
@example(name=b"org__..__..__x")
@example(name=b"x" * 200)
@short(15)
def test_hostile_file_names(sandbox: Sandbox, form: str, name: bytes) -> None:
    pattern, content = FORMS[form]
    usable = os.fsdecode(name.replace(b"/", b"_").replace(b"\0", b"_")[:200])
    sandbox.put({pattern.format(usable): content})
    spec = SourceSpec(form, str(sandbox.dumps), benchmark=None if SOURCES[form].by_name else "gsm8k")
    if not list(SOURCES[form].discover(spec)):
        with pytest.raises(DumpUnreadable, match="found no"):
            sandbox.stage(spec)
    else:
        assert sandbox.stage(spec).n_read > 0


# shapes that are cheap to write and dear to read


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":[', '{"doc":{"x":'])
@pytest.mark.parametrize("depth", [200, 2_000, 200_000])
def test_deeply_nested_json(sandbox: Sandbox, opening: str, depth: int) -> None:
    closing = "".join({"[": "]", "{": "}"}[c] for c in reversed(opening) if c in "[{")
    deep = opening * depth + "1" + closing * depth
    line = '{"doc_id": 1, "exact_match": 1.0, "doc": ' + deep + "}"
    row = '{"question_id": 1, "answer": "A", "pred": "A", "options": ["a", "b"], "x": ' + deep + "}"
    sandbox.put(
        {
            "org__a/samples_gsm8k_2024-01-01T00-00-00.0.jsonl": f'{deep}\n{line}\n{{"doc_id": 2}}\n'.encode(),
            "model_outputs_org__a_5shots.zip": zipped(("a.json", f"[{row}, {deep}]".encode())),
        }
    )
    # a first line that opens a list of objects, and whose end is out of sight, is the file's one list
    n_read = 2 if opening.startswith("[{") and depth > 200 else 3
    assert sandbox.stage(SourceSpec("lm_eval", str(sandbox.dumps))).n_read == n_read
    assert sandbox.stage(SourceSpec("mmlu_pro", str(sandbox.dumps))).n_read >= 1
