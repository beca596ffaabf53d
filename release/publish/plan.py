"""What publishing has to do, as pure functions of a release and of what is published already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from routerset.release import layout
from routerset.release.errors import ReleaseError
from routerset.release.files import read_checksums
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.publish.errors import PublishError, PublishRefused
from routerset.release.verifying.files import closed_list, verify_checksums
from routerset.release.verifying.problem import Opened
from routerset.release.version import VERSION, parse_version
from routerset.schemas import checksums
from routerset.schemas.checksums import SIGNATURE, git_blob
from routerset.schemas.plainfiles import entries
from routerset.schemas.store import sha256

ATTRIBUTES = ".gitattributes"
"""The Hub puts it into every repository."""
_SHOWN = 5
NOT_LISTED = frozenset({layout.CHECKSUMS, SIGNATURE, ATTRIBUTES})
SEAL = "SHA256SUMS seal:"
"""What stands before the digest of a release, wherever it is told."""
_REBUILD = "build it again with `previous` of [release] set to what is published there"


@dataclass(frozen=True)
class Sealed:
    """A release that is whole.

    sums: path -> SHA-256 of all its files, `SHA256SUMS` and its signature included. signature: where that
    lies, if not in the folder.
    """

    folder: Path
    manifest: Manifest
    sums: Mapping[str, str]
    signature: Path | None = None
    _blobs: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> str:
        """Its version."""
        return self.manifest.version

    @property
    def seal(self) -> str:
        """Its digest."""
        return seal(self.sums)

    def path(self, path: str) -> Path:
        """Where a file lies."""
        return self.signature if self.signature and path == SIGNATURE else self.folder / path

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self.path(path).stat().st_size

    def blob(self, path: str) -> str:
        """Git's name of a file's content."""
        if path not in self._blobs:
            self._blobs[path] = git_blob(self.path(path).read_bytes())
        return self._blobs[path]


def read_sealed(folder: Path, version: str | None = None) -> Sealed:
    """A release from its folder, every checksum recomputed.

    version: what it must be, if given. Raises PublishError where a file is damaged or no file, PublishRefused
    where it is another version, ReleaseInputError where there is no release.
    """
    odd = [f"{path}, {kind}" for path, kind in entries(folder) if kind] if folder.is_dir() else []
    if odd:
        raise PublishError(
            f"{folder}: not published: a release holds files alone, but {some(odd)}; build it again"
        )
    manifest, sums = read_manifest(folder), read_checksums(folder)
    parse_version(manifest.version)
    if version not in (None, manifest.version):
        raise PublishRefused(
            f"{folder}: found version {manifest.version}, expected {version}; set `version` of [release] in "
            "the config and build again"
        )
    strangers = closed_list(Opened(folder, manifest, sums))
    problems = [str(problem) for problem in (*verify_checksums(folder, sums), *strangers)]
    if problems:
        raise PublishError(f"{folder}: not published: {some(problems, '; ')}")
    unlisted = [name for name in (layout.CHECKSUMS, SIGNATURE) if (folder / name).exists()]
    return Sealed(folder, manifest, {**sums, **{name: sha256(folder / name) for name in unlisted}})


def seal(sums: Mapping[str, str]) -> str:
    """Digest of a release, by the checksums of all its files."""
    return checksums.seal({path: digest for path, digest in sums.items() if path not in NOT_LISTED})


@contextmanager
def located(where: str) -> Iterator[None]:
    """Refusals in the block say where."""
    try:
        yield
    except PublishRefused as refused:
        raise PublishRefused(f"{where}: {refused}") from None


def some(things: Iterable[str], separator: str = ", ") -> str:
    """The first few, and how many there are beyond."""
    found = list(things)
    more = f"{separator}and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return separator.join(found[:_SHOWN]) + more


@dataclass(frozen=True)
class TargetFile:
    """A file in a repository. sha256: of a large file only. blob: Git's name of a small file's content."""

    sha256: str | None
    blob: str


@dataclass(frozen=True)
class Revision:
    """A commit and its files."""

    commit: str
    files: Mapping[str, TargetFile]


@dataclass(frozen=True)
class Head:
    """The default branch. title: of its last commit, where that is not the one with the latest tag.

    manifest, sums: of the release on it; problem: why there is none.
    """

    revision: Revision
    title: str = ""
    manifest: Manifest | None = None
    sums: Mapping[str, str] = field(default_factory=dict)
    problem: ReleaseError | None = None


@dataclass(frozen=True)
class Remote:
    """What a repository holds. main: None where there is no repository.

    branch: where the release is prepared; tagged: what the tag of its version holds; latest: what the tag of
    the latest version holds; None where there is no such thing. versions: all that have a tag.
    """

    name: str
    main: Head | None = None
    branch: Revision | None = None
    tagged: Revision | None = None
    latest: Revision | None = None
    versions: frozenset[str] = frozenset()

    @property
    def untagged(self) -> str | None:
        """The version on main, while its tag is missing."""
        version = self.main.manifest.version if self.main and self.main.manifest else None
        return None if version in self.versions else version


class Step(StrEnum):
    """One change of a repository, or one check; each can be repeated."""

    CREATE = "create the repository"
    BRANCH = "create a branch"
    UPLOAD = "upload"
    VERIFY = "verify what arrived"
    MOVE = "move main"
    TAG = "create the tag"
    CLEAN = "remove the branch"
    DONE = "published"


def next_step(release: Sealed, remote: Remote, verified: str | None, overwrite: bool = False) -> Step:
    """What is to be done now; who does it and asks again gets to DONE, from wherever an earlier run stopped.

    verified: the commit that was found whole. overwrite: whether what others changed on main may be replaced.
    Readers of main and of tags see the old version up to MOVE, and the new one from there on. Raises
    PublishRefused where the version may not be published there, PublishError where others changed main.
    """
    if remote.main is None:
        return Step.CREATE
    if remote.tagged is not None:
        check_same(release, remote.tagged.files, _tag_stands(release, remote.name, remote.tagged.commit))
        if remote.branch:
            return Step.CLEAN
        latest = release.version == latest_of(remote.versions)
        if not (latest and _check_edits(release, remote, overwrite)):
            return Step.DONE
        _check_main(release, remote.main, begun=True)
        return Step.MOVE
    if not changes(release, remote.main.revision.files):
        return Step.TAG
    prepared = remote.branch is not None and not changes(release, remote.branch.files)
    # where the Hub damaged the commit that moved main, a part of the release stands there, and moves again
    _check_main(release, remote.main, begun=prepared and remote.untagged in (None, release.version))
    _check_edits(release, remote, overwrite)
    if remote.untagged is not None and not (prepared and remote.untagged == release.version):
        return _tag_first(remote.main)
    check_order(release, remote.versions)
    if remote.branch is None:
        return Step.BRANCH
    if not prepared:
        return Step.UPLOAD
    return Step.MOVE if verified == remote.branch.commit else Step.VERIFY


def edits(release: Sealed, remote: Remote) -> tuple[str, ...]:
    """Files that others changed on main since the latest version, otherwise than `release` does.

    None while the last commit there is one of ours.
    """
    main = remote.main
    if main is None or main.title in ("", *map(release_title, (release.version, remote.untagged))):
        return ()
    files, tagged = main.revision.files, remote.latest.files if remote.latest else {}
    return tuple(
        path
        for path in sorted({*files, *tagged} - {ATTRIBUTES})
        if files.get(path) != tagged.get(path)
        and (path in files or path in release.sums)
        and not _same(release, path, files.get(path))
    )


def _check_edits(release: Sealed, remote: Remote, overwrite: bool) -> bool:
    """Whether main holds edits that are to be overwritten. Raises PublishError where they are not."""
    found = edits(release, remote)
    if found and not overwrite and remote.main:
        latest, main = latest_of(remote.versions), remote.main
        raise PublishError(
            f"hf://datasets/{remote.name}: main differs from {f'v{latest}' if latest else 'all versions'}, "
            f"since commit {main.revision.commit} ({main.title!r}): {some(found)}; put that into the build, "
            "or revert it there, and run again; with --overwrite, it is replaced"
        )
    return bool(found)


def release_title(version: str | None) -> str:
    """Title of the commit that moves main to a version."""
    return f"Release v{version}"


def _check_main(release: Sealed, main: Head, begun: bool) -> None:
    """Refuse a repository that belongs to something else. begun: main may hold a part of this release."""
    if main.problem is not None and not begun:
        raise main.problem
    if main.manifest is not None:
        check_name(release, main.manifest)
    known = {*main.sums, *NOT_LISTED, *(release.sums if begun else ())}
    foreign = sorted(main.revision.files.keys() - known)
    if foreign:
        raise PublishRefused(
            f"found files that no release put there: {some(foreign)}; move them elsewhere, or publish to a "
            "repository of its own"
        )


def _tag_first(main: Head) -> Step:
    """Finish the version before, whose run was killed between its last two steps."""
    files = main.revision.files
    known = {path: files[path].sha256 or digest for path, digest in main.sums.items() if path in files}
    damaged = sorted(path for path, digest in main.sums.items() if known.get(path) != digest)
    if damaged:
        raise PublishRefused(
            f"main holds an untagged version that is not whole: {some(damaged)}; publish that version again"
        )
    return Step.TAG


def check_same(release: Sealed, files: Mapping[str, TargetFile], remedy: str = "") -> None:
    """Refuse to publish a version anew, with other content or a signature. files: those published."""
    other = differing(release, files)
    if other:
        raise PublishRefused(
            f"v{release.version} is published, with other content ({some(other)}); a version once published "
            f"never changes: {_REBUILD}, so that it gets the next version{remedy}"
        )
    if SIGNATURE in release.sums and SIGNATURE not in files:
        raise PublishRefused(
            f"v{release.version} is published without a signature; a version once published never changes: "
            "sign the next one"
        )


def _tag_stands(release: Sealed, name: str, commit: str) -> str:
    tag = f"v{release.version}"
    return (
        f"; or, if tag {tag} at commit {commit} was put there by mistake, remove it (`hf repos tag delete "
        f"{name} {tag} --type dataset`) and run the same command again"
    )


def check_name(release: Sealed, published: Manifest) -> None:
    """Refuse to go on with the versions of another dataset."""
    if published.name != release.manifest.name:
        raise PublishRefused(
            f"found dataset {published.name!r}, expected {release.manifest.name!r}; publish it elsewhere"
        )


def check_order(release: Sealed, versions: Iterable[str]) -> None:
    """Refuse a release that was not built after the latest of the published versions."""
    latest = latest_of(versions)
    if latest is None:
        return
    if release.manifest.previous != latest:
        raise PublishRefused(
            f"v{release.version} was built after {release.manifest.previous or 'nothing'}, but v{latest} is "
            f"the latest version there, so that version and changelog do not hold: {_REBUILD}"
        )


def versions_in(names: Iterable[str]) -> frozenset[str]:
    """Versions among the names of tags or folders, such as `v1.0.0`."""
    return frozenset(name[1:] for name in names if name.startswith("v") and VERSION.fullmatch(name[1:]))


def versions_below(folder: Path) -> frozenset[str]:
    """Versions that stand in a folder that releases are published to, whole or not."""
    return versions_in(path.name for path in folder.glob("v*"))


def latest_of(versions: Iterable[str]) -> str | None:
    """The highest of some versions."""
    return max(versions, key=parse_version, default=None)


@dataclass(frozen=True)
class Changes:
    """Files to send and files to remove; false where there are none."""

    send: tuple[str, ...]
    remove: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.send or self.remove)


def changes(release: Sealed, files: Mapping[str, TargetFile]) -> Changes:
    """What makes the files of a repository those of the release; `.gitattributes` stays."""
    send = tuple(path for path in sorted(release.sums) if not _same(release, path, files.get(path)))
    return Changes(send, tuple(sorted(files.keys() - release.sums.keys() - {ATTRIBUTES})))


def differing(release: Sealed, files: Mapping[str, TargetFile]) -> tuple[str, ...]:
    """Where files are not those of the release; what is made from the rest does not count.

    Nor do what lists them, its signature, and the digest of that, which the changelog tells.
    """
    change = changes(release, files)
    derived = (f"{layout.REPORTS}/", layout.CHECKSUMS, layout.CHANGELOG)
    return tuple(path for path in sorted((*change.send, *change.remove)) if not path.startswith(derived))


def _same(release: Sealed, path: str, file: TargetFile | None) -> bool:
    if file is None or path not in release.sums:
        return False
    return release.sums[path] == file.sha256 if file.sha256 else release.blob(path) == file.blob
