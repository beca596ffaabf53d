"""Small inputs as people have them, in `tests/golden/cases`, and the one right result of each."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main

CASES = Path(__file__).resolve().parent / "golden" / "cases"


@dataclass(frozen=True)
class Built:
    """What a build of stage ingest says: its exit code, what it printed, and its tables as rows."""

    code: int
    said: str
    out: Path

    def rows(self, table: str, benchmark: str | None = None) -> list[dict[str, object]]:
        """Rows of a table; none where it was not written."""
        place = (
            f"tables/{table}/benchmark={benchmark}/part-0.parquet" if benchmark else f"tables/{table}.parquet"
        )
        path = self.out / place
        return pq.read_table(path).to_pylist() if path.exists() else []

    @property
    def accounting(self) -> dict[str, int]:
        """Records read, kept, superseded and quarantined, over all sources and benchmarks."""
        manifest = json.loads((self.out / "manifest.json").read_text("utf-8"))
        rows = manifest["stages"]["ingest"]["info"]["accounting"]
        return {
            name: sum(row[name] for row in rows) for name in ("read", "kept", "superseded", "quarantined")
        }

    @property
    def reasons(self) -> Counter[str]:
        """Quarantined records by reason."""
        return Counter(str(row["reason"]) for row in self.rows("quarantine"))

    def scores(self, benchmark: str) -> dict[tuple[str, str], float]:
        """(model, question) -> score; the document's key stands in where a dump has no text."""
        items = self.rows("items", benchmark)
        return {
            (row["model_id"], items[row["item"]]["question"] or items[row["item"]]["doc_key"]): row["score"]
            for row in self.rows("scores", benchmark)
        }


