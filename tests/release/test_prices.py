"""Prices in a release: a config of their own, and versions by what changed in them and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from routerset.release.build import write_release
from routerset.release.manifest import read_manifest
from routerset.release.verify import verify
from routerset.schemas import store
from routerset.schemas.pricing import usd_of
from routerset.schemas.tables import COST_MEASURES, COSTS, MODELS, PRICES
from tests.attacks.forge import Forgery
from tests.release.builds import Bench, binary, model_names, options, write_build

N_MODELS, N_ITEMS = 3, 12
MODEL = model_names(N_MODELS)[1]
MEASURED = 5.0
"""US dollars of the first answer, whatever the price."""
Price = dict[str, Any]
PRICE: Price = {"usd_per_mtok_in": 2.0, "usd_per_mtok_out": 8.0, "as_of": "2026-01-01"}


def make(folder: Path, price: Price | None, previous: Path | None = None, **costs: float) -> Path:
    """A build of one benchmark whose second model has tokens and that price, if any, and its release."""
    build = write_build(folder, [Bench("arc", binary(N_MODELS, N_ITEMS, 1), sizes=(), encoders={})])
    tokens = np.arange(1, N_ITEMS + 1, dtype=np.float32)
    usd = np.full(N_ITEMS, np.nan, np.float32)
    told: dict[str, Any] = {}
    if price is not None:
        row = price | {"model_id": MODEL, "url": None, "matched_by": "exact", "match": MODEL, "file": "p.csv"}
        store.write_table(build / "tables/prices.parquet", PRICES, pa.Table.from_pylist([row], schema=PRICES))
        models = store.read_file(build / "tables/models.parquet").to_pylist()
        (own,) = (row for row in models if row["model_id"] == MODEL)
        own |= {k: price[k] for k in ("usd_per_mtok_in", "usd_per_mtok_out")} | {
            "price_as_of": price["as_of"]
        }
        store.write_table(
            build / "tables/models.parquet", MODELS, pa.Table.from_pylist(models, schema=MODELS)
        )
        usd = usd_of(tokens, tokens, price["usd_per_mtok_in"], price["usd_per_mtok_out"])
        file = {"file": "p.csv", "sha256": "0" * 64, "rows": 1, "models": 1, "urls": ["https://x.org"]}
        dates = [price["as_of"]] if price["as_of"] else []
        told = {"files": [file | {"as_of": dates}], "unmatched": 2, "such_as": [model_names(1)[0]]}
    usd[0] = costs.get("measured", MEASURED)
    columns = {name: pa.nulls(N_ITEMS, pa.float32()) for name in COST_MEASURES}
    columns |= {"prompt_tokens": pa.array(tokens), "completion_tokens": pa.array(tokens)}
    columns["usd"] = pa.array(usd, from_pandas=True)
    names = pa.array([MODEL] * N_ITEMS).dictionary_encode()
    items = pa.array(np.arange(N_ITEMS, dtype=np.int32))
    table = pa.table({"model_id": names, "item": items, **columns}, schema=COSTS)
    store.write_table(build / "tables/costs/benchmark=arc/part-0.parquet", COSTS, table)
    n, kept = N_MODELS * N_ITEMS, N_ITEMS - table["usd"].null_count
    row = {"source": "long", "benchmark": "arc", "read": n, "kept": n, "superseded": 0, "quarantined": 0}
    known = {"kept": N_ITEMS, "missing": n - N_ITEMS, "bad": 0}
    dollars = {"kept": kept, "missing": n - kept, "bad": 0} | ({"priced": kept - 1} if price else {})
    by_measure = {"usd": dollars, "prompt_tokens": known, "completion_tokens": known}
    accounting = (row | {"reasons": {}, "notes": {}, "costs": by_measure},)
    given = options(accounting=accounting, skipped_groups=(), previous=previous, prices=told)
    write_release(build, build / "release", given)
    return build


def test_prices_are_a_table_of_the_release_and_on_its_card(tmp_path: Path) -> None:
    release = make(tmp_path, PRICE) / "release"
    assert verify(release) == []
    assert "prices" in {config.name for config in read_manifest(release).configs()}
    card = (release / "README.md").read_text("utf-8")
    assert "Prices are of 1 LLMs; 2 have none, such as org/model-0000:" in card
    assert "| p.csv | 0000000000000000 | 1 | 2026-01-01 | <https://x.org> |" in card
    assert "Of the 12 `usd` of arc, 11 are tokens x price; the others are as the dumps have them." in card


def test_a_release_without_prices_does_not_speak_of_them(tmp_path: Path) -> None:
    release = make(tmp_path, None) / "release"
    assert verify(release) == []
    assert "prices" not in (release / "manifest.json").read_text("utf-8")
    assert "price table" not in (release / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("before", "after", "version", "told"),
    [
        ({}, {"usd_per_mtok_in": 3.0}, "2.0.0", "MAJOR, models: prices of 1 model changed"),
        (
            {},
            {"usd_per_mtok_in": 3.0, "as_of": "2026-02-01"},
            "1.1.0",
            "MINOR, arc: costs of 1 model repriced",
        ),
        (
            {},
            {"usd_per_mtok_in": 3.0, "as_of": "2026-02-01"},
            "1.1.0",
            "MINOR, models: prices of 1 model dated",
        ),
        (
            {},
            {"usd_per_mtok_in": 3.0, "as_of": "2025-02-01"},
            "2.0.0",
            "MAJOR, arc: costs of 1 model changed",
        ),
        ({}, {"as_of": "2026-02-01"}, "1.1.0", "MINOR, models: prices of 1 model dated anew"),
        ({}, {"as_of": None}, "2.0.0", "MAJOR, models: prices of 1 model changed"),
        ({"as_of": None}, {"usd_per_mtok_in": 3.0}, "1.1.0", "MINOR, arc: costs of 1 model repriced"),
        ({"as_of": None}, {"usd_per_mtok_in": 3.0, "as_of": None}, "2.0.0", "MAJOR, arc: costs of 1 model"),
        (None, {}, "1.1.0", "MINOR, arc: costs of 1 model completed"),
        (None, {}, "1.1.0", "MINOR, models: prices of 1 model added"),
        ({}, None, "2.0.0", "MAJOR, dataset: 1 table removed: `prices.parquet`"),
    ],
)
def test_what_changed_in_prices_decides_the_version(
    tmp_path: Path, before: Price | None, after: Price | None, version: str, told: str
) -> None:
    old = make(tmp_path / "old", None if before is None else PRICE | before)
    new = make(tmp_path / "new", None if after is None else PRICE | after, old / "release")
    assert read_manifest(new / "release").version == version
    assert f"- {told}" in (new / "release/CHANGELOG.md").read_text("utf-8")
    assert verify(new / "release") == []


def test_another_measured_cost_is_a_change_under_any_date(tmp_path: Path) -> None:
    old = make(tmp_path / "old", PRICE)
    later = PRICE | {"usd_per_mtok_in": 3.0, "as_of": "2026-02-01"}
    new = make(tmp_path / "new", later, old / "release", measured=6.0)
    assert read_manifest(new / "release").version == "2.0.0"
    assert "- MAJOR, arc: costs of 1 model changed" in (new / "release/CHANGELOG.md").read_text("utf-8")


def _dearer(table: pa.Table) -> pa.Table:
    rows = [row | {"usd_per_mtok_in": 9.0} for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=PRICES)


def test_a_price_that_is_not_that_of_the_models_is_found(tmp_path: Path) -> None:
    forged = Forgery.of(make(tmp_path / "good", PRICE) / "release", tmp_path / "forged")
    forged.table("prices.parquet", _dearer)
    forged.papers()
    forged.sums()
    assert [problem for problem in verify(forged.root) if f"price of {MODEL}" in problem.found] != []


def test_a_manifest_says_what_the_prices_are(tmp_path: Path) -> None:
    good = make(tmp_path / "good", PRICE) / "release"
    for number, change in enumerate(
        (
            lambda found: found["prices"]["files"][0].update(models=2),
            lambda found: found["prices"]["files"][0].update(file="q.csv"),
            lambda found: found["prices"]["files"][0].update(urls=["javascript:x"]),
            lambda found: found["prices"]["files"][0].update(joy=1),
            lambda found: found["prices"].update(unmatched=0),
            lambda found: found.pop("prices"),
            lambda found: found["accounting"][0]["costs"]["usd"].update(priced=99),
            lambda found: found["accounting"][0]["costs"]["prompt_tokens"].update(priced=1),
        )
    ):
        forged = Forgery.of(good, tmp_path / f"forged-{number}")
        forged.manifest(change)
        forged.papers()
        forged.sums()
        assert [problem.path for problem in verify(forged.root)] != [], number
