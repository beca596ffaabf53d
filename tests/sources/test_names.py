"""Names that hold for every dump format: times, tasks, models, key spaces, metrics."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.names import (
    iso_timestamp,
    metric_names,
    resolve_key_space,
    resolve_model,
    resolve_task,
)
from routerset.expectations.suites.models import MODELS
from routerset.schemas import ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-16T10-20-30.123456", "2024-06-16T10:20:30.123456"),
        ("2024-06-16T10:20:30", "2024-06-16T10:20:30.000000"),
        ("2023-10-17T19_43_15", "2023-10-17T19:43:15.000000"),
        ("2024-06-16T17_12_56.2", "2024-06-16T17:12:56.200000"),
        ("20240616_171400", "2024-06-16T17:14:00.000000"),
        ("20240616T171400Z", "2024-06-16T17:14:00.000000"),
        ("2024-06-16T17:14:00Z", "2024-06-16T17:14:00.000000"),
        ("2024-06-16T17:14:00.5+02:00", "2024-06-16T15:14:00.500000"),
        ("2024-06-16 17:14:00 -0530", "2024-06-16T22:44:00.000000"),
        ("2024-06-16T00-14-00+02-00", "2024-06-15T22:14:00.000000"),
        ("2024-06-16T17:14:00.123456789", "2024-06-16T17:14:00.123456"),
        ("1718558040", "2024-06-16T17:14:00.000000"),
        ("1718558040.25", "2024-06-16T17:14:00.250000"),
        ("1718558040250", "2024-06-16T17:14:00.250000"),
        ("0001-01-01T00:00:00+02:00", None),
        ("2023-10-17 19:43:15.5", "2023-10-17T19:43:15.500000"),
        ("details_harness|gsm8k|5_2023-10-17T19-43-15.123.parquet", "2023-10-17T19:43:15.123000"),
        ("2024-13-16T10:20:30", None),
        ("2024-06-16", "2024-06-16T00:00:00.000000"),
        ("20240616", "2024-06-16T00:00:00.000000"),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_iso_timestamp(text: str | None, expected: str | None) -> None:
    assert iso_timestamp(text) == expected


@settings(deadline=None)
@given(st.datetimes(), st.datetimes())
def test_iso_timestamps_sort_by_time(one: datetime, other: datetime) -> None:
    first, second = (iso_timestamp(f"run_{moment.isoformat().replace(':', '-')}") for moment in (one, other))
    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)


def test_task_of_the_config_comes_before_the_registry() -> None:
    spec = SourceSpec("lm_eval", "x", tasks={"gsm8k": "arc", "mine": "mmlu/{subject}", "typo": "nothing"})
    assert resolve_task("gsm8k", spec) == ("arc", "arc")
    assert resolve_task("mine", spec) == ("mmlu", "{subject}")
    assert resolve_task("leaderboard_bbh_snarks", spec) == ("bbh", "snarks")
    assert resolve_task("typo", spec) is None
    assert resolve_task("unheard_of", spec) is None


def test_models_are_renamed_before_they_are_spelled_out() -> None:
    spec = SourceSpec("wide", "x", models={"GPT 4": "openai/gpt-4", "a__b": "c__d"})
    assert resolve_model("GPT 4", spec) == "openai/gpt-4"
    assert resolve_model("a__b", spec) == "c/d"
    assert resolve_model("org__name__more", spec) == "org/name__more"
    assert resolve_model("GPT 5", spec) is None


def test_key_space_is_the_format_and_benchmark_unless_named() -> None:
    assert resolve_key_space(SourceSpec("wide", "x"), "arc") == "wide:arc"
    assert resolve_key_space(SourceSpec("wide", "x", key_space="mine"), "arc") == "mine"


def test_metric_is_the_registry_s_unless_named() -> None:
    assert metric_names("gsm8k", SourceSpec("wide", "x")) == ("acc", "exact_match")
    assert metric_names("gsm8k", SourceSpec("wide", "x", metric="em")) == ("em",)


@given(
    st.lists(
        st.tuples(
            st.text(max_size=300) | st.text("a./\\\\_-@~: \u00e9", max_size=12),
            st.none() | st.text("a./", max_size=5),
        ),
        max_size=20,
    )
)
@example([("org/v1..2", None), ("a..b/c", None), ("..", None), ("a/..", "..")])
@settings(deadline=None)
def test_whatever_name_ingest_keeps_the_gate_takes(names: list[tuple[str, str | None]]) -> None:
    spec = SourceSpec("wide", "x")
    kept = [model for name, revision in names if (model := resolve_model(name, spec, revision))]
    (rule,) = (each for each in MODELS.expectations if each.name == "model_id_canonical")
    models = pa.table({"model_id": pa.array(kept, pa.string())})
    connection = duckdb.connect()
    connection.register("models", models)
    assert connection.execute(rule.sql.format(batch="models")).fetchall() == []


def test_dots_inside_a_name_lead_nowhere() -> None:
    found = [ids.model_id(name) for name in ("org/v1..2", "a..b/c", "a/..", "../..", "models--..--x")]
    assert found == ["org/v1..2", "a..b/c", "a", None, None]
