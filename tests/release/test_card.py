"""The results on the card: the report's main table, and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.groups.methods import METHODS
from routerset.release.build import write_release
from routerset.release.card import MAIN_TABLE, Figure, figures, render_card
from routerset.release.errors import ReleaseInputError
from routerset.release.manifest import read_manifest
from routerset.release.reporting.report import FILES
from routerset.schemas import store
from routerset.schemas.groups import Group
from routerset.schemas.released import (
    GROUPS_SCHEMA,
    LEADERBOARD_SCHEMA,
    LIMITS_SCHEMA,
    RELEASED,
    data_schema,
    vectors_schema,
)
from routerset.schemas.tables import TABLES, Kind
from tests.release.builds import Bench, binary, options, write_build, write_priced

TABLE = "mu_o.\n\n| m | Router | ARC |\n|---:|---|---:|\n| 3 | PRknn | 0.63<br><sub>0.4..0.8</sub> |\n"


def results(card: str) -> str | None:
    """The section of results, or None."""
    found = re.search(r"\n## Results\n(.*?)\n## ", card, re.DOTALL)
    return found[1] if found else None


def test_the_main_table_stands_above_the_pictures_as_it_is(release: Path) -> None:
    (release / "reports").mkdir()
    (release / "reports/b.png").write_bytes(b"a picture")
    (release / "reports/a.png").write_bytes(b"a picture")
    (release / "reports" / MAIN_TABLE).write_text(TABLE, "utf-8")
    shown = figures(release)
    assert shown == [Figure("reports/summary.md", TABLE), Figure("reports/a.png"), Figure("reports/b.png")]
    section = results(render_card(read_manifest(release), shown)) or ""
    places = [section.find(part) for part in (TABLE, "`reports/report.html`", "a.png", "b.png")]
    assert -1 not in places
    assert places == sorted(places)


def test_the_main_table_is_one_that_reports_write() -> None:
    assert MAIN_TABLE in FILES


def test_without_a_report_there_are_no_results(release: Path) -> None:
    assert figures(release) == []
    assert results(render_card(read_manifest(release))) is None


def test_a_main_table_that_is_no_text_is_named(release: Path) -> None:
    (release / "reports").mkdir()
    (release / "reports" / MAIN_TABLE).write_bytes(b"\xff\xfe")
    with pytest.raises(ReleaseInputError, match=r"reports/summary\.md: unreadable .*build or fetch it again"):
        figures(release)


def documented(card: str) -> dict[str, list[re.Pattern[str]]]:
    """What the card's tables of columns name, by config: letters in capitals stand for any others."""
    sections = re.findall(
        r"<details><summary>Columns of <code>(.+?)</code></summary>(.+?)</details>", card, re.DOTALL
    )
    names = {
        title: re.findall(r"^\| `(\w+)` \| .+ \| \w[^|]+ \|$", text, re.MULTILINE) for title, text in sections
    }
    return {
        title: [re.compile(re.sub("METHOD|M|KIND", r"\\w+", name)) for name in of]
        for title, of in names.items()
    }


@pytest.fixture(params=["scored", "priced", "curated"])
def any_release(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Path:
    """Releases that hold every table between them."""
    if request.param == "priced":
        return write_priced(tmp_path)
    build = built
    if request.param == "curated":
        build = write_build(tmp_path, [Bench("gsm8k", binary(6, 20, 1), sizes=(3,))])
        row = {"kind": "item", "id": "gsm8k/0000", "benchmark": "gsm8k", "rule": "duplicates"}
        made = {"model_id": "pseudo-specialist/x", "category": "x", "item": 0, "score": 1.0}
        price = {"model_id": "org/model-0001", "usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0}
        price |= {"matched_by": "exact", "match": "org/model-0001", "file": "p.csv"}
        told = {"file": "p.csv", "sha256": "0" * 64, "rows": 1, "models": 1, "as_of": [], "urls": []}
        rows = {"curated": row, "prices": price, "pseudo_specialists": made | {"is_synthetic": True}}
        for name, of in rows.items():
            table = pa.Table.from_pylist([of], schema=TABLES[name].schema)
            store.write_table(build / TABLES[name].path(benchmark="gsm8k"), table.schema, table)
        curated = {"rules": {"duplicates": "text"}, "scheme": "paper", "records": {}}
        prices = {"files": [told], "unmatched": 5, "such_as": []}
        given = options(accounting=(), skipped_groups=(), prices=prices, curated=curated)
        write_release(build, build / "release", given)
    return build / "release"


def test_every_column_of_every_file_is_documented(any_release: Path) -> None:
    text = (any_release / "README.md").read_text("utf-8")
    card = documented(text)
    files = [(table, path) for table in RELEASED.values() for path in any_release.glob(table.pattern)]
    assert {path for _, path in files} == set(any_release.rglob("*.parquet"))
    for title, patterns in card.items():
        names = {name for table, path in files if table.title == title for name in pq.read_schema(path).names}
        assert [name for name in names if not any(p.fullmatch(name) for p in patterns)] == [], title
        assert [p for p in patterns if not any(p.fullmatch(name) for name in names)] == [], title
    assert card.keys() == {table.title for table, _ in files}
    assert card.keys() <= {*re.findall(r"^\| `([\w-]+)`.* \| .+ \| .+ \|$", text, re.MULTILINE)}


def test_every_column_of_every_config_says_what_it_is() -> None:
    group = Group("greedy", 3, "all_strong")
    own = {"leaderboard": LEADERBOARD_SCHEMA, "groups": GROUPS_SCHEMA, "limits": LIMITS_SCHEMA}
    own |= {"data": data_schema(["paper"], [group]), "vectors": vectors_schema(3, [group])}
    for name in RELEASED:
        for field in own.get(name) or TABLES[name].schema:
            doc = (field.metadata or {}).get(b"doc", b"").decode()
            assert len(doc.split()) > 1, f"{name}.{field.name}"


def test_docs_of_groups_name_every_method_kind_and_rule() -> None:
    docs = {field.name: field.metadata[b"doc"].decode() for field in GROUPS_SCHEMA}
    assert [name for name in METHODS if not re.search(rf"\b{name}\b", docs["method"])] == []
    assert "frozen" in docs["method"]
    assert [kind for kind in Kind if not re.search(rf"\b{kind}\b", docs["kind"])] == []
    assert LIMITS_SCHEMA.field("kind").metadata == GROUPS_SCHEMA.field("kind").metadata
    family = TABLES["items"].schema.field("family_id").metadata[b"doc"].decode()
    assert all(word in family for word in ("equal words", "context", "nearly the same"))
