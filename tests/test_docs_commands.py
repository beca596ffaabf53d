"""Every command of README.md and docs/ runs here, or is marked with why not; every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from routerset.etl.cli import main
from routerset.release.companion import write_companion
from routerset.schemas.exits import DATA_FAILED, DONE
from tests.expectations.builds import make_build

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
WHOLE = {
    "docs/quickstart.md": "tests/test_quickstart.py",
    "docs/pools.md": "tests/auditing/test_page.py",
    "docs/metrics.md": "tests/test_docs.py",
    "docs/costs.md": "tests/test_prices.py",
    "docs/exporting.md": "tests/test_docs.py",
    "docs/leaderboard.md": "tests/leaderboard/test_page.py",
}
"""Pages whose commands run in order, as they stand there -> the test that does it."""
NOT_RUN = {
    r"make ": "sets up an environment from the package index; a person's first step, and CI's",
    r"dask |.*--scheduler ": "a cluster that stays up: tests/test_runners.py starts schedulers and workers",
    r".*--workers ": "processes of its own: tests/test_workers.py",
    r".*hf://": "the Hub, a token: tests/publish does this to a Hub on loopback",
    r".*--sign |ssh-keygen |echo .*signers|grep -v .*SHA256SUMS": "keys: tests/publish/test_trust.py",
    r"python benchmarks/": "measures a whole real build, for minutes to hours",
    r"routerset build configs/real\.toml": "the real dumps are not part of the repository",
    r"git ls-remote ": "a network",
}
"""What commands begin with that no test runs as they stand -> why."""
STANDS_FOR = {
    "dumps/samples_leaderboard_ifeval_2024-06-01T00-00-00.jsonl": "plain/arc_answers.csv",
    "dumps/mmlu_pro_results": "plain",
    "FOLDER": "dumps",
    "DIR": "out/real",
    "real.toml": "configs/real.toml",
    "my.toml": "configs/real.toml",
    "/srv/datasets/name": "out/srv",
    "/srv/datasets/name@v1.0.0": "out/srv@v1.0.0",
    "/srv/datasets/name/latest": "out/srv/latest",
}
"""What a page names -> what stands for it here."""


def commands(page: str) -> Iterator[str]:
    """Lines of a page's shell blocks, and of those without a language that begin with a program of ours."""
    text = (ROOT / page).read_text("utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        ours = re.match(r"(\.venv/bin/)?(routerset|dask|python|make|\d+ \d+ \* \* \d) ?", block)
        if language == "sh" or (not language and ours):
            yield from (line.strip() for line in block.splitlines() if line.strip())


def why_not(line: str) -> str | None:
    return next((why for begin, why in NOT_RUN.items() if re.match(begin, line)), None)


def cases() -> Iterator[object]:
    """Every command, once; what several pages say alike is of the first of them."""
    known = set[str]()
    for page in PAGES:
        for line in commands(page) if page not in WHOLE else ():
            told = line.partition(" #")[0].strip().removeprefix(".venv/bin/")
            why = why_not(told)
            marks = [pytest.mark.skip(reason=why)] if why else []
            if told in known:
                continue
            known.add(told)
            yield pytest.param(told, id=f"{page}: {told}", marks=marks)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the names of the pages are there: a build in out/real, its config, dumps."""
    folder = tmp_path_factory.mktemp("docs")
    build = make_build(folder)
    assert write_companion(build, build / "release", build / "release-gated")
    for name in ("out", "configs", "plain", "benchmark=mine"):
        (folder / name).mkdir()
    shutil.move(build, folder / "out/real")
    config = (folder / "demo.toml").read_text("utf-8").replace('"dumps', '"../dumps')
    (folder / "configs/real.toml").write_text(config.replace('"prices.toml"', '"../prices.toml"'))
    rows = [
        f"org/m{model}," + ",".join("1" if (model + i) % 3 else "0" for i in range(40)) for model in range(8)
    ]
    head = "model," + ",".join(map(str, range(40)))
    (folder / "plain/arc_answers.csv").write_text("\n".join([head, *rows]) + "\n")
    scores = folder / "out/real/tables/scores/benchmark=arc/part-0.parquet"
    shutil.copy(scores, folder / "benchmark=mine/part-0.parquet")
    return folder


@pytest.mark.parametrize("line", list(cases()))
def test_a_command_runs(
    line: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    program, *words = (STANDS_FOR.get(word, word) for word in shlex.split(line))
    assert program == "routerset", f"say in NOT_RUN why this does not run: {line}"
    for target in ("out/srv", "out/published"):  # commands may run in other processes than those before them
        if words[0] != "publish" and target in " ".join(words) and not Path(target).exists():
            assert main(["publish", "out/real", "--to", target]) == DONE
    code = main(words)
    said, told = capsys.readouterr()
    assert code in (DONE, DATA_FAILED), told
    assert said or told


@pytest.mark.parametrize("page", WHOLE)
def test_a_page_that_runs_as_a_whole_is_named_by_its_test(page: str) -> None:
    test = (ROOT / WHOLE[page]).read_text("utf-8")
    assert page in test
    assert re.search(r'```sh|```\(|blocks\("sh"\)', test), "it runs what stands in the page's blocks"


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(file), f"{page}: {target}"


def test_every_page_is_on_the_list_of_pages() -> None:
    listed = set(re.findall(r"\]\((\w+\.md)\)", (ROOT / "docs/README.md").read_text("utf-8")))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
