"""What others do with a release: `load_dataset`, the Hub's card, Croissant; all offline."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mlcroissant as mlc
import pytest
from datasets import load_dataset, load_dataset_builder
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard

from routerset.release.build import write_release
from routerset.release.manifest import read_manifest
from tests.release.builds import Bench, binary, options, write_build

# mlcroissant's use of rdflib and pandas, not ours
OLD_RDFLIB = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
OLD_PANDAS = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")


def test_every_config_loads_with_the_rows_of_the_manifest(built: Path, tmp_path: Path) -> None:
    manifest = read_manifest(built / "release")
    found, expected = {}, {}
    for config in manifest.configs():
        loaded = load_dataset(str(built / "release"), config.name, cache_dir=str(tmp_path))
        found[config.name] = {split: len(rows) for split, rows in loaded.items()}
        rows = {split.value: manifest.tables[path].rows for split, path in config.files.items()}
        expected[config.name] = {split: n for split, n in rows.items() if n}
    assert found == expected


def test_one_call_gives_x_and_y(built: Path, tmp_path: Path) -> None:
    train = load_dataset(str(built / "release"), "gsm8k-minilm", split="train", cache_dir=str(tmp_path))
    assert train.features["embedding"].length == 384
    assert train.features["paper_m5_strong_to_weak"].length == 5
    assert train.features["paper_m5_strong_to_weak_label"].feature.dtype == "uint8"
    arrays = train.with_format("numpy")
    assert arrays["embedding"][:].shape == (32, 384)
    assert arrays["paper_m5_strong_to_weak"][:].shape == (32, 5)


def test_the_first_benchmark_is_the_default(built: Path, tmp_path: Path) -> None:
    assert load_dataset_builder(str(built / "release"), cache_dir=str(tmp_path)).config.name == "arc"


def test_the_code_on_the_card_runs(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = (built / "release/README.md").read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(code) == 1
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    names: dict[str, object] = {}
    exec(code[0].replace("ORG/NAME", str(built / "release")), names)  # noqa: S102 -- the card's own example
    assert names["X"].shape == (24, 384)  # type: ignore[attr-defined]
    assert names["Y"].shape == names["labels"].shape == (24, 3)  # type: ignore[attr-defined]
    assert len(names["models"]) == 20  # type: ignore[arg-type]


def test_the_card_says_what_the_hub_needs(built: Path) -> None:
    card = DatasetCard.load(built / "release/README.md")
    data = card.data.to_dict()
    assert data["license"] == "other"
    assert data["license_link"] == "LICENSE"
    assert data["size_categories"] == ["1K<n<10K"]
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    assert configs.get_default_config_name() == "arc"
    manifest = read_manifest(built / "release")
    assert set(configs) == {config.name for config in manifest.configs()}
    info = {entry["config_name"]: entry for entry in data["dataset_info"]}
    assert set(info) == set(configs)
    assert info["scores-gsm8k"]["splits"][0]["num_examples"] == 800
    assert info["scores-gsm8k"]["download_size"] == (built / "release/scores/gsm8k.parquet").stat().st_size


def test_the_card_tells_the_whole_story(built: Path) -> None:
    card = (built / "release/README.md").read_text("utf-8")
    assert "| wide | gsm8k | 805 | 800 | 4 | 1 | missing_score 1 |" in card
    assert "| gsm8k | paper | 32 | 4 | 4 | 0 |" in card
    assert "| gpqa | paper | 23 | 3 | 4 | 1 |" in card
    assert "| gsm8k | `paper` m = 3, 5 |" in card
    assert "| gsm8k | 1000 | all_strong | paper | expected at least 1000 models" in card
    assert "authors of Graduate-Level Google-Proof Q&A ask" in card
    assert "| truthfulqa | TruthfulQA, multiple choice | Apache-2.0 |" in card
    assert "huang2025routereval" in card
    links = set(re.findall(r"\]\(([^)#:]+)\)", card))
    assert sorted(link for link in links if not (built / "release" / link).exists()) == []


def test_the_licence_names_every_benchmark(built: Path) -> None:
    text = (built / "release/LICENSE").read_text("utf-8")
    assert "- gpqa: CC-BY-4.0\n" in text
    assert "Apache License" in text


def test_a_release_of_scores_alone_loads(tmp_path: Path) -> None:
    build = write_build(tmp_path, [Bench("arc", binary(3, 10, 0), sizes=(), encoders={})])
    write_release(build, tmp_path / "release", options(accounting=(), skipped_groups=()))
    release = str(tmp_path / "release")
    assert len(load_dataset(release, "arc", split="train", cache_dir=str(tmp_path / "cache"))) == 8
    card = (tmp_path / "release/README.md").read_text("utf-8")
    configs = MetadataConfigs.from_dataset_card_data(DatasetCard(card).data)
    assert list(configs) == ["arc", "scores-arc", "models", "runs"]
    assert "withheld" not in card


@OLD_RDFLIB
@OLD_PANDAS
def test_croissant_is_valid_and_reads(built: Path) -> None:
    manifest = read_manifest(built / "release")
    dataset = mlc.Dataset(jsonld=str(built / "release/croissant.json"))
    assert dataset.metadata.ctx.issues.errors == dataset.metadata.ctx.issues.warnings == set()
    found = {s.id: sum(1 for _ in dataset.records(s.id)) for s in dataset.metadata.record_sets}
    assert found == {
        config.name: sum(manifest.tables[path].rows for path in config.files.values())
        for config in manifest.configs()
    }


@OLD_RDFLIB
@OLD_PANDAS
def test_croissant_records_carry_values_and_split(built: Path) -> None:
    dataset = mlc.Dataset(jsonld=str(built / "release/croissant.json"))
    records = {r["gsm8k/item"]: r for r in dataset.records("gsm8k")}
    rows = load_rows(built / "release", "gsm8k")
    assert sorted(records) == sorted(rows)
    for item, row in rows.items():
        assert records[item]["gsm8k/split"].decode() == row["split_paper"]
        assert records[item]["gsm8k/paper_m3_all_weak"] == row["paper_m3_all_weak"]


def load_rows(release: Path, benchmark: str) -> dict[int, dict[str, object]]:
    import pyarrow.parquet as pq

    rows = [r for p in (release / "data" / benchmark).iterdir() for r in pq.ParquetFile(p).read().to_pylist()]
    return {row["item"]: row for row in rows}


def test_croissant_lists_every_table_with_its_checksum(built: Path) -> None:
    document = json.loads((built / "release/croissant.json").read_text("utf-8"))
    found = {f["@id"]: f["sha256"] for f in document["distribution"] if f["@type"] == "cr:FileObject"}
    tables = read_manifest(built / "release").tables
    assert found == {path: table.sha256 for path, table in tables.items()}
