"""Price tables: what they may look like, which row counts, and what becomes of them in a build."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main
from routerset.etl.config import ConfigError, load_config
from routerset.etl.ingest.price_files import read_prices
from routerset.etl.ingest.prices import Price, PriceError, Prices, tier_of
from routerset.etl.sources.base import DumpUnreadable
from routerset.schemas.pricing import usd_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/costs.md").read_text("utf-8")


def rows(*matches: str) -> Prices:
    """A table whose rows cost 1, 2, ... dollars."""
    return Prices(tuple(Price(match, n, n, file="p.toml", row=f"{n}") for n, match in enumerate(matches, 1)))


@pytest.mark.parametrize(
    ("matches", "model", "params_b", "row"),
    [
        (("*", "org/*", "org/m-7b", "<=7B"), "org/m-7b", 7.0, 3),
        (("*", "org/*", "<=7B"), "org/m-7b", 7.0, 2),
        (("<=7B", "*-7?", "*-7b"), "org/m-7b", 7.0, 3),
        (("<=7B", "<=70B", "3B-9B"), "org/m-7b", 7.0, 3),
        (("<=70B", ">45B"), "org/m-70b", 70.0, 1),
        (("7B-20B", "<=7B"), "org/m", 7.0, 2),
        (("<=7B", "7B-20B"), "org/m", 7.24, 2),
        (("<=7B", "7B-20B", ">45B"), "org/m", 45.0, None),
        ((">=45B", "7-20B"), "org/m", 45.0, 1),
        (("<500M",), "org/m", 0.41, 1),
        (("<=7B", ">7B"), "org/m", None, None),
        (("M-7B",), "Org/m-7b", None, 1),
        (("org/m-7b",), "M-7b", None, 1),
        (("org__m-7b",), "org/M-7b", None, 1),
        (("org/m-7b",), "lab/m-7b", None, None),
        (("m-7b", "org/m-7b"), "org/m-7b", None, 2),
        (("org/m-7b",), "org/m-7b@main", None, 1),
        (("org/m-7b", "org/m-7b@main"), "org/m-7b@main", None, 2),
        (("m-*",), "org/m-7b", None, 1),
        (("org/m-*",), "m-7b", None, None),
        (("m-[0-6]b",), "m-7b", None, None),
        (("m-7",), "m-7b", None, None),
    ],
)
def test_which_row_counts(
    matches: tuple[str, ...], model: str, params_b: float | None, row: int | None
) -> None:
    found = rows(*matches).of(model, params_b)
    assert (found and found.usd_in) == row


@pytest.mark.parametrize(
    ("matches", "model", "params_b"),
    [
        (("m-*", "*7b"), "m-7b", None),
        (("2B-8B", "3B-9B"), "m", 5.0),
        (("a/m", "b/m"), "m", None),
    ],
)
def test_two_rows_of_one_rank_are_an_error_that_names_both(
    matches: tuple[str, ...], model: str, params_b: float | None
) -> None:
    message = f'p.toml, 1 ("{matches[0]}") and p.toml, 2 ("{matches[1]}"): {model} has two prices'
    with pytest.raises(PriceError, match=re.escape(message)) as caught:
        rows(*matches).of(model, params_b)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("matches", [("org/m", "ORG/M"), ("<=7B", "<= 7b"), ("a*", "A*")])
def test_a_match_that_is_there_twice_is_an_error_before_any_model(matches: tuple[str, ...]) -> None:
    with pytest.raises(PriceError, match="two rows of one match differ"):
        rows(*matches)
    assert Prices((Price("m", 1, 2), Price("m", 1, 2))).of("m") == Price("m", 1, 2)


def test_tiers_are_told_from_names() -> None:
    assert [tier_of(name) for name in ("7b", "m-7b", "a-7B-20B", "7B-20B-chat", "13")] == [None] * 5
    assert tier_of("500M-1B") == tier_of("0.5B \u2013 1.0B") == tier_of("0.5 to 1B")


GOOD = {
    "p.toml": 'url = "https://x.org/p"\n[[price]]\nmatch = "m"\nin = 1\nout = 2.5\nas_of = 2024-01-31\n',
    "p.csv": "match,in,out,as_of,url\nm,1,2.5,2024-01-31,https://x.org/p\n",
    "p.tsv": "url\tmatch\tin\tout\tas_of\nhttps://x.org/p\tm\t $1.0 \t2.5e0\t2024-01-31\n",
    "p.json": '{"m": {"in": 1, "out": "2.5", "as_of": "2024-01-31", "url": "https://x.org/p", "note": 1}}',
    "q.json": '[{"name": "m", "input_price_per_1m": 1, "output_price_per_1m": 2.5, "as_of": "2024-01-31",'
    '"url": "https://x.org/p"}]',
}


@pytest.mark.parametrize("name", GOOD)
def test_a_table_says_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(GOOD[name], encoding="utf-8-sig" if name == "p.csv" else "utf-8")
    (row,) = read_prices([str(tmp_path / name)]).rows
    assert (row.match, row.says, row.file) == ("m", (1.0, 2.5, "2024-01-31", "https://x.org/p"), name)


def test_tables_of_other_projects_are_read() -> None:
    dumps = ROOT.parent / "shared/dumps"
    arena = read_prices([str(dumps / "routerarena/model_cost.json")])
    haiku = arena.of("claude-3-haiku-20240307")
    assert haiku is not None
    assert haiku.says == (0.25, 1.25, None, None)
    assert len(arena.rows) == 45
    lab = read_prices([str(dumps / "llmrouter/default_llm.json")])
    assert lab.listed_size("nvidia/llama3-chatqa-1.5-70b") == 70.0
    assert {row.size for row in lab.rows} >= {7.0, 45.0, 141.0}


@pytest.mark.parametrize(
    ("size", "params_b"),
    [('"7B"', 7.0), ("7", 7.0), ('"350M"', 0.35), ('"API"', None), ("true", None), ("0", None)],
)
def test_a_row_may_tell_a_size(tmp_path: Path, size: str, params_b: float | None) -> None:
    (tmp_path / "p.toml").write_text(TOML.format("m", 1, 1) + f"size = {size}")
    assert read_prices([str(tmp_path / "p.toml")]).listed_size("org/m") == params_b


TOML = '[[price]]\nmatch = "{}"\nin = {}\nout = {}\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.toml", TOML.format("m", -1, 2), "p.toml, [[price]] 1, in: found -1, expected US dollars per"),
        ("p.toml", TOML.format("m", "nan", 2), "p.toml, [[price]] 1, in: found nan, expected US"),
        ("p.toml", TOML.format("m", "inf", 2), "p.toml, [[price]] 1, in: found inf, expected US"),
        ("p.toml", TOML.format("m", "true", 2), "p.toml, [[price]] 1, in: found True, expected US"),
        ("p.toml", TOML.format("m", 1, '"2 cents"'), "out: found '2 cents', expected US dollars"),
        ("p.toml", '[[price]]\nmatch = "m"\nin = 1\n', "p.toml, [[price]] 1, out: found none, expected"),
        ("p.toml", TOML.format("", 1, 1), "match: found '', expected the id of a model"),
        ("p.toml", TOML.format("<=7", 1, 1), "match: found '<=7', expected a tier such as"),
        ("p.toml", TOML.format("20B-7B", 1, 1), "expected a tier from a smaller to a larger size"),
        ("p.toml", TOML.format("m", 1, 1) + 'asof = "x"', "unknown key 'asof'; valid keys: match, in, out"),
        ("p.toml", TOML.format("m", 1, 1) + 'as_of = "May"', "as_of: found 'May', expected an ISO date"),
        ("p.toml", TOML.format("m", 1, 1) + 'as_of = "2024-02-31"', "as_of: found '2024-02-31', expected"),
        ("p.toml", TOML.format("m", 1, 1) + "as_of = 2024-02-03T01:02:03", "as_of: found datetime"),
        ("p.toml", TOML.format("m", 1, 1) + 'url = "x"', "url: found 'x', expected https://..."),
        ("p.toml", "price = 3", "p.toml: found 'price', expected rows as [[price]]"),
        ("p.toml", "[[row]]\n", "p.toml: found 'row', expected rows as [[price]]"),
        ("p.toml", "price = [3]", "p.toml, [[price]] 1: found 3, expected a table"),
        ("p.toml", "", "p.toml: found no row, expected some with match, in, out"),
        ("p.toml", "x =", "p.toml: expected TOML"),
        ("p.csv", "match,in\nm,1\n", "p.csv: expected one column out, found match, in"),
        ("p.csv", "match,in,out\nm,1,2\nn,,2\n", "p.csv, row 2, in: found '', expected US dollars"),
        ("p.csv", "match,in,out,as_of\nm,1,2,2024\n", "p.csv, row 1, as_of: found '2024', expected"),
        ("p.csv", "match,in,out\n", "p.csv: found no row"),
        ("p.json", '{"m": 3}', 'p.json, key "m": found 3, expected an object with prices'),
        ("p.json", '{"m": {"in": 1}}', 'p.json, key "m", out: found none, expected'),
        ("p.json", '{"m": {"in": 1, "out": NaN}}', "p.json: no JSON"),
        ("p.json", "3", "p.json: found 3, expected an object"),
        ("p.json", "[" * 100_000, "p.json: no JSON that can be read"),
        ("p.yaml", "", "p.yaml: found a file .yaml, expected .toml, .csv, .tsv, .json"),
    ],
)
def test_a_table_that_cannot_be_meant_says_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(PriceError, match=re.escape(message)):
        read_prices([str(tmp_path / name)])


@pytest.mark.parametrize("name", ["p.toml", "p.csv", "p.json"])
def test_a_table_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DumpUnreadable, match=name):
        read_prices([str(tmp_path / name)])


def test_dollars_of_tokens() -> None:
    nan = float("nan")
    prompt, completion = (
        np.array(tokens, np.float32) for tokens in ([1e3, 1e3, nan, nan, 0], [200, nan, 200, nan, 0])
    )
    assert usd_of(prompt, completion, 3.0, 15.0).tolist() == pytest.approx(
        [0.006, nan, nan, nan, 0.0], nan_ok=True
    )
    assert usd_of(prompt, completion, 0.0, 15.0).tolist() == pytest.approx(
        [0.003, nan, 0.003, nan, 0.0], nan_ok=True
    )
    assert np.isnan(usd_of(prompt, completion, 0.0, 0.0)[3])


@pytest.mark.parametrize("prices", ["3", "[3]", "{ a = 1 }"])
def test_prices_are_paths(tmp_path: Path, prices: str) -> None:
    (tmp_path / "x.toml").write_text(f"[costs]\nprices = {prices}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[costs\] prices"):
        load_config(tmp_path / "x.toml")


def example(folder: Path) -> Path:
    """The files of the page; returns its config."""
    _, table, config = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (answers,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    for name, text in (("prices.toml", table), ("costs.toml", config), ("answers.csv", answers)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "costs.toml"


def costs(out: Path) -> list[float | None]:
    """US dollars of all answers, by model and item."""
    table = pq.read_table(out / "tables/costs/benchmark=sums/part-0.parquet")
    return [usd and round(usd, 9) for usd in table["usd"].to_pylist()]


@pytest.mark.usefixtures("ungated")
def test_the_example_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(tmp_path)
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    out = tmp_path / "build"
    assert main(command.split()[1:]) == 0
    (told,) = re.findall(r"The six answers cost (.*?) US dollars", PAGE)
    expected = [None if n == "null" else float(n) for n in re.findall(r"null|[\d.]+", told)]
    assert costs(out) == expected
    (row,) = json.loads((out / "manifest.json").read_text())["stages"]["ingest"]["info"]["accounting"]
    assert row["costs"]["usd"] == {"kept": 5, "missing": 1, "bad": 0, "priced": 5}
    prices = pq.read_table(out / "release/prices.parquet").to_pylist()
    found = [(row["model_id"], row["matched_by"], row["match"], row["as_of"]) for row in prices]
    assert found == [
        ("lab/large", "exact", "lab/large", "2026-11-01"),
        ("lab/small-2", "glob", "small-*", "2026-11-01"),
        ("other-13b", "tier", "7B-20B", "2026-11-01"),
    ]
    models = pq.read_table(out / "tables/models.parquet").to_pylist()
    assert [(row["params_b"], row["size_source"], row["usd_per_mtok_out"]) for row in models] == [
        (None, None, 15.0),
        (None, None, 0.4),
        (13.0, "name", 0.3),
    ]
    card = (out / "release/README.md").read_text("utf-8")
    assert "| prices.toml | " in card
    assert "| 2026-11-01 | <https://example.org/pricing> |" in card
    assert "Of the 5 `usd` of sums, 5 are tokens x price" in card
    assert main(["verify", str(out / "release")]) == 0
    assert main(["validate", str(out)]) == 0


@pytest.mark.usefixtures("ungated")
def test_a_changed_table_makes_costs_again_and_reads_no_dump(tmp_path: Path) -> None:
    config, out = example(tmp_path), tmp_path / "out"
    assert main(["build", str(config), "--out", str(out), "--only", "ingest"]) == 0
    shards = {path: path.stat().st_mtime_ns for path in (out / "staging/shards").rglob("*.parquet")}
    table = config.with_name("prices.toml")
    table.write_text(table.read_text().replace("in = 0.1", "in = 1"))
    assert main(["build", str(config), "--out", str(out), "--only", "ingest"]) == 0
    assert costs(out)[2:4] == pytest.approx([0.00108, 0.00054])
    assert {path: path.stat().st_mtime_ns for path in (out / "staging/shards").rglob("*.parquet")} == shards
    fresh = tmp_path / "fresh"
    assert main(["build", str(config), "--out", str(fresh), "--only", "ingest"]) == 0
    for path in (out / "tables").rglob("*.parquet"):
        assert path.read_bytes() == (fresh / path.relative_to(out)).read_bytes()
    config.write_text(config.read_text().replace("prices = ", "# "))
    assert main(["build", str(config), "--out", str(out), "--only", "ingest"]) == 0
    assert not (out / "tables/prices.parquet").exists()
    assert set(costs(out)) == {None}


def test_what_a_dump_tells_counts_before_a_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = example(tmp_path), tmp_path / "out"
    answers = (
        "model,id,question,score,usd,prompt_tokens,completion_tokens\nlab/large,1,a?,1,7,1000,200\n"
        "lab/large,2,b?,1,free,1000,200\nlab/unknown,1,a?,1,,1000,200\n"
    )
    config.with_name("answers.csv").write_text(answers)
    assert main(["build", str(config), "--out", str(out), "--only", "ingest"]) == 0
    assert costs(out) == [7.0, pytest.approx(0.006), None]
    info = json.loads((out / "manifest.json").read_text())["stages"]["ingest"]["info"]
    assert info["accounting"][0]["costs"]["usd"] == {"kept": 2, "missing": 1, "bad": 1, "priced": 1}
    assert (info["prices"]["unmatched"], info["prices"]["such_as"]) == (1, ["lab/unknown"])
    assert "prices.toml: no row matches 1 models with scores, such as lab/unknown" in capsys.readouterr().err


def test_a_wrong_table_is_a_wrong_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = example(tmp_path), tmp_path / "out"
    table = config.with_name("prices.toml")
    table.write_text(TOML.format("lab/*", 1, 1) + TOML.format("*arge", 1, 2))
    assert main(["build", str(config), "--out", str(out), "--only", "ingest"]) == 2
    assert 'prices.toml, [[price]] 1 ("lab/*") and prices.toml, [[price]] 2' in capsys.readouterr().err
    table.write_text(TOML.format("m", 1, '"x"'))
    assert main(["build", str(config), "--out", str(out), "--dry-run"]) == 2
    table.unlink()
    assert main(["build", str(config), "--out", str(out), "--dry-run"]) == 3


def test_the_dated_example_is_the_papers_table() -> None:
    prices = read_prices([str(ROOT / "configs/prices-routoo-2024.toml")])
    found = {
        model: (price.usd_in, price.usd_out, price.as_of)
        for model, size in (
            ("meta-llama/Llama-2-7b-hf", 6.74),
            ("mistralai/Mistral-7B-v0.1", 7.24),
            ("meta-llama/Llama-2-13b-hf", 13.0),
            ("mistralai/Mixtral-8x7B-v0.1", 46.7),
            ("meta-llama/Llama-2-70b-hf", 69.0),
            ("openai/gpt-3.5-turbo-1106", None),
            ("gpt-4-turbo-2024-04-09", None),
        )
        if (price := prices.of(model, size))
    }
    assert [usd for usd, *_ in found.values()] == [0.2, 0.2, 0.26, 0.6, 0.9, 1.5, 20.0]
    assert {as_of for *_, as_of in found.values()} == {"2024-01-25"}
