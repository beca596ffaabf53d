"""Publishes a release to a folder or to a dataset repository of the Hub; the only upload to the Hub."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from routerset.release import layout
from routerset.release.errors import ReleaseInputError
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.publish.check import check_arrival
from routerset.release.publish.client import DATASET, PATIENT, Patience, hub_api, quiet, read_refs
from routerset.release.publish.errors import PublishError, PublishRefused, ServiceUnavailable, explained
from routerset.release.publish.folder import publish_to_folder
from routerset.release.publish.plan import (
    ATTRIBUTES,
    Head,
    Remote,
    Revision,
    Sealed,
    Step,
    TargetFile,
    changes,
    located,
    next_step,
    read_sealed,
    some,
    versions_in,
)
from routerset.release.publish.published import Ending, Published, planned

TOKEN = "HF_TOKEN"
MAIN = "main"
_AT_ONCE = 32
"""Files per transfer; progress is told after each."""
_REPEATS = 3
"""How often one step may be necessary, before something is wrong with what is sent or with the Hub."""


def publish(
    release: Path,
    to: str,
    *,
    version: str | None = None,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    patience: Patience = PATIENT,
) -> Published:
    """Publish a release folder; readers see the old version or the new one, whole.

    to: a folder, or `hf://datasets/ORG/NAME`. version: what the release must be, if given. dry_run: change
    nothing. progress: told every step. The same call finishes what an interrupted one began, and leaves alone
    what is published already. The token for the Hub comes from HF_TOKEN.

    Raises PublishRefused (version taken, other content there, token), ServiceUnavailable, DiskFull,
    PublishError (release or arrival damaged), ReleaseInputError (no release, or one of an unknown schema).
    """
    sealed = read_sealed(release, version)
    if "://" not in to:
        return publish_to_folder(sealed, Path(to), dry_run, progress)
    match = DATASET.fullmatch(to)
    if match is None or match[2]:
        raise PublishRefused(f"{to}: expected a folder or hf://datasets/ORG/NAME")
    token = os.environ.get(TOKEN)
    if not token and not dry_run:
        raise PublishRefused(
            f"{to}: {TOKEN} is not set; set it to a token with write access to the repository"
        )
    with quiet(), tempfile.TemporaryDirectory(prefix="routerset-") as work:
        return _to_hub(_Repository(match[1], sealed, token, Path(work), progress), dry_run, patience)


def _to_hub(repository: _Repository, dry_run: bool, patience: Patience) -> Published:
    """Do one step after the other; each is decided by what the repository holds, so that any may fail."""
    plan: Published | None = None
    verified: str | None = None
    done: Counter[Step] = Counter()
    failures = 0
    while True:
        try:
            with explained(repository.url, repository.token), located(repository.url):
                remote = repository.read()
                step = next_step(repository.release, remote, verified)
                plan = plan or repository.plan(remote, step)
                if dry_run or step is Step.DONE:
                    finished = plan.ending is not Ending.PLANNED or dry_run
                    return plan if finished else replace(plan, ending=Ending.PUBLISHED)
                if done[step] == _REPEATS:
                    raise PublishError(
                        f"{repository.url}: {step}: done {_REPEATS} times, and what is there still differs; "
                        f"{MAIN} holds a whole version; look at branch {repository.branch}"
                    )
                verified = repository.do(step, remote, last=done[step] > 0) or verified
        except ServiceUnavailable as problem:
            failures += 1
            patience.wait(failures, problem, repository.progress)
        else:
            done[step] += 1
            failures = 0


class _Repository:
    """A dataset repository, as the publisher of one release sees it.

    work: folder for what is downloaded. progress: told every step.
    """

    def __init__(
        self, name: str, release: Sealed, token: str | None, work: Path, progress: Callable[[str], None]
    ) -> None:
        self.name, self.release, self.token, self.work, self.progress = name, release, token, work, progress
        self.url = f"hf://datasets/{name}"
        self.branch = f"publish-v{release.version}"
        self._api = hub_api(token)
        self._at: dict[str, Any] = {"repo_id": name, "repo_type": "dataset"}
        self._trees: dict[str, Revision] = {}
        self._heads: dict[str, Head] = {}

    def read(self) -> Remote:
        """What the repository holds now."""
        refs = read_refs(self._api, self.name)
        if refs is None:
            return Remote()
        branches, tags = refs
        if MAIN not in branches:
            raise PublishRefused(f"found branches {some(branches) or 'none'}, expected {MAIN}; create it")
        branch, tag = branches.get(self.branch), tags.get(f"v{self.release.version}")
        return Remote(
            main=self._head(branches[MAIN]),
            branch=self._tree(branch) if branch else None,
            tagged=self._tree(tag) if tag else None,
            versions=versions_in(tags),
        )

    def plan(self, remote: Remote, step: Step) -> Published:
        """What is to be done, from the step that comes first."""
        if step in (Step.DONE, Step.CLEAN):
            return Published(self.url, self.release.version, Ending.UNCHANGED)
        main = remote.main.revision.files if remote.main else {}
        return planned(self.release, self.url, main, remote.branch.files if remote.branch else None)

    def do(self, step: Step, remote: Remote, last: bool) -> str | None:
        """Carry out one step; returns the commit that was found whole, if this was to be verified.

        last: whether what arrived is not to be read once more. Raises PublishError where it is wrong then.
        """
        self.progress(step.value)
        if remote.main is None:
            self._api.create_repo(**self._at, exist_ok=True)
            return None
        main, branch = remote.main.revision, remote.branch
        if step is Step.BRANCH:
            self._api.create_branch(**self._at, branch=self.branch, revision=main.commit)
        elif step is Step.TAG:
            self._api.create_tag(**self._at, tag=f"v{remote.untagged}", revision=main.commit)
        elif step is Step.CLEAN:
            self._api.delete_branch(**self._at, branch=self.branch)
        elif branch is not None and step is Step.UPLOAD:
            self._upload(branch)
        elif branch is not None and step is Step.MOVE:
            self._move(main, branch)
        elif branch is not None and step is Step.VERIFY and self._verify(branch.commit, last):
            return branch.commit
        return None

    def _verify(self, commit: str, last: bool) -> bool:
        problems = check_arrival(self.release.folder, self.name, commit, self.work, self.progress)
        if problems and last:
            raise PublishError(
                f"{self.url}: what arrived is wrong: {some(problems, '; ')}; {MAIN} is as before; delete "
                f"branch {self.branch} and run the same command again"
            )
        if problems:
            self.progress(f"{some(problems, '; ')}; reading it once more")
            shutil.rmtree(self.work)  # what was downloaded may have been damaged on the way
            self.work.mkdir()
        return not problems

    def _upload(self, branch: Revision) -> None:
        """Send what the branch lacks: large files first, which no later run sends again; then one commit."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        change = changes(self.release, branch.files)
        adds = [CommitOperationAdd(path, self.release.folder / path) for path in change.send]
        for start in range(0, len(adds), _AT_ONCE):
            part = adds[start : start + _AT_ONCE]
            self._api.preupload_lfs_files(**self._at, additions=part, revision=self.branch, free_memory=False)
            self.progress(f"sent {start + len(part)} of {len(adds)} files")
        self._commit("Upload", self.branch, branch, [*adds, *map(CommitOperationDelete, change.remove)])

    def _move(self, main: Revision, branch: Revision) -> None:
        """Make main what the branch is, in one commit; the Hub copies large files by itself."""
        from huggingface_hub import CommitOperationCopy, CommitOperationDelete

        change = changes(self.release, main.files)
        copies = [CommitOperationCopy(path, path, src_revision=branch.commit) for path in change.send]
        self._commit("Release", MAIN, main, [*copies, *map(CommitOperationDelete, change.remove)])

    def _commit(self, verb: str, branch: str, parent: Revision, operations: list[Any]) -> None:
        message = f"{verb} v{self.release.version}"
        on: dict[str, Any] = self._at | {"revision": branch, "parent_commit": parent.commit}
        self._api.create_commit(**on, operations=operations, commit_message=message)

    def _tree(self, commit: str) -> Revision:
        if commit not in self._trees:
            from huggingface_hub.hf_api import RepoFile

            entries = self._api.list_repo_tree(**self._at, recursive=True, revision=commit)
            files = {
                entry.path: TargetFile(entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
                for entry in entries
                if isinstance(entry, RepoFile)
            }
            self._trees[commit] = Revision(commit, files)
        return self._trees[commit]

    def _head(self, commit: str) -> Head:
        if commit not in self._heads:
            self._heads[commit] = self._read_head(self._tree(commit))
        return self._heads[commit]

    def _read_head(self, revision: Revision) -> Head:
        """The release on a commit, or why it holds none."""
        wanted = (layout.MANIFEST, layout.CHECKSUMS)
        content = sorted(revision.files.keys() - {ATTRIBUTES})
        if not content:
            return Head(revision)
        if not revision.files.keys() >= {*wanted}:
            return Head(
                revision,
                problem=PublishRefused(
                    f"found {some(content)}, expected a release or nothing; publish to an empty repository"
                ),
            )
        with tempfile.TemporaryDirectory(prefix="routerset-") as folder:
            for path in wanted:
                self._api.hf_hub_download(
                    **self._at, filename=path, revision=revision.commit, local_dir=folder
                )
            try:
                return Head(revision, read_manifest(Path(folder)), read_checksums(Path(folder)))
            except ReleaseInputError as error:
                return Head(revision, problem=ReleaseInputError(str(error).replace(folder, self.url)))
