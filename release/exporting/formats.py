"""Every layout that a release can be exported to."""

from __future__ import annotations

from routerset.release.exporting import (
    embedllm,
    llmrouter,
    llmrouterbench,
    routellm,
    routerbench,
    routingcompendium,
    semantic_router,
)
from routerset.release.exporting.files import Format

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        llmrouter.FORMAT,
        llmrouterbench.FORMAT,
        embedllm.FORMAT,
        routerbench.FORMAT,
        routellm.FORMAT,
        semantic_router.FORMAT,
        routingcompendium.FORMAT,
    )
}
"""Registry: one row here adds a format."""
