"""Checks the vectors of a release: what holds for any encoder, and a sample against the stated one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from routerset.embed.encoders import ENCODERS, Encoder
from routerset.embed.errors import BadVectors, ModelUnavailable, ModelUnusable
from routerset.embed.texts import embed_text
from routerset.release.files import read_table
from routerset.release.layout import data_path, vectors_path
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.verify import Problem

SAMPLE = 16
"""Items of each benchmark whose vectors are computed again, at most."""
NEAR = 0.02
"""Share of its length that a vector may lie from the one computed again: number formats differ by less."""
UNIT = 1e-3
"""How far from 1 the length of a unit vector may be."""

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Vectors:
    """Vectors (n, dimension) of one benchmark, with the items and texts that they are of."""

    benchmark: str
    files: Sequence[str]
    items: Sequence[str]
    texts: Sequence[str]
    vectors: np.ndarray

    def sample(self, name: str) -> np.ndarray:
        """Rows to compute again: the same ones for every release of one name."""
        seed = int.from_bytes(sha256(f"{name} {self.benchmark}".encode()).digest())
        n = len(self.items)
        return np.sort(np.random.default_rng(seed).choice(n, min(SAMPLE, n), replace=False))


def check_vectors(release: Path, note: Note = lambda words: None) -> Iterator[Problem]:
    """Problems of vectors that no encoder gives, or that the stated one does not give for a sample of items.

    Without the encoder: unit length where the encoder gives it, one vector for one text, different ones for
    different texts, no column that is the same everywhere. The encoder is used where its weights are at hand;
    nothing is downloaded. note: told which vectors were not computed again, and why.
    """
    manifest = read_manifest(release)
    for name, facts in manifest.encoders.items():
        given = facts.get("from_dump")
        ready = {str(each) for each in given} if isinstance(given, list) else set()
        with_it = [b for b, entry in manifest.benchmarks.items() if name in entry.encoders]
        if came := sorted(ready.intersection(with_it)):
            note(f"vectors by {name} not computed again for {', '.join(came)}: they came with the dump")
        known, folder = ENCODERS.get(name), None
        if left := [b for b in with_it if b not in ready]:
            why, folder = _at_hand(known, str(facts.get("revision")))
            if why:
                note(f"vectors by {name} not computed again: {why}")
        withheld = [b for b in left if not manifest.benchmarks[b].text_published]
        if withheld:
            note(f"vectors by {name} not computed again for {', '.join(withheld)}: the texts are withheld")
        samples = []
        for benchmark in left:
            found = _read(release, manifest, benchmark, name)
            yield from _plausible(found, known is not None and known.normalize, benchmark not in withheld)
            if folder and benchmark not in withheld:
                rows = found.sample(manifest.name)
                samples.append((found, rows))
        if known and folder and samples:
            yield from _recomputed(known, folder, samples, note)


def _at_hand(encoder: Encoder | None, revision: str) -> tuple[str | None, str | None]:
    """Why an encoder cannot be used here, or None; and the folder of its weights."""
    if encoder is None:
        return "no encoder of this name is known", None
    if revision != encoder.revision:
        return f"made with weights {revision}, not with those known here, {encoder.revision}", None
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401

        from routerset.embed.weights import at_hand

        folder = at_hand(encoder)
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed", None
    return (None, folder) if folder else (f"the weights of {encoder.hub_id} are not on this machine", None)


def _read(release: Path, manifest: Manifest, benchmark: str, encoder: str) -> _Vectors:
    """Raises ReleaseInputError for a file that cannot be read."""
    which = "prompt" if manifest.encoders[encoder].get("text") == "prompt" else "question"
    files, texts, tables = [], [], []
    for split in manifest.files(benchmark):
        path = vectors_path(encoder, benchmark, split)
        tables.append(read_table(release / path, ["item_id", "embedding"]))
        data = read_table(release / data_path(benchmark, split), ["question", "prompt"])
        files += [path] * tables[-1].num_rows
        texts += [
            embed_text(question, prompt, "prompt" if which == "prompt" else "question")
            for question, prompt in zip(data["question"].to_pylist(), data["prompt"].to_pylist(), strict=True)
        ]
    table = pa.concat_tables(tables).combine_chunks()
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
    return _Vectors(benchmark, files, table["item_id"].to_pylist(), texts, vectors)


def _plausible(found: _Vectors, unit: bool, with_texts: bool) -> Iterator[Problem]:
    """What holds for the vectors of any encoder."""

    def problem(row: int, words: str, expected: str) -> Problem:
        return Problem(found.files[row], f"item {found.items[row]}: {words}", expected)

    if not len(found.items):
        return
    lengths = np.linalg.norm(found.vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(np.abs(lengths - 1) > UNIT) if unit else np.flatnonzero(lengths == 0)
    if len(wrong):
        said = f"a vector of length {lengths[wrong[0]]:.4f}, and {len(wrong) - 1} more"
        yield problem(int(wrong[0]), said, "length 1" if unit else "a length above 0")
    if not with_texts:
        return
    by_text: dict[str, int] = {}
    by_vector: dict[bytes, int] = {}
    for row, (text, vector) in enumerate(zip(found.texts, found.vectors, strict=True)):
        first = by_text.setdefault(text, row)
        if not np.array_equal(found.vectors[first], vector):
            yield problem(row, f"another vector than item {found.items[first]}", "the same: so is the text")
            return
        twin = by_vector.setdefault(vector.tobytes(), row)
        if _told_apart(text, found.texts[twin]):
            yield problem(row, f"the vector of item {found.items[twin]}", "another one: its text differs")
            return
    flat = np.flatnonzero(np.ptp(found.vectors, axis=0) == 0)
    if len(flat) and len(by_vector) > 1:
        yield problem(0, f"number {flat[0]} of its vector, as in every other one", "numbers that differ")


def _told_apart(a: str, b: str) -> bool:
    """Whether any encoder tells two texts apart: each is seen whole, and more than case and signs differ."""
    if max(len(a), len(b)) > 250 or not (a + b).isascii():
        return False
    words = ["".join(filter(str.isalnum, text)).lower() for text in (a, b)]
    return words[0] != words[1]


def _recomputed(
    encoder: Encoder, folder: str, samples: Sequence[tuple[_Vectors, np.ndarray]], note: Note
) -> Iterator[Problem]:
    """Vectors of the sample that are not those of the encoder."""
    from routerset.embed.model import encode

    texts = [found.texts[row] for found, rows in samples for row in rows]
    try:
        again = encode(texts, [encoder], paths={encoder.name: folder}).vectors[encoder.name]
    except (BadVectors, ModelUnavailable, ModelUnusable) as error:
        note(f"vectors by {encoder.name} not computed again: {error}")
        return
    start = 0
    for found, rows in samples:
        expected = again[start : start + len(rows)]
        start += len(rows)
        vectors = found.vectors[rows]
        if vectors.shape != expected.shape:
            where = f"vectors of {vectors.shape[1]} numbers"
            yield Problem(found.files[0], where, f"{expected.shape[1]}: so many {encoder.name} gives")
            continue
        far = np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)
        wrong = np.flatnonzero(~(far <= NEAR))
        if len(wrong):
            row = int(rows[wrong[0]])
            said = f"item {found.items[row]}: a vector that lies {far[wrong[0]]:.3f} of its length away"
            more = f"{len(wrong)} of {len(rows)} that were computed again"
            yield Problem(found.files[row], f"{said} ({more})", f"that of its text by {encoder.name}")
