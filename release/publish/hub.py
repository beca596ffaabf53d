"""Publishes a release to a folder or to a dataset repository of the Hub; the only upload to the Hub."""

from __future__ import annotations

import hashlib
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
from routerset.release.evaluator.options import Rule, check_options
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.publish.check import check_arrival
from routerset.release.publish.client import DATASET, PATIENT, Patience, hub_api, read_refs, tamed
from routerset.release.publish.errors import PublishError, PublishRefused, ServiceUnavailable, explained
from routerset.release.publish.folder import publish_to_folder
from routerset.release.publish.plan import (
    ATTRIBUTES,
    SEAL,
    Head,
    Remote,
    Revision,
    Sealed,
    Step,
    TargetFile,
    changes,
    edits,
    latest_of,
    located,
    next_step,
    read_sealed,
    release_title,
    seal,
    some,
    versions_in,
)
from routerset.release.publish.published import Ending, Published, planned, worth_telling
from routerset.release.publish.sign import signed
from routerset.release.publish.work import work_folder
from routerset.schemas.checksums import git_blob

TOKEN = "HF_TOKEN"
RULES = (Rule("overwrite", needs=("hub",), says="hf://datasets/ORG/NAME, whose main others may change"),)
"""Options that have no effect beside others."""
MAIN = "main"
_AT_ONCE = 32
"""Files per transfer; progress is told after each."""
_REPEATS = 3
"""How often one step may be necessary, before something is wrong with what is sent or with the Hub."""
_RETOLD = frozenset({Step.CREATE, Step.BRANCH, Step.TAG, Step.CLEAN})
"""Steps that send no content."""


def publish(
    release: Path,
    to: str,
    *,
    version: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    sign: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
    patience: Patience = PATIENT,
) -> Published:
    """Publish a release folder; readers see the old version or the new one, whole.

    to: a folder, or `hf://datasets/ORG/NAME`. version: what the release must be, if given. dry_run: change
    nothing. overwrite: what others changed on the Hub's main. sign: an SSH key, to sign the release with.
    progress: told every step. The same call finishes what an interrupted one began, and leaves alone
    what is published already. The token for the Hub comes from HF_TOKEN.

    Raises PublishRefused (version taken, other content there, token, key), ServiceUnavailable, DiskFull,
    PublishError (release, arrival or what is published damaged, main changed by others), ReleaseInputError
    (no release, or one of an unknown schema), UsageError (overwrite, for a folder).
    """
    check_overwrite(to, overwrite)
    sealed = read_sealed(release, version)
    name = _repository(to, dry_run)
    with work_folder() as work:
        if sign is not None:
            sealed = signed(sealed, sign, work)
        if name is None:
            return publish_to_folder(sealed, Path(to), work, dry_run, progress)
        with tamed():
            repository = _Repository(name, sealed, os.environ.get(TOKEN), work, progress)
            return _to_hub(repository, dry_run, overwrite, patience)


def check_overwrite(to: str, overwrite: bool) -> None:
    """Raise UsageError for `overwrite` where releases go to a folder."""
    check_options(["overwrite"] * overwrite + ["hub"] * ("://" in to), RULES)


def _repository(to: str, dry_run: bool) -> str | None:
    """Name of a dataset repository of the Hub; None for a folder. Raises PublishRefused."""
    if "://" not in to:
        return None
    match = DATASET.fullmatch(to)
    if match is None or match[2]:
        raise PublishRefused(f"{to}: expected a folder or hf://datasets/ORG/NAME")
    if not os.environ.get(TOKEN) and not dry_run:
        raise PublishRefused(
            f"{to}: {TOKEN} is not set; set it to a token with write access to the repository"
        )
    return match[1]


