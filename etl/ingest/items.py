"""One canonical list of items for a subset, from the lists of documents that its runs were scored on.

Documents are joined by key inside one key space, and by content across key spaces; a gold answer that
few models were scored against, and a document that few models saw, are left out and said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from routerset.schemas import ids
from routerset.schemas.tables import ITEMS

UNKNOWN = -1
CONFLICT = -2


@dataclass(frozen=True)
class DocsetUse:
    """A list of documents that runs were scored on.

    key_space: sources with the same key space share document keys. docs: schema DOCS and `print`.
    n_models: models whose chosen run was scored on it.
    """

    key_space: str
    docs: pa.Table
    n_models: int


@dataclass(frozen=True)
class Canonical:
    """Items of one subset, and where each document of each list went.

    items: schema ITEMS without `item`, in canonical order. positions: per list, int32 (documents,), the
    row in `items`, or UNKNOWN, or CONFLICT. golds: per list, for a CONFLICT, what most models were
    scored against (None where no answer has a majority).
    """

    items: pa.Table
    positions: tuple[np.ndarray, ...]
    golds: tuple[dict[int, str | None], ...]


def canonical_items(benchmark: str, subset: str, uses: Sequence[DocsetUse], n_models: int) -> Canonical:
    """Items of one subset in canonical order: by the document's key, numbers as numbers.

    n_models: models that ran the subset; an item that fewer than half of them saw is left out.
    The result does not depend on the order of `uses`.
    """
    frame = _documents(uses)
    frame = _settle_gold(frame)
    sound = frame[~frame["conflict"]]
    documents = _settle_text(sound, uses)
    documents = _identify(documents)
    seen = documents.groupby("identity")["votes"].transform("sum")
    documents = documents[(documents["identity"] != "") & (2 * seen >= n_models)]
    leaders = (
        documents.sort_values(["votes", "key_space", "doc_key"], ascending=[False, True, True], kind="stable")
        .drop_duplicates("identity")
        .reset_index(drop=True)
    )
    keys, identities = leaders["doc_key"].tolist(), leaders["identity"].tolist()
    order = sorted(range(len(keys)), key=lambda i: (ids.natural_key(keys[i]), identities[i]))
    leaders = leaders.iloc[order].reset_index(drop=True)
    rank = dict(zip(leaders["identity"], range(len(leaders)), strict=True))
    where = dict(zip(documents["document"], documents["identity"].map(rank), strict=True))
    frame["position"] = frame["document"].map(where).fillna(UNKNOWN).astype(np.int32)
    frame.loc[frame["conflict"], "position"] = CONFLICT
    positions, golds = [], []
    for number in range(len(uses)):
        part = frame[frame["use"] == number].sort_values("row")
        positions.append(part["position"].to_numpy(np.int32))
        clash = part[part["conflict"]]
        golds.append(dict(zip(clash["row"].tolist(), clash["winner"].tolist(), strict=True)))
    return Canonical(_item_rows(benchmark, subset, leaders, uses), tuple(positions), tuple(golds))


def _documents(uses: Sequence[DocsetUse]) -> pd.DataFrame:
    """One row per list and document; `document` numbers the distinct (key space, key) pairs."""
    parts = [
        pd.DataFrame(
            {
                "use": number,
                "row": np.arange(use.docs.num_rows),
                "key_space": use.key_space,
                "doc_key": use.docs["doc_key"].to_pylist(),
                "print": use.docs["print"].to_pylist(),
                "gold": use.docs["gold"].to_pylist(),
                "has_text": pa.compute.or_(
                    use.docs["question"].is_valid(), use.docs["prompt"].is_valid()
                ).to_numpy(),
                "votes": use.n_models,
            }
        ).astype({"doc_key": object, "print": object, "gold": object})
        for number, use in enumerate(uses)
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["document"] = frame.groupby(["key_space", "doc_key"], sort=True).ngroup()
    return frame


def _settle_gold(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark rows whose gold answer is not the one of a strict majority of the models."""
    golds = (
        frame.dropna(subset=["gold"]).groupby(["document", "gold"], sort=True)["votes"].sum().reset_index()
    )
    golds["total"] = golds.groupby("document")["votes"].transform("sum")
    disputed = golds.groupby("document")["gold"].transform("size") > 1
    winners = golds[2 * golds["votes"] > golds["total"]].set_index("document")["gold"]
    contested = set(golds.loc[disputed, "document"])
    frame["winner"] = frame["document"].map(winners).astype(object)
    frame["winner"] = frame["winner"].where(frame["winner"].notna(), None)
    frame["conflict"] = (
        frame["document"].isin(contested) & frame["gold"].notna() & (frame["gold"] != frame["winner"])
    )
    return frame


