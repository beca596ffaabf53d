"""What was sent to an LLM and what it wrote, as harness logs hold both: texts whose tokens are counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.tokens import Tokenizer, count_tokens
from routerset.schemas.tables import TOKENS


class Exchange(NamedTuple):
    """One document's texts. sent: None where it is not known. written: the answer, empty where options were
    ranked by their log-likelihood, so that nothing was written; None where it is not known.
    """

    sent: Sequence[str] | None = None
    written: str | None = None


def exchange_of(arguments: object, resps: object) -> Exchange:
    """Texts of one line of a harness log.

    Requests of one document share their prompt, which counts once, as does every option that was ranked. Of
    several answers, the first one counts: it is what filters take, unless they take a vote.
    """
    requests = _requests(arguments)
    prompts = [request[0] for request in requests if request and isinstance(request[0], str)]
    if not prompts or len(prompts) < len(requests):
        return Exchange()
    sent = list(dict.fromkeys(prompts))
    options = [request[1] if len(request) > 1 else "" for request in requests]
    texts = [option for option in options if isinstance(option, str)]
    if len(texts) == len(options):
        return Exchange([*sent, *texts], "")
    return Exchange(sent, _first(resps) if all(isinstance(option, dict) for option in options) else None)


def _requests(arguments: object) -> list[Sequence[object]]:
    """Arguments of every request, in any of their spellings."""
    if isinstance(arguments, dict):  # {"gen_args_0": {"arg_0": prompt, "arg_1": option}, ...}
        named = [each if isinstance(each, dict) else {} for each in arguments.values()]
        return [[each.get("arg_0"), *([each["arg_1"]] if "arg_1" in each else [])] for each in named]
    while isinstance(arguments, list) and len(arguments) == 1 and _is_nested(arguments[0]):
        arguments = arguments[0]
    if not isinstance(arguments, list):
        return []
    if not _is_nested(arguments):
        return [arguments]
    return [each if isinstance(each, list) else [] for each in arguments]


def _is_nested(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and isinstance(value[0], list)


def _first(resps: object) -> str | None:
    while isinstance(resps, list) and resps:
        resps = resps[0]
    return resps if isinstance(resps, str) else None


def count_exchanges(tokenizer: Tokenizer, exchanges: Sequence[Exchange]) -> dict[str, np.ndarray]:
    """Tokens by measure, NaN where a text is not known."""
    lengths = np.array([len(each.sent or ()) for each in exchanges], np.int64)
    texts = count_tokens(tokenizer, [text for each in exchanges for text in each.sent or ()])
    sent = np.bincount(np.repeat(np.arange(len(lengths)), lengths), texts, len(lengths))
    sent[lengths == 0] = np.nan
    written = count_tokens(tokenizer, [each.written for each in exchanges])
    return dict(zip(TOKENS, (sent, written), strict=True))


def cells_of(counts: dict[str, np.ndarray]) -> dict[str, Cells]:
    """Counts as cells, but for measures of which none is known."""
    return {measure: Cells.of(of) for measure, of in counts.items() if not np.isnan(of).all()}