@dataclass
class Builder:
    out: Path
    built: dict[str, Built] = field(default_factory=dict)

    def __call__(self, case: str) -> Built:
        if case not in self.built:
            self.built[case] = self._build(case)
        return self.built[case]

    def _build(self, case: str) -> Built:
        folder, said = self.out / case.replace("/", "-"), StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = main(
                ["build", str(CASES / case / "config.toml"), "--out", str(folder), "--only", "ingest"]
            )
        return Built(code, said.getvalue(), folder)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds a case where none did before; what it leaves is not to be changed."""
    return Builder(tmp_path_factory.mktemp("cases"))


def lines(pattern: str) -> list[dict[str, object]]:
    """Objects of all logs below a case, with the folder that names the model."""
    return [
        {**json.loads(line), "model": path.parent.name.replace("__", "/")}
        for path in sorted(CASES.glob(pattern))
        for line in path.read_text("utf-8").splitlines()
    ]


@pytest.mark.parametrize(
    ("case", "benchmark", "read", "kept", "superseded", "quarantined", "models"),
    [
        ("01-multigpu-unlabelled-filters", "gsm8k", 64, 32, 32, 0, 2),
        ("02-gpqa-shuffled", "gpqa", 120, 120, 0, 0, 6),
        ("03-docid-mismatch", "arc", 48, 48, 0, 0, 4),
        ("05-docid-mismatch-same-gold", "arc", 48, 48, 0, 0, 4),
        ("07-minority-items", "gsm8k", 32, 24, 0, 8, 6),
        ("08-other-split", "arc", 48, 36, 0, 12, 3),
        ("11-subset-models", "gsm8k", 270, 270, 0, 0, 12),
        ("15-two-models-one-folder", "gsm8k", None, None, None, 0, 2),
        ("18-harness-0.4.0-to-0.4.2", "gsm8k", 8, 4, 4, 0, 1),
        ("19a-lighteval-0.13", "arc", 10, 10, 0, 0, 2),
        ("19b-lighteval-0.6-strings", "arc", 10, 10, 0, 0, 2),
        ("19d-lighteval-hub-private", "arc", 10, 10, 0, 0, 2),
        ("20-item-major", "gsm8k", 24, 24, 0, 0, 2),
        ("21-long", "gsm8k", 15, 15, 0, 0, 3),
    ],
)
def test_every_record_is_accounted_for(
    build: Builder,
    case: str,
    benchmark: str,
    read: int | None,
    kept: int | None,
    superseded: int | None,
    quarantined: int,
    models: int,
) -> None:
    built = build(case)
    assert built.code == 0, built.said
    found = built.accounting
    assert found["quarantined"] == quarantined
    for name, expected in (("read", read), ("kept", kept), ("superseded", superseded)):
        assert expected is None or found[name] == expected
    assert len({row["model_id"] for row in built.rows("scores", benchmark)}) == models
    manifest = json.loads((built.out / "manifest.json").read_text("utf-8"))
    assert manifest["stages"]["ingest"]["info"]["benchmarks"][benchmark]["models"] == models
    assert len(built.rows("models")) == models


def test_the_kth_row_of_a_document_is_its_kth_filter(build: Builder) -> None:
    case = "01-multigpu-unlabelled-filters"
    built = build(case)
    expected = json.loads((CASES / case / "expected_strict.json").read_text("utf-8"))
    keys = [row["doc_key"] for row in built.rows("items", "gsm8k")]
    found = {(row["model_id"], keys[row["item"]]): row["score"] for row in built.rows("scores", "gsm8k")}
    assert found == {
        (model.replace("__", "/"), key): score for model, of in expected.items() for key, score in of.items()
    }


@pytest.mark.parametrize(
    ("case", "benchmark", "metric", "question"),
    [
        ("02-gpqa-shuffled", "gpqa", "acc_norm", "Question"),
        ("03-docid-mismatch", "arc", "acc_norm", "question"),
        ("05-docid-mismatch-same-gold", "arc", "acc_norm", "question"),
    ],
)
def test_a_document_is_what_it_says(
    build: Builder, case: str, benchmark: str, metric: str, question: str
) -> None:
    built = build(case)
    expected = {
        (line["model"], line["doc"][question]): line[metric]  # type: ignore[index]
        for line in lines(f"{case}/*/*.jsonl")
    }
    assert built.scores(benchmark) == expected


def test_documents_of_another_split_are_no_items_of_this_one(build: Builder) -> None:
    built = build("08-other-split")
    assert built.reasons == {"unknown_item": 12}
    assert all("test" in str(row["question"]) for row in built.rows("items", "arc"))


def test_shuffled_options_are_one_item_and_the_table_says_so(build: Builder) -> None:
    built = build("02-gpqa-shuffled")
    assert len(built.rows("items", "gpqa")) == 20


READ_AS_ONE = ("bool", "eps", "list1", "listlist", "metricnone", "npstr", "strbool", "strnum", "dictmetric")
READ_AS_OK = ("floatid", "ok", "ok2", "strid")


def test_odd_values_count_where_they_are_scores(build: Builder) -> None:
    built = build("04-odd-values")
    assert built.code == 0, built.said
    by_model = Counter(str(row["model_id"]) for row in built.rows("scores", "arc"))
    assert by_model == {f"org/{name}": 12 for name in (*READ_AS_ONE, *READ_AS_OK)}
    ones = {row["score"] for row in built.rows("scores", "arc") if row["model_id"][4:] in READ_AS_ONE}  # type: ignore[index]
    assert ones == {1.0}
    why = Counter((str(row["model_id"]), str(row["reason"])) for row in built.rows("quarantine"))
    assert why == {
        ("org/huge", "score_out_of_range"): 12,
        ("org/pct", "score_out_of_range"): 12,
        ("org/inf", "score_out_of_range"): 12,
        ("org/nan", "missing_score"): 12,
        ("org/none", "missing_score"): 12,
    }


@pytest.mark.parametrize(("variant", "kept"), [("semicolon", 6), ("tab", 6), ("crlf", 4), ("multiline", 8)])
def test_legal_csv_is_read(build: Builder, variant: str, kept: int) -> None:
    built = build(f"06-wide-variants/{variant}")
    assert built.code == 0, built.said
    assert built.accounting["kept"] == kept
    assert built.accounting["quarantined"] == 0


@pytest.mark.parametrize(("variant", "word"), [("bom16", "UTF-16"), ("zip", "zip"), ("latin1", "encoding")])
def test_a_wrong_encoding_or_archive_is_named(build: Builder, variant: str, word: str) -> None:
    built = build(f"06-wide-variants/{variant}")
    told = built.said + "".join(str(row["detail"]) for row in built.rows("quarantine"))
    assert word.lower() in told.lower()


def test_one_ulp_above_one_is_one(build: Builder) -> None:
    assert set(build("06-wide-variants/float64").scores("gsm8k").values()) == {1.0}


def test_names_that_differ_in_case_are_told(build: Builder) -> None:
    built = build("06-wide-variants/case")
    models = {str(row["model_id"]) for row in built.rows("models")}
    assert len({model.lower() for model in models}) == len(models) or (
        "Meta-Llama/Llama-2-7b" in built.said and "meta-llama/llama-2-7b" in built.said
    )


def test_nothing_is_passed_over_in_silence(build: Builder) -> None:
    built = build("09-silent-discovery")
    assert built.code == 0, built.said
    models = {str(row["model_id"]) for row in built.rows("models")}
    assert models == {"org/good", "org/gz", "ckpt/x", "EleutherAI/pythia-14m"}
    pointers = [row for row in built.rows("quarantine") if row["reason"] == "unreadable_file"]
    assert len(pointers) == 2
    assert all("git lfs pull" in str(row["detail"]) for row in pointers)


def test_the_results_file_names_the_model(build: Builder) -> None:
    built = build("15-two-models-one-folder")
    assert {row["model_id"] for row in built.rows("models")} == {"lab/modelA", "lab/modelB"}


def test_a_limited_run_never_replaces_a_full_one(build: Builder) -> None:
    built = build("16-limit-run-newer")
    counts = Counter(row["model_id"] for row in built.rows("scores", "gsm8k"))
    assert counts == {"lab/m": 20, "lab/k": 20}


@pytest.mark.parametrize(
    "case", ["19a-lighteval-0.13", "19b-lighteval-0.6-strings", "19d-lighteval-hub-private"]
)
def test_lighteval_models_and_prompts(build: Builder, case: str) -> None:
    built = build(case)
    assert {row["model_id"] for row in built.rows("models")} == {"lab/m1", "lab/m2"}
    assert all(str(row["prompt"]).startswith("few-shot") for row in built.rows("items", "arc"))


def test_a_table_without_header_is_told_so(build: Builder) -> None:
    built = build("27-matrix-without-header")
    assert built.code in (1, 3)
    assert "header" in built.said


def test_stock_task_names_are_known(build: Builder) -> None:
    built = build("25-harness-task-names")
    assert "unknown_task" not in built.reasons, built.said
