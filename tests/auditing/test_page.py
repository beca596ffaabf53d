"""The commands of docs/pools.md run as they stand there, and its table has every detector."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.pool_pictures import pictures
from routerset.release.auditing.audit import audit, to_json
from routerset.release.auditing.detectors import DETECTORS
from tests.auditing.worlds import rasch

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "pools.md").read_text("utf-8")


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (one,) = json.loads((tmp_path / "audit.json").read_text())["benchmarks"].values()
    assert (one["models"], one["items"]) == (12, 400)
    assert (tmp_path / "pool/audit.html").is_file()
    assert "USD per million tokens" in done.stdout


def test_the_page_has_every_question() -> None:
    table = PAGE.partition("| question | number |")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]] == [*DETECTORS]


def test_the_pictures_are_made_of_an_audit(tmp_path: Path) -> None:
    world = rasch(0, 12, 240)
    document = json.loads(to_json("x", [audit(world)]))
    made = pictures(document)
    assert set(made) >= {"headroom.svg", "twins.svg"}
    (name,) = document["benchmarks"]
    for text in made.values():
        assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        ElementTree.fromstring(text)
        assert 'role="img"' in text
        assert "http" not in text.removeprefix('<svg xmlns="http://www.w3.org/2000/svg"')
    assert f">{name}<" in re.sub(r"<title>.*?</title>", "", made["headroom.svg"])


def test_the_pictures_of_the_page_are_there_and_small() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((pictures/\w+\.svg)\)", PAGE)
    assert len(shown) == 3
    for name in shown:
        text = (DOCS / name).read_text("utf-8")
        ElementTree.fromstring(text)
        assert len(text) < 20_000