def _settle_text(frame: pd.DataFrame, uses: Sequence[DocsetUse]) -> pd.DataFrame:
    """One row per document: the text that most models saw, with its content hash, and its votes."""
    prints = frame.groupby(["document", "print"], sort=True)["votes"].sum().rename("support").reset_index()
    ranked = frame.merge(prints, on=["document", "print"]).sort_values(
        ["document", "has_text", "support", "print", "use", "row"],
        ascending=[True, False, False, True, True, True],
        kind="stable",
    )
    documents = ranked.drop_duplicates("document").reset_index(drop=True)
    documents["votes"] = documents["document"].map(frame.groupby("document")["votes"].sum())
    texts = {n: use.docs.select(["question", "choices", "prompt"]).to_pylist() for n, use in enumerate(uses)}
    documents["content"] = [
        ids.content_digest(text["question"], text["choices"], text["prompt"]) or ""
        for text in (texts[use][row] for use, row in zip(documents["use"], documents["row"], strict=True))
    ]
    return documents


def _identify(documents: pd.DataFrame) -> pd.DataFrame:
    """Add `identity` (empty where a document cannot be matched), `hash` and `ordinal`.

    Content identifies a document where there is text, with the n-th repeat inside a key space matching
    the n-th in another; without any text in the subset, the key does, within the best supported key space.
    """
    spaces, keys = documents["key_space"].tolist(), documents["doc_key"].tolist()
    order = sorted(range(len(keys)), key=lambda i: (spaces[i], ids.natural_key(keys[i])))
    documents = documents.iloc[order].reset_index(drop=True)
    has_text = documents["content"] != ""
    documents["ordinal"] = documents.groupby(["key_space", "content"]).cumcount()
    documents["hash"] = documents["content"]
    if has_text.any():
        repeat = documents["ordinal"].astype(str)
        documents["identity"] = (documents["content"] + "#" + repeat).where(has_text, "")
        return documents
    support = documents.groupby("key_space", sort=True)["votes"].sum()
    best = support.index[int(np.argmax(support.to_numpy()))] if len(support) else ""
    documents["ordinal"] = 0
    documents["hash"] = [
        ids.digest("key", space, key)
        for space, key in zip(documents["key_space"], documents["doc_key"], strict=True)
    ]
    documents["identity"] = documents["hash"].where(documents["key_space"] == best, "")
    return documents


def _item_rows(benchmark: str, subset: str, leaders: pd.DataFrame, uses: Sequence[DocsetUse]) -> pa.Table:
    """Rows of the items table for the leading document of every item."""
    starts = np.cumsum([0, *(use.docs.num_rows for use in uses)])
    rows = starts[leaders["use"].to_numpy(np.int64)] + leaders["row"].to_numpy(np.int64)
    docs = pa.concat_tables([use.docs for use in uses]).take(pa.array(rows))
    item_ids = [
        ids.item_id(benchmark, subset, content, ordinal)
        for content, ordinal in zip(leaders["hash"], leaders["ordinal"], strict=True)
    ]
    families = [
        ids.family_id(question, prompt, item)
        for question, prompt, item in zip(
            docs["question"].to_pylist(), docs["prompt"].to_pylist(), item_ids, strict=True
        )
    ]
    columns = {
        "item_id": pa.array(item_ids, pa.string()),
        "subset": pa.repeat(pa.scalar(subset, pa.string()), len(item_ids)),
        "doc_key": docs["doc_key"],
        "question": docs["question"],
        "prompt": docs["prompt"],
        "choices": docs["choices"],
        "family_id": pa.array(families, pa.string()),
    }
    return pa.table(columns, schema=ITEMS.remove(0))
