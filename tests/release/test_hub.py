"""What the Hub and its tools read of a release: card, licences, citation, benchmark and Croissant files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

from routerset.etl.config import ConfigError, parse_config
from routerset.release import write
from routerset.release.build import write_release
from routerset.release.card import Figure, render_card
from routerset.release.croissant import croissant
from routerset.release.errors import ReleaseError
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.texts import texts
from routerset.release.verify import verify
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.registry import PERMISSIVE, is_license
from tests.release.builds import Bench, binary, options, write_build

ABOUT = {
    "creator": "Example Group",
    "contact": "data@example.org",
    "url": "https://example.org/data",
    "published": "2026-01-02",
}
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = {"format": "wide", "path": "x.csv", "benchmark": "gsm8k"}


@pytest.fixture(scope="module")
def manifest(built: Path) -> Manifest:
    return read_manifest(built / "release")


def test_every_link_of_the_card_leads_to_a_file_that_the_hub_shows(built: Path, manifest: Manifest) -> None:
    """Relative links lead to the file as text: no page is rendered, and no place in it is found."""
    card = (built / "release/README.md").read_text("utf-8")
    links = [link for link in LINK.findall(card) if "://" not in link]
    assert links
    assert [link for link in links if not (built / "release" / link).is_file()] == []
    assert [link for link in links if link.endswith(".html") or "#" in link] == []
    shown = [
        Figure("reports/summary.md", "| m | Router | ARC | Mean |"),
        Figure("reports/cost_areas.md", "x"),
    ]
    linked = LINK.findall(render_card(manifest, shown))
    assert [link for link in linked if "report.html" in link] == []


def test_the_yaml_of_the_card_is_short(built: Path, manifest: Manifest) -> None:
    head = (built / "release/README.md").read_text("utf-8").split("---\n")[1]
    assert len(head.splitlines()) <= 2 * len(manifest.configs()) + 25
    data = DatasetCard.load(built / "release/README.md").data.to_dict()
    assert (data["annotations_creators"], data["source_datasets"]) == (["machine-generated"], ["extended"])
    assert {"tabular", "text"} <= set(data["tags"])


def test_source_datasets_are_those_of_the_hub(manifest: Manifest) -> None:
    row = {"source": "x", "license": None, "citation": None, "files": 1, "read": {}}
    urls = (
        "https://huggingface.co/datasets/org/name/tree/main",
        "hf://datasets/a/b",
        "https://example.org/c",
        None,
    )
    told = replace(manifest, sources=tuple({**row, "url": url} for url in urls))
    assert DatasetCard(render_card(told)).data.to_dict()["source_datasets"] == ["a/b", "org/name"]


def test_the_card_says_what_it_is_for_and_who_made_it(manifest: Manifest) -> None:
    card = render_card(replace(manifest, about=ABOUT))
    for words in ("## Uses", "Out of scope", "Bias.", "Personal and sensitive", "hf download ORG/NAME"):
        assert words in card
    assert "**Made by** Example Group; contact: data@example.org." in card
    assert "Synthetic data" not in card
    made_up = render_card(replace(manifest, about={"synthetic": True}))
    assert "**Synthetic data.**" in made_up.split("## ")[0]
    assert "synthetic" in DatasetCard(made_up).data.to_dict()["tags"]


def test_the_mean_stands_beside_the_router(manifest: Manifest) -> None:
    table = (
        "mu_o.\n\n| m | Router | ARC | A\\|B | Mean |\n|---:|---|---:|---:|---:|\n| 3 | knn | 1 | 2 | 1.5 |\n"
    )
    card = render_card(manifest, [Figure("reports/summary.md", table)])
    assert (
        "| m | Router | Mean | ARC | A\\|B |\n| ---: | --- | ---: | ---: | ---: |\n| 3 | knn | 1.5 | 1 | 2 |"
        in card
    )


def test_figures_have_captions(manifest: Manifest) -> None:
    card = render_card(manifest, [Figure("reports/figure2_scaling.png")])
    assert re.search(r"!\[figure2 scaling\]\(reports/figure2_scaling\.png\)\n\n\*Mean score of .+\*\n", card)


def test_licences_are_spdx_ids_and_stand_at_every_item(built: Path) -> None:
    assert [b.name for b in BENCHMARKS.values() if not is_license(b.license)] == []
    for name in read_manifest(built / "release").benchmarks:
        licenses = pq.read_table(built / f"release/data/{name}/train.parquet")["license"].to_pylist()
        assert {*licenses} <= {BENCHMARKS[name].license}


def test_a_permissive_release_names_one_licence(tmp_path: Path) -> None:
    build = write_build(tmp_path, [Bench("gsm8k", binary(6, 10, 1), sizes=(), encoders={})])
    given = options(accounting=(), skipped_groups=(), about={"licenses": "permissive"})
    write_release(build, tmp_path / "release", given)
    assert verify(tmp_path / "release") == []
    assert DatasetCard.load(tmp_path / "release/README.md").data.to_dict()["license"] == "apache-2.0"
    assert "Left out, whatever the dumps hold: arc (CC-BY-SA-4.0)" in (
        tmp_path / "release/README.md"
    ).read_text("utf-8")
    first = "SPDX-License-Identifier: Apache-2.0\n"
    assert (tmp_path / "release/LICENSE").read_text("utf-8").startswith(first)
    document = json.loads((tmp_path / "release/croissant.json").read_text("utf-8"))
    assert document["license"] == ["https://spdx.org/licenses/Apache-2.0"]


def test_other_licences_in_a_permissive_release_are_found(tmp_path: Path) -> None:
    build = write_build(tmp_path, [Bench("arc", binary(6, 10, 1), sizes=(), encoders={})])
    given = options(accounting=(), skipped_groups=(), about={"licenses": "permissive"})
    write_release(build, tmp_path / "release", given)
    assert [p.found for p in verify(tmp_path / "release")] == [
        "arc under CC-BY-SA-4.0 in a release of permissive licences"
    ]


def test_permissive_benchmarks_alone_are_read() -> None:
    asked = {"source": [SOURCE], "release": {"licenses": "permissive"}}
    config = parse_config(asked, Path("c.toml"))
    assert {BENCHMARKS[name].license for name in config.dataset.benchmarks} <= set(PERMISSIVE)
    assert "gsm8k" in config.dataset.benchmarks
    assert "arc" not in config.dataset.benchmarks
    named = parse_config({**asked, "dataset": {"benchmarks": ["arc", "gsm8k"]}}, Path("c.toml"))
    assert named.dataset.benchmarks == ("gsm8k",)
    with pytest.raises(ConfigError, match=r"leaves no benchmark: found arc \(CC-BY-SA-4.0\)"):
        parse_config({**asked, "dataset": {"benchmarks": ["arc"]}}, Path("c.toml"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("licenses", "free"),
        ("creator", "a\nb"),
        ("contact", ""),
        ("url", "ftp://example.org"),
        ("date", "2026-13-01"),
        ("date", "tomorrow"),
    ],
)
def test_what_cannot_be_said_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[release\] {key}"):
        parse_config({"source": [SOURCE], "release": {key: value}}, Path("c.toml"))


def test_the_page_is_that_of_the_dataset_on_the_hub() -> None:
    release = {"previous": "hf://datasets/org/name", "date": "2026-01-02"}
    config = parse_config({"source": [SOURCE], "release": release}, Path("c.toml"))
    assert config.release.about() == {
        "url": "https://huggingface.co/datasets/org/name",
        "published": "2026-01-02",
    }


def test_more_configs_than_the_hub_describes_are_refused(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(read_manifest(built / "release").loadable()) + 1  # the leaderboard
    monkeypatch.setattr(write, "MAX_CONFIGS", n)
    write_release(built, tmp_path / "fits", options())
    monkeypatch.setattr(write, "MAX_CONFIGS", n - 1)
    with pytest.raises(ReleaseError, match=rf"found {n} configs, expected {n - 1} at most.*leave out some"):
        write_release(built, tmp_path / "more", options())


def test_the_benchmark_file_names_configs_with_test_items(manifest: Manifest) -> None:
    document = yaml.safe_load(texts(manifest)["eval.yaml"])
    assert list(document) == ["name", "description", "evaluation_framework", "tasks"]
    with_groups = [name for name, b in manifest.benchmarks.items() if b.groups and b.splits["paper"]["test"]]
    assert document["tasks"] == [{"id": n, "config": n, "split": "test"} for n in with_groups]
    configs = {config.name: config for config in manifest.loadable()}
    assert all(task["split"] in configs[task["config"]].files for task in document["tasks"])


def test_the_citation_names_dataset_version_and_paper(manifest: Manifest) -> None:
    document = yaml.safe_load(texts(replace(manifest, about=ABOUT))["CITATION.cff"])
    assert {"cff-version", "message", "title", "authors"} <= document.keys()  # those that the format asks for
    assert (document["type"], document["version"]) == ("dataset", manifest.version)
    assert (document["authors"], document["url"]) == ([{"name": "Example Group"}], ABOUT["url"])
    assert len(document["preferred-citation"]["authors"]) == 7


def test_croissant_says_who_where_when_and_what_for(manifest: Manifest) -> None:
    document = croissant(replace(manifest, about=ABOUT))
    assert (document["url"], document["datePublished"]) == (ABOUT["url"], "2026-01-02")
    assert document["creator"] == {"@type": "sc:Organization", "name": "Example Group"}
    assert all(str(each).startswith("https://spdx.org/licenses/") for each in list(document["license"]))  # type: ignore[call-overload]
    asked = ("Limitations", "Biases", "UseCases", "Collection", "ReleaseMaintenancePlan")
    assert {
        *(f"rai:data{key}" for key in asked),
        "rai:personalSensitiveInformation",
        "keywords",
    } <= document.keys()


def test_without_a_date_it_is_that_of_the_newest_run(manifest: Manifest) -> None:
    assert manifest.about == {"published": "2024-02-01"}
