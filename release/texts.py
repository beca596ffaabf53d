"""The files of a release that are no tables: what its manifest and the installed program give."""

from __future__ import annotations

from pathlib import Path

from routerset.release import layout
from routerset.release.card import license_text
from routerset.release.croissant import croissant
from routerset.release.manifest import Manifest
from routerset.release.papers import citation, evaluation
from routerset.schemas.store import json_text

_CODE = frozenset({".md", ".py"})
"""Endings of what the evaluator consists of; programs leave other things beside it."""
PAPERS = (layout.MANIFEST, layout.CROISSANT, layout.LICENSE, layout.CITATION, layout.EVALUATION)
"""What `texts` gives."""


def texts(manifest: Manifest) -> dict[str, bytes]:
    """Path -> content of what follows from the manifest alone, itself too. Raises ReleaseInputError."""
    written = {
        layout.MANIFEST: json_text(manifest.to_json()),
        layout.CROISSANT: json_text(croissant(manifest)),
        layout.LICENSE: license_text(manifest),
        layout.CITATION: citation(manifest),
        layout.EVALUATION: evaluation(manifest),
    }
    return {path: text.encode() for path, text in written.items()}


def evaluator_files() -> dict[str, bytes]:
    """Path -> content of the evaluator that ships inside every release."""
    root = Path(__file__).with_name(layout.EVALUATOR)
    found = (path for path in root.rglob("[!.]*") if path.suffix in _CODE)
    return {path.relative_to(root.parent).as_posix(): path.read_bytes() for path in sorted(found)}
