"""The demo, and the README's own lines on what it leaves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from routerset.etl.cli import main
from tests.examples import Used, names_of, names_used, unknown

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with a space in its name, in which the demo ran as the README says."""
    folder = tmp_path_factory.mktemp("a demo")
    assert main(["demo", "--out", str(folder / "out" / "demo")]) == 0
    return folder


@pytest.fixture(scope="module")
def there(folder: Path) -> dict[str, set[str]]:
    """The names that the demo's release has."""
    return names_of(folder / "out/demo/build/release")


def run(code: str, folder: Path) -> str:
    """What Python code prints, run in a folder without any network."""
    environment = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_lines_load_the_demo(folder: Path) -> None:
    (block,) = re.findall(r"```python\n(from datasets.*?)```", README, flags=re.DOTALL)
    found = json.loads(run(block + "\nimport json\nprint(json.dumps([x.shape, y.shape, list(d)]))", folder))
    assert found == [[51, 384], [51, 5], ["train", "validation", "test"]]


PAGES = [
    "README.md",
    "release/evaluator/README.md",
    *(
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").glob("*.md"))
        if path.name != "quickstart.md"  # of a release of its own: tests/test_quickstart.py
    ),
]


def test_examples_name_what_there_is(folder: Path, there: dict[str, set[str]]) -> None:
    release = folder / "out/demo/build/release"
    pages = {name: (ROOT / name).read_text("utf-8") for name in PAGES}
    pages["its card"] = (release / "README.md").read_text("utf-8")
    assert {name: found for name, text in pages.items() if (found := unknown(text, there))} == {}
    used = [name for text in pages.values() for name in names_used(text)]
    assert {"router", "benchmark", "size", "model", "item", "category"} <= {name.kind for name in used}
    ids = [name for text in pages.values() for name in re.findall(r"\borg-\d+/[\w-]+", text)]
    assert {*ids} <= there["model"]


@pytest.mark.parametrize(
    ("example", "wrong"),
    [
        ("sh\nrouterset evaluate out/x --routers knn,nearest", Used("router", "nearest")),
        ("sh\npython -m evaluator --benchmarks gsm8k,gsm9k # two", Used("benchmark", "gsm9k")),
        ("sh\nroutersetx", None),
        ("sh\nrouterset evaluate out/x --sizes 3,4", Used("size", "4")),
        ("sh\nrouterset evaluate out/x --encoder mpnet", Used("encoder", "mpnet")),
        ("sh\nrouterset evaluate out/x --pair org-8/model-0004,gpt-4", Used("model", "gpt-4")),
        ("sh\nrouterset export out/x --to embedllm out/y --kind strong", Used("kind", "strong")),
        ('python\nload_dataset("ORG/NAME", "gsm8k-mpnet")', Used("", "gsm8k-mpnet")),
        ('python\nload_dataset("out/x", "gsm8k", split="dev")', Used("", "dev")),
        ('python\nd["greedy_m4_all_strong"]', Used("", "greedy_m4_all_strong")),
        ("python\nevaluate(release, sizes=[3, 4])", Used("size", "4")),
        ("csv\nitem_id,model\ngsm8k/0003,org-8/model-0004", Used("item", "gsm8k/0003")),
        ('toml\n[curate]\ntasks = { "mmlu/botany" = 5 }', Used("category", "mmlu/botany")),
        ('toml\n[[source]]\nbenchmark = "mine"', Used("benchmark", "mine")),
    ],
)
def test_what_an_example_names_wrongly_is_found(
    example: str, wrong: Used | None, there: dict[str, set[str]]
) -> None:
    assert unknown(f"```{example}\n```\n", there) == ([] if wrong is None else [wrong])
    assert unknown(f"1. so:\n\n   ```{example}\n".replace("\n", "\n   ") + "```\n", there) == (
        [] if wrong is None else [wrong]
    )


def test_every_config_loads(folder: Path) -> None:
    code = """
import json
from datasets import get_dataset_config_names, load_dataset
release = "out/demo/build/release"
print(json.dumps({name: load_dataset(release, name).num_rows for name in get_dataset_config_names(release)}))
"""
    rows = json.loads(run(code, folder).splitlines()[-1])
    assert len(rows) == 1 + 12 * 3 + 4
    assert rows["gsm8k"] == rows["gsm8k-minilm"] == {"train": 51, "validation": 6, "test": 7}
    assert rows["scores-gsm8k"] == {"train": 64 * 60}
    assert rows["models"] == {"train": 60}


def test_the_demo_runs_again_without_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(folder / "out" / "demo")
    assert main(["build", f"{out}/demo.toml", "--out", f"{out}/build"]) == 0
    *stages, blank, made, following = capsys.readouterr().err.splitlines()
    assert blank == ""
    assert {line.split(maxsplit=1)[1] for line in stages} == {"up to date"}
    assert made.endswith(f"{out}/build/release")
    assert "routerset publish" in following


def test_a_changed_byte_is_found_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = folder / "out" / "demo" / "build" / "release"
    path = release / "scores" / "arc.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    try:
        assert main(["verify", str(release)]) == 1
    finally:
        path.write_bytes(whole)
    assert "scores/arc.parquet" in capsys.readouterr().out
    assert main(["verify", str(release)]) == 0
