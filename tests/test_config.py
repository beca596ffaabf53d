"""The config file: what is accepted, and what a wrong one is told."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from routerset.etl.config import ConfigError, load_config
from routerset.etl.sources.registry import SOURCES

SOURCE = '[[source]]\nformat = "wide"\npath = "dump.csv"\nbenchmark = "gsm8k"\n'

LOGS = '[[source]]\nformat = "lm_eval"\npath = "logs"\n'


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return load_config(path)


def test_defaults(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(SOURCE)
    config = load_config(tmp_path / "x.toml")
    assert config.splits.schemes == ("paper", "family")
    assert config.groups.sizes == (3, 5, 10, 100, 1000)
    assert config.dataset.min_coverage == 1.0
    assert config.sources[0].path == str(tmp_path / "dump.csv")


def test_remote_paths_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(SOURCE.replace("dump.csv", "hf://datasets/a/b"))
    assert load_config(tmp_path / "x.toml").sources[0].path == "hf://datasets/a/b"


def test_local_models_lie_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(SOURCE + '[embed.paths]\nsbert = "../a model"\nroberta = "/models/r"\n')
    paths = load_config(tmp_path / "x.toml").embed.paths
    assert paths == {"sbert": f"{tmp_path}/../a model", "roberta": "/models/r"}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbf" + SOURCE.encode())
    assert load_config(tmp_path / "x.toml").sources[0].benchmark == "gsm8k"


def test_a_config_travels_to_workers(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(SOURCE + "models = { a = 'b/a' }\n")
    config = load_config(tmp_path / "x.toml")
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own object


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a =", "expected TOML"),
        ("", "no [[source]]: add at least one with format and path"),
        (SOURCE + "[grups]\n", 'unknown section "grups" (did you mean "groups"?)'),
        (
            SOURCE + "[groups]\nsize = [3]\n",
            '[groups] unknown key "size" (did you mean "sizes"?); valid keys: methods, sizes',
        ),
        (SOURCE + '[groups]\nsizes = ["3"]\n', "[groups] sizes: expected int, found '3'"),
        (SOURCE + "[groups]\nsizes = 3\n", "[groups] sizes: expected a list, found 3"),
        (SOURCE + "[groups]\nsizes = [0]\n", "expected numbers of at least 1"),
        (SOURCE + "[splits]\nseed = true\n", "[splits] seed: expected int, found True"),
        (SOURCE + "[splits]\nseed = -1\n", "[splits] seed: expected 0 to 4294967295, found -1"),
        (SOURCE + "[splits]\nseed = 4294967296\n", "expected 0 to 4294967295, found 4294967296"),
        (SOURCE + '[splits]\nschemes = ["paper", "paper"]\n', "schemes: 'paper' is there more than once"),
        (SOURCE + '[groups]\nmethods = ["greedy", "greedy"]\n', "methods: 'greedy' is there more than once"),
        (SOURCE + '[embed]\nencoders = ["x", "x"]\n', "[embed] encoders: 'x' is there more than once"),
        (SOURCE + '[release]\nversion = "one"\n', 'version: expected X.Y.Z, such as "1.0.0", or "auto"'),
        (SOURCE + '[release]\nversion = "1.02.0"\n', 'found "1.02.0"'),
        (SOURCE + '[splits]\nschemes = ["papper"]\n', '"papper" (did you mean "paper"?)'),
        (SOURCE + "[splits]\nschemes = []\n", "at least one is needed"),
        (SOURCE + "[dataset]\nmin_coverage = 0\n", "expected a share in (0, 1]"),
        (SOURCE + '[dataset]\nname = "../x"\n', "expected letters, digits"),
        (SOURCE + '[embed]\ntext = "title"\n', 'valid: question, prompt'),
        ('[[source]]\nformat = "csv"\npath = "x"\n', '"csv"; valid: wide, lm_eval, details'),
        ('[[source]]\nformat = "wide"\n', "key 'path' is missing"),
        ('[source]\nformat = "wide"\n', "must be a list of tables, written [[source]]"),
        (SOURCE.replace("gsm8k", "gsm9k"), '"gsm9k" (did you mean "gsm8k"?)'),
        (LOGS + 'tasks = { a = "nope/x" }\n', '[[source]] tasks: "nope"'),
        (LOGS + 'tasks = { a = "mmlu" }\n', '"mmlu" has several subsets: write "mmlu/SUBSET"'),
        (LOGS + "models = { a = 1 }\n", "x.toml: [[source]] 1 models.a: expected str, found 1"),
        (LOGS + "models = 1\n", "[[source]] 1 models: expected a table, found 1"),
        (SOURCE + 'ignore_columns = ["a", 2]\n', "[[source]] 1 ignore_columns: expected str, found 2"),
        (LOGS + 'filtr = "x"\n', 'has no key "filtr" (did you mean "filter"?); its keys: format, path'),
        (SOURCE + LOGS + 'items = "x"\n', '[[source]] 2: format "lm_eval" has no key "items"; its keys: '),
        (SOURCE + 'filter = "x"\n', 'format "wide" has no key "filter"'),
    ],
)  # fmt: skip
def test_a_wrong_config_is_told_what_is_valid(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "x.toml") in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", SOURCES)
def test_every_format_lists_the_keys_that_it_knows(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[[source]]\nformat = "{name}"\npath = "x"\nnonsense = 1\n')
    keys = str(caught.value).rpartition("its keys: ")[2].split(", ")
    assert keys == list(SOURCES[name].keys())
    assert {"format", "path", "models", "key_space"} <= set(keys)
    assert len(set(keys)) == len(keys)


def test_settings_of_a_source_are_those_that_do_not_say_where_files_lie(tmp_path: Path) -> None:
    def settings(path: str, items: str, column: str) -> dict[str, object]:
        text = f'[[source]]\nformat = "wide"\npath = "{path}"\nitems = "{items}"\nmodel_column = "{column}"\n'
        (tmp_path / "x.toml").write_text(text)
        return load_config(tmp_path / "x.toml").sources[0].settings()

    assert settings("a", "b", "m") == settings("c", "hf://datasets/d/e", "m")
    assert settings("a", "b", "m") != settings("a", "b", "model")
    assert str(tmp_path) not in str(settings("a", "b", "m"))


@pytest.mark.parametrize(
    ("name", "encoders"),
    [
        ("real", ["minilm"]),
        ("routereval", ["minilm"]),
        ("lm_eval", ["minilm"]),
        ("full", ["minilm", "sbert", "roberta", "roberta_last", "longformer"]),
    ],
)
def test_our_configs_are_valid(name: str, encoders: list[str]) -> None:
    config = load_config(Path(__file__).resolve().parent.parent / "configs" / f"{name}.toml")
    assert list(config.embed.encoders) == encoders