def _to_hub(repository: _Repository, dry_run: bool, overwrite: bool, patience: Patience) -> Published:
    """Do one step after the other; each is decided by what the repository holds, so that any may fail."""
    plan: Published | None = None
    verified: str | None = None
    done: Counter[Step] = Counter()
    failures = 0
    seen = False
    while True:
        try:
            with explained(repository.url, repository.token), located(repository.url):
                remote = repository.read()
                if seen and remote.main is None:
                    raise PublishError(
                        f"{repository.url}: it was there, and is not any more; nothing is put in its place: "
                        f"for a new one, which holds v{repository.release.version} alone, run the same "
                        "command again"
                    )
                seen = remote.main is not None
                step = next_step(repository.release, remote, verified, overwrite)
                plan = plan or repository.plan(remote, step)
                if dry_run or step is Step.DONE:
                    finished = plan.ending is not Ending.PLANNED or dry_run
                    return plan if finished else replace(plan, ending=Ending.PUBLISHED)
                if done[step] == _REPEATS and step in _RETOLD:
                    raise ServiceUnavailable(
                        f"{repository.url}: {step}: no Hub answer: it was said to be done {_REPEATS} times"
                    )
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
            return Remote(self.name)
        self._refuse_the_public()
        branches, tags = refs
        if MAIN not in branches:
            raise PublishRefused(f"found branches {some(branches) or 'none'}, expected {MAIN}; create it")
        branch, tag = branches.get(self.branch), tags.get(f"v{self.release.version}")
        versions = versions_in(tags)
        last = tags.get(f"v{latest_of(versions)}")
        return Remote(
            self.name,
            main=self._head(branches[MAIN], last),
            branch=self._tree(branch) if branch else None,
            tagged=self._tree(tag) if tag else None,
            latest=self._tree(last) if last else None,
            versions=versions,
        )

    def _refuse_the_public(self) -> None:
        """Raise PublishRefused where anyone would read texts that their authors keep back."""
        if not self.release.manifest.companion:
            return
        told = self._api.dataset_info(self.name)
        if not (told.private or told.gated):
            raise PublishRefused(
                "found a public repository without a gate, expected one that is gated or private, for texts "
                "that must not be public; turn on access requests in its settings, or make it private"
            )

    def plan(self, remote: Remote, step: Step) -> Published:
        """What is to be done, from the step that comes first."""
        if step in (Step.DONE, Step.CLEAN):
            return Published(self.url, self.release.version, Ending.UNCHANGED, self.release.seal)
        main = remote.main.revision.files if remote.main else {}
        return planned(self.release, self.url, main, remote.branch.files if remote.branch else None)

    def do(self, step: Step, remote: Remote, last: bool) -> str | None:
        """Carry out one step; returns the commit that was found whole, if this was to be verified.

        last: whether what arrived is not to be read once more. Raises PublishError where it is wrong then.
        """
        self.progress(step.value)
        if remote.main is None:
            if self.release.manifest.previous:
                self.progress(
                    f"no repository is there, nor v{self.release.manifest.previous}, after which "
                    f"v{self.release.version} was built: the new one will hold v{self.release.version} alone"
                )
            private = True if self.release.manifest.companion else None
            self._api.create_repo(**self._at, private=private, exist_ok=True)
            return None
        main, branch = remote.main.revision, remote.branch
        if step is Step.BRANCH:
            self._api.create_branch(**self._at, branch=self.branch, revision=main.commit)
        elif step is Step.TAG:
            told = f"{SEAL} {seal(remote.main.sums)}"
            self._api.create_tag(
                **self._at, tag=f"v{remote.untagged}", tag_message=told, revision=main.commit
            )
        elif step is Step.CLEAN:
            self._api.delete_branch(**self._at, branch=self.branch)
        elif branch is not None and step is Step.UPLOAD:
            self._upload(branch)
        elif step is Step.MOVE and (source := branch or remote.tagged) is not None:
            if edited := edits(self.release, remote):
                self.progress(f"what others changed on {MAIN} is overwritten: {some(edited)}")
            self._move(main, source)
        elif branch is not None and step is Step.VERIFY and self._verify(branch.commit, last):
            return branch.commit
        return None

    def _verify(self, commit: str, last: bool) -> bool:
        told = self._api.dataset_info(self.name, revision=commit)
        token = self.token if told.private or told.gated else None
        arrived = self.work / "arrived"
        arrived.mkdir(exist_ok=True)
        problems = check_arrival(self.release.folder, self.name, commit, arrived, self.progress, token)
        if problems and last:
            raise PublishError(
                f"{self.url}: what arrived is wrong: {some(problems, '; ')}; {MAIN} is as before; delete "
                f"branch {self.branch} and run the same command again"
            )
        if problems:
            self.progress(f"{some(problems, '; ')}; reading it once more")
            shutil.rmtree(arrived)  # what was downloaded may have been damaged on the way
        return not problems

    def _upload(self, branch: Revision) -> None:
        """Send what the branch lacks: large files first, which no later run sends again; then one commit."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        change = changes(self.release, branch.files)
        adds = [CommitOperationAdd(path, self.release.path(path)) for path in change.send]
        parts = [adds[start : start + _AT_ONCE] for start in range(0, len(adds), _AT_ONCE)]
        for number, part in enumerate(parts, 1):
            self._api.preupload_lfs_files(**self._at, additions=part, revision=self.branch, free_memory=False)
            if worth_telling(number, len(parts)):
                self.progress(f"sent {sum(map(len, parts[:number]))} of {len(adds)} files")
        title = f"Upload v{self.release.version}"
        self._commit(title, self.branch, branch, [*adds, *map(CommitOperationDelete, change.remove)])

    def _move(self, main: Revision, source: Revision) -> None:
        """Make main what another commit is, in one commit; the Hub copies large files by itself."""
        from huggingface_hub import CommitOperationCopy, CommitOperationDelete

        send = sorted(path for path, file in source.files.items() if main.files.get(path) != file)
        copies = [CommitOperationCopy(path, path, src_revision=source.commit) for path in send]
        gone = sorted(main.files.keys() - source.files.keys() - {ATTRIBUTES})
        self._commit(
            release_title(self.release.version), MAIN, main, [*copies, *map(CommitOperationDelete, gone)]
        )

    def _commit(self, title: str, branch: str, parent: Revision, operations: list[Any]) -> None:
        on: dict[str, Any] = self._at | {"revision": branch, "parent_commit": parent.commit}
        text = f"{SEAL} {self.release.seal}"
        self._api.create_commit(**on, operations=operations, commit_message=title, commit_description=text)

    def _tree(self, commit: str) -> Revision:
        if commit not in self._trees:
            from huggingface_hub.hf_api import RepoFile

            entries = self._api.list_repo_tree(**self._at, recursive=True, revision=commit)
            files = {}
            for entry in entries:
                if isinstance(entry, RepoFile):
                    file = TargetFile(entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
                    if not all(isinstance(told, str) for told in (entry.path, file.blob, file.sha256 or "")):
                        raise ServiceUnavailable(f"{self.url}: no Hub answer: found {entry}, expected a file")
                    files[entry.path] = file
            self._trees[commit] = Revision(commit, files)
        return self._trees[commit]

    def _head(self, commit: str, last: str | None) -> Head:
        if commit not in self._heads:
            since = [] if commit == last else self._api.list_repo_commits(**self._at, revision=commit)
            title = str(since[0].title) if since else ""
            self._heads[commit] = self._read_head(self._tree(commit), title)
        return self._heads[commit]

    def _read_head(self, revision: Revision, title: str) -> Head:
        """The release on a commit, or why it holds none."""
        wanted = (layout.MANIFEST, layout.CHECKSUMS)
        content = sorted(revision.files.keys() - {ATTRIBUTES})
        if not content:
            return Head(revision, title)
        if not revision.files.keys() >= {*wanted}:
            return Head(
                revision,
                title,
                problem=PublishRefused(
                    f"found {some(content)}, expected a release or nothing; publish to an empty repository"
                ),
            )
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            for path in wanted:
                self._fetch(revision, path, Path(folder))
            try:
                return Head(revision, title, read_manifest(Path(folder)), read_checksums(Path(folder)))
            except ReleaseInputError as error:
                problem = ReleaseInputError(str(error).replace(folder, self.url))
                return Head(revision, title, problem=problem)

    def _fetch(self, revision: Revision, path: str, folder: Path) -> None:
        """Download a small file. Raises ServiceUnavailable where it arrives otherwise than it is listed."""
        self._api.hf_hub_download(**self._at, filename=path, revision=revision.commit, local_dir=folder)
        listed, found = revision.files[path], folder / path
        data = found.read_bytes()
        if (hashlib.sha256(data).hexdigest() if listed.sha256 else git_blob(data)) != (
            listed.sha256 or listed.blob
        ):
            raise ServiceUnavailable(f"{self.url}/{path}: no Hub answer: it arrived damaged")
