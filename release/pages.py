"""How pages are made of templates: what they show of others is escaped, and stays on its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from routerset.schemas.escape import plain

if TYPE_CHECKING:
    from jinja2 import Template

Functions = Mapping[str, Callable[..., object]]
_NONE: Functions = MappingProxyType({})


def page_template(
    path: Path, filters: Functions = _NONE, tests: Functions = _NONE, *, html: bool = True
) -> Template:
    """The template in a file, with filters and tests besides those of jinja2; `thousands` is one of them.

    html: whether what is filled in is text, of which nothing becomes markup; else it stands as it is.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=html,
    )
    environment.filters |= {"thousands": "{:,}".format, **filters}
    environment.tests |= tests
    if html:
        environment.finalize = lambda value: plain(value) if type(value) is str else value
    return environment.from_string(path.read_text(encoding="utf-8"))
