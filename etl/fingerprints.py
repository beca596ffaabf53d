"""Fingerprints: of plain values, and of code with all of ours that it imports."""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

PACKAGE = "routerset"
ROOT = Path(__file__).resolve().parent.parent
"""Folder of the rooms: the package where it is installed, the checkout otherwise."""
_IMPORT = re.compile(
    r"^[ \t]*(from[ \t]+[.\w]+[ \t]+import[ \t]+(?:\([^)]*\)|[^\n(]+)|import[ \t]+[^\n]+)$", re.MULTILINE
)
_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:[^\n]*\n(?:[ \t]+.*\n|\n)+", re.MULTILINE)


def fingerprint(*parts: object) -> str:
    """Hash of plain values and dataclasses of such; mappings count without their order."""
    return blake2b(json.dumps(parts, sort_keys=True, default=_plain).encode(), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return asdict(value)  # type: ignore[call-overload]


@functools.cache
def code_fingerprint(module: str) -> str:
    """Hash of the code that a module of ours, such as `routerset.etl.stages.splits`, may run (`closure`)."""
    return fingerprint(_closure(module, _INSTALLED))


def closure(module: str, root: Path = ROOT) -> dict[str, str]:
    """Files of a module and of all modules of ours that it imports, directly or not: path -> hash.

    Imports inside functions count, those for types alone do not. Of the packages on the way, their
    `__init__` counts, and what they ship besides modules, such as templates; a package with a `__main__`
    is a program, which may be shipped whole, and counts whole. The package `routerset` itself is only the
    door: what its `__init__` imports for those who come in by it is not followed.

    root: folder of the rooms. Paths are relative to it, POSIX.
    """
    return _closure(module, _Code(root))


def _closure(module: str, code: _Code) -> dict[str, str]:
    waiting, seen = [module], set[str]()
    files = set[Path]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = code.file(name)
        if path is None:
            continue
        is_package = path.name == "__init__.py"
        package = name if is_package else name.rpartition(".")[0]
        files.add(path)
        waiting.append(package)
        if is_package:
            waiting.append(name.rpartition(".")[0])
            files |= {f for f in path.parent.iterdir() if f.is_file() and not _skipped(f)}
            if (path.parent / "__main__.py").exists():
                inside = [p.relative_to(path.parent).with_suffix("") for p in path.parent.rglob("*.py")]
                waiting += [".".join([name, *p.parts]) for p in inside if p.name != "__init__"]
        waiting += _imports(code.text(path, "utf-8"), package)
    return {file.relative_to(code.root).as_posix(): code.digest(file) for file in sorted(files)}


def _digest(file: Path) -> str:
    return blake2b(file.read_bytes(), digest_size=16).hexdigest()


def _skipped(file: Path) -> bool:
    """Whether a file in a package is a module, which counts where it is imported, or nothing of ours."""
    return file.suffix in {".py", ".pyc"} or file.name.startswith(".")


def _file(module: str, root: Path) -> Path | None:
    """File of a module of ours; None for other names, and for the package `routerset` itself."""
    top, *rest = module.split(".")
    if top != PACKAGE or not rest:
        return None
    path = root.joinpath(*rest)
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@functools.cache
def _imports(text: str, package: str) -> tuple[str, ...]:
    """What the code of a module names in its imports: modules, and what may be one or a name inside one.

    The statements are found by a pattern and only they are parsed, which takes a twentieth of the time.
    package: of the module.
    """
    names: list[str] = []
    for statement in _IMPORT.findall(_FOR_TYPES.sub("", text)):
        try:
            nodes = ast.parse(statement.strip()).body
        except SyntaxError:  # a line of text that begins like an import
            continue
        for node in nodes:
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                parents = package.split(".")
                above = parents[: len(parents) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.startswith(f"{PACKAGE}."))


class _Code:
    """Modules below a folder of rooms, each looked for and read once: most are in the closure of many."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = functools.cache(functools.partial(_file, root=root))
        self.text = functools.cache(Path.read_text)
        self.digest = functools.cache(_digest)


_INSTALLED = _Code(ROOT)
