"""Reads a published release the way its users do, in a process of its own with empty caches.

    python -P -m routerset.release.publish.check RELEASE FOLDER
    python -P -m routerset.release.publish.check RELEASE ORG/NAME COMMIT

Compares every checksum with those of RELEASE, the folder that was published, and loads every config. Prints
JSON, a line for every problem, and some that say how many configs have loaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from routerset.release import layout
from routerset.release.errors import ReleaseError
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.publish.client import tamed
from routerset.release.publish.errors import (
    DiskFull,
    PublishError,
    ServiceUnavailable,
    explain,
    explained,
    without_token,
)
from routerset.release.publish.published import worth_telling
from routerset.release.verifying.files import verify_checksums
from routerset.schemas.exits import DONE
from routerset.schemas.store import sha256

_FAILURES: dict[str, type[PublishError]] = {kind.__name__: kind for kind in (ServiceUnavailable, DiskFull)}
"""What the check may end with, besides PublishError."""
_KEPT = re.compile(
    "PATH|HOME|TZ|LANG|LC_[A-Z]+|LD_LIBRARY_PATH|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE"
    "|(HTTPS?|ALL|NO)_PROXY|HF_ENDPOINT|HF_HUB_(OFFLINE|DISABLE_XET|DOWNLOAD_TIMEOUT|ETAG_TIMEOUT)",
    re.IGNORECASE,
)
"""Names of what the check needs of the environment: to start, and to reach the Hub."""


def check_arrival(
    release: Path,
    source: str,
    commit: str | None,
    work: Path,
    progress: Callable[[str], None],
    token: str | None = None,
) -> list[str]:
    """Problems of what stands at `source`: a folder, or a dataset repository of the Hub at a commit.

    work: folder for what is downloaded; a second call goes on with it. progress: told how many configs have
    loaded. token: only where nobody reads without one. Raises ServiceUnavailable, DiskFull, and PublishError
    where the check itself broke down.
    """
    empty = work / "empty"
    empty.mkdir(exist_ok=True)
    folders = {"HF_HOME": work, "HF_HUB_CACHE": work / "hub", "HF_XET_CACHE": work / "xet", "TMPDIR": work}
    environment = {
        **{name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)},
        **{name: str(folder.absolute()) for name, folder in folders.items()},
        **({"HF_TOKEN": token} if token else {}),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    # no module and no dataset that lies where one publishes is part of the check, which writes none either
    command = [sys.executable, "-B", "-E", "-P", "-m", __name__, str(release.absolute()), source]
    command += [commit] if commit else []
    problems = []
    finished = False
    with (
        (work / "errors.txt").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=empty,
        ) as child,
    ):
        for line in child.stdout or ():
            (kind, text), *_ = json.loads(line).items()
            if kind == "loaded":
                progress(f"loaded {text} configs")
            elif kind == "problem":
                problems.append(text)
            elif kind == "finished":
                finished = True
            else:
                raise _FAILURES.get(kind, PublishError)(text)
        child.wait()
        if not finished:
            errors.seek(0)
            told = without_token(errors.read().strip()[-2000:], token)
            raise PublishError(f"{source}: the check of what arrived ended with {child.returncode}: {told}")
    return problems


def _check(release: Path, source: str, commit: str | None, work: Path) -> Iterator[tuple[str, str]]:
    from datasets import disable_progress_bars, load_dataset
    from huggingface_hub import snapshot_download

    disable_progress_bars()
    manifest = read_manifest(release)
    # a repository is copied into the cache where `load_dataset` finds it again
    arrived = snapshot_download(source, repo_type="dataset", revision=commit) if commit else source
    for problem in _checksums(release, Path(arrived)):
        yield "problem", problem
    cache = work / "datasets"
    configs = manifest.loadable()
    for number, config in enumerate(configs, 1):
        try:
            loaded = load_dataset(source, config.name, revision=commit, cache_dir=str(cache))
            found = {split: len(rows) for split, rows in loaded.items()}
            expected = {f"{split}": manifest.tables[path].rows for split, path in config.files.items()}
            if found == expected:
                if worth_telling(number, len(configs)):
                    yield "loaded", f"{number} of {len(configs)}"
            else:
                yield "problem", f"config {config.name}: found rows {found}, expected {expected}"
        except Exception as error:
            failure = explain(error, source, os.environ.get("HF_TOKEN"))
            if isinstance(failure, ServiceUnavailable | DiskFull):
                raise failure from error
            # load_dataset raises whatever its readers raise; to those who use the release it is all the same
            yield "problem", f"config {config.name}: does not load ({type(error).__name__}: {error})"
        shutil.rmtree(cache, ignore_errors=True)


def _checksums(release: Path, arrived: Path) -> Iterator[str]:
    yield from map(str, verify_checksums(arrived, read_checksums(release), links=True))
    sums = arrived / layout.CHECKSUMS
    if not sums.exists() or sha256(sums) != sha256(release / layout.CHECKSUMS):
        yield f"{layout.CHECKSUMS}: found another one, expected that of {release.name}"


def main(arguments: Sequence[str]) -> int:
    """Run the check and print what it finds."""
    release, source, commit = Path(arguments[0]), arguments[1], (*arguments[2:], None)[0]
    token = os.environ.get("HF_TOKEN")

    def say(kind: str, text: str) -> None:
        print(json.dumps({kind: without_token(text, token)}), flush=True)

    try:
        with tamed(), explained(source, token):
            for kind, text in _check(release, source, commit, Path(os.environ["HF_HOME"])):
                say(kind, text)
    except ReleaseError as failure:
        say(type(failure).__name__, str(failure))
        return failure.exit_code
    say("finished", source)
    return DONE


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
