"""What a small Hub holds: repositories in memory, the tokens it knows, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import queue
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LFS_SUFFIXES = (".parquet", ".png", ".csv", ".pkl", ".zip")
ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
WRITER, READER = "hf_writer_token", "hf_reader_token"


class Action(StrEnum):
    """What goes wrong with a request."""

    CLOSE = "the connection closes before anything happens"
    LOSE_ANSWER = "it is carried out, and the connection closes before the answer"
    HALF = "half of the answer, then the connection closes"
    LOSE_FILE = "the commit leaves out a file"
    CORRUPT = "one byte of the content is another one on the way"
    ROT = "one byte of the content is another one in the store"
    ERROR = "the server has a problem"
    BUSY = "too many requests"
    ECHO = "the server has a problem, and says so with the credentials it was given"
    KILL_BEFORE = "the client is killed before anything happens"
    KILL_AFTER = "the client is killed once it is carried out"
    HOLD = "the connection stays open, and nothing comes"
    DRIP = "the answer comes a byte at a time, and never ends"
    CONFLICT = "something else is going on, and always will"
    LOOP = "it is elsewhere, which is here"
    PAGES = "an empty page, and the next one is here"
    HTML = "a page, as a hotel's network gives"
    GARBAGE = "no JSON, though it says so"
    NOTHING = "an empty body"
    NULL = "JSON: null"
    LIST = "JSON: a list"
    NUMBER = "JSON: a number"
    WRONG = "JSON: an object in which everything has another type"
    DEEP = "JSON: 200,000 lists in each other"


_WRONG: dict[str, object] = {key: [7] for key in ("branches", "tags", "files", "objects")}
_WRONG |= dict.fromkeys(("converts", "url", "commitOid", "commitUrl", "error", "errors"), 7)
STRANGE: Mapping[Action, tuple[str, bytes]] = {
    Action.HTML: ("text/html; charset=utf-8", b"<!doctype html><title>Sign in</title>"),
    Action.GARBAGE: ("application/json", b'{"branches": ['),
    Action.NOTHING: ("application/json", b""),
    Action.NULL: ("application/json", b"null"),
    Action.LIST: ("application/json", b"[[], 1]"),
    Action.NUMBER: ("application/json", b"17"),
    Action.WRONG: ("application/json", json.dumps(_WRONG).encode()),
    Action.DEEP: ("application/json", b"[" * 200_000),
}
"""Answers with status 200 that are none: type and body."""


@dataclass
class Fault:
    """Goes off on `times` requests that match, after letting `after` of them pass. path: an expression.

    later: what a busy server says of when to come again. status: of a strange answer.
    """

    method: str
    path: str
    action: Action
    times: int = 1
    after: int = 0
    later: str = "0"
    status: int = 200


@dataclass(frozen=True)
class Request:
    """A request that was served. received, sent: bytes of the bodies."""

    method: str
    path: str
    received: int
    sent: int


@dataclass(frozen=True)
class File:
    """One file of a commit; content of LFS files lies in the store under their SHA-256."""

    data: bytes = b""
    lfs: str | None = None
    size: int = 0

    @property
    def blob(self) -> str:
        """Git's name of the file, or of its LFS pointer."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.lfs}\nsize {self.size}\n"
        data = pointer.encode() if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


Tree = Mapping[str, File]


@dataclass
class Repo:
    """commits: sha -> files; titles, texts: their messages, newest last; branches and tags: name -> sha.

    told: name of a tag -> its message. parents: commit -> the one before. private: nobody reads it without
    a token. gated: who asks for access gets it.
    """

    commits: dict[str, Tree] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: str | bool = False
    parents: dict[str, str | None] = field(default_factory=dict)

    def commit(self, branch: str, files: Tree, title: str, text: str = "") -> str:
        """Put files on a branch; returns the commit."""
        seed = (
            f"{self.branches.get(branch)} {len(self.commits)} {sorted((p, f.blob) for p, f in files.items())}"
        )
        sha = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[sha], self.titles[sha], self.texts[sha] = dict(files), title, text
        self.parents[sha] = self.branches.get(branch)
        self.branches[branch] = sha
        return sha

    def history(self, revision: str) -> list[str]:
        """A commit and those before it, newest first."""
        found, sha = [], str(self.resolve(revision))
        while sha in self.commits:
            found.append(sha)
            sha = str(self.parents[sha])
        return found

    def resolve(self, revision: str) -> str:
        """The commit of a branch, a tag or a commit."""
        found = self.branches.get(revision) or self.tags.get(revision) or revision
        if found not in self.commits:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Hub:
    """The state of the server. lock: held while a request is carried out. over: nothing is held any more."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        self.tokens = {WRITER: "write", READER: "read"}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.endpoint = ""
        self.kills: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.over = threading.Event()
        self.lock = threading.RLock()

    def content(self, file: File) -> bytes:
        """Bytes of a file."""
        return self.store[file.lfs] if file.lfs else file.data

    def read(self, repo: str, revision: str) -> dict[str, bytes]:
        """Files of a revision but `.gitattributes`."""
        found = self.repos[repo]
        tree = found.commits[found.resolve(revision)]
        return {path: self.content(f) for path, f in sorted(tree.items()) if path != ".gitattributes"}

    def add(self, repo: str, files: Mapping[str, bytes], revision: str = "main") -> None:
        """Commit files, as someone else would."""
        found = self.repos.setdefault(repo, Repo())
        old = found.commits[found.branches[revision]] if revision in found.branches else {}
        made = {path: self._file(path, data) for path, data in files.items()}
        found.commit(revision, {**old, **made}, "someone else")

    def remove(self, repo: str, path: str) -> None:
        """Commit the removal of a file, as someone else would."""
        found = self.repos[repo]
        files = dict(found.commits[found.branches["main"]])
        del files[path]
        found.commit("main", files, "someone else")

    def _file(self, path: str, data: bytes) -> File:
        if not path.endswith(LFS_SUFFIXES):
            return File(data, size=len(data))
        digest = hashlib.sha256(data).hexdigest()
        self.store[digest] = data
        return File(lfs=digest, size=len(data))

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of this request, if any."""
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None
