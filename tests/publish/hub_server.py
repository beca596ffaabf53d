"""A small Hub on loopback: real HTTP for the real clients, over a store in memory, with faults on demand.

It speaks what `huggingface_hub` and `datasets` ask of the Hub for datasets: repositories, commits of plain
and LFS files, branches, tags, listings and downloads; and the last two for models.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.publish.hub_store import (
    ATTRIBUTES,
    LFS_SUFFIXES,
    STRANGE,
    Action,
    Fault,
    File,
    Hub,
    Refusal,
    Repo,
    Request,
    Tree,
)

Answer = tuple[int, Mapping[str, str], bytes]


def _json(value: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _entry(path: str, file: File) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": path, "oid": file.blob, "size": file.size}
    if file.lfs:
        entry["lfs"] = {"oid": file.lfs, "size": file.size, "pointerSize": 130}
    return entry


def _folders(tree: Tree) -> list[str]:
    parents = {"/".join(p.split("/")[:i]) for p in tree for i in range(1, p.count("/") + 1)}
    return sorted(parents)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, or every answer waits 40 ms for an acknowledgement
    disable_nagle_algorithm = True
    hub: Hub

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def finish(self) -> None:
        with suppress(OSError):  # a client that waits no longer
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are kept in `hub.requests`."""

    def _serve(self, method: str) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        given = self.hub.take(method, path)
        fault = given.action if given else None
        if fault is Action.HOLD:
            self.hub.over.wait(30)
            self.close_connection = True
            return
        if fault is Action.DRIP:
            self._drip()
            return
        if fault is Action.KILL_BEFORE:
            self.hub.kills.get(timeout=30)()
        if fault in (Action.CLOSE, Action.KILL_BEFORE):
            self.close_connection = True
            return
        status, headers, answer = self._answer(method, path, body, given)
        if fault is Action.KILL_AFTER:
            self.hub.kills.get(timeout=30)()
        if fault in (Action.LOSE_ANSWER, Action.KILL_AFTER):
            self.close_connection = True
            return
        if fault is Action.CORRUPT and answer and method == "GET":
            answer = _other_byte(answer)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = b"" if method == "HEAD" else answer
        if fault is Action.HALF:
            sent, self.close_connection = sent[: len(sent) // 2], True
        self.wfile.write(sent)
        with self.hub.lock:
            self.hub.requests.append(Request(method, path, len(body), len(sent)))

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.hub.over.wait(0.1):
                self.wfile.write(b" ")
                self.wfile.flush()
        except OSError:
            pass  # the client is gone

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, method: str, path: str, body: bytes, given: Fault | None) -> Answer:
        fault = given.action if given else None
        if given and given.action in STRANGE:
            kind, said = STRANGE[given.action]
            return given.status, {"Content-Type": kind}, said
        if fault is Action.PAGES:
            next_page = f'<{self.hub.endpoint}{self.path}>; rel="next"'
            return 200, {"Content-Type": "application/json", "Link": next_page}, b"[]"
        if fault is Action.LOOP:
            return 307, {"Location": self.path}, b""
        if fault is Action.CONFLICT:
            return _json({"error": "Cannot create repo: another conflicting operation is in progress"}, 409)
        if fault is Action.ERROR:
            return _json({"error": "Internal Server Error"}, 500)
        if fault is Action.BUSY:
            return 429, {"Retry-After": given.later if given else ""}, b"{}"
        if fault is Action.ECHO:
            return _json({"error": f"no idea what to do with {self.headers.get('Authorization')}"}, 400)
        try:
            with self.hub.lock:
                self._check_token(method, path)
                return self._route(method, path, body, fault)
        except Refusal as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            return refusal.status, headers, json.dumps({"error": refusal.message}).encode()

    def _check_token(self, method: str, path: str) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if path.startswith("/lfs/"):
            return
        named = re.match(r"(?:/api)?/datasets/([^/]+/[^/.]+)", path)
        if not given and named and named[1] in self.hub.repos and self.hub.repos[named[1]].private:
            raise Refusal(401, "RepoNotFound", "Repository not found")
        if given and given not in self.hub.tokens:
            raise Refusal(401, "", "Invalid credentials in Authorization header")
        writes = method in ("POST", "DELETE") and "/paths-info/" not in path and "validate-yaml" not in path
        if writes and self.hub.tokens.get(given) != "write":
            raise Refusal(403, "", "You don't have the rights to do this")

    def _route(self, method: str, path: str, body: bytes, fault: Action | None) -> Answer:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if match := re.fullmatch(r"/lfs/(\w+)", path):
            return self._put(match[1], body, fault)
        if match := re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body))
        if match := re.fullmatch(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._download(self._repo(match[1]), match[2], match[3])
        if match := re.fullmatch(r"/api/(?:datasets|models)/([^/]+/[^/]+?)(?:/([a-z-]+)(?:/(.+))?)?", path):
            repo, verb, rest = self._repo(match[1]), match[2] or "revision", match[3] or "main"
            known: dict[tuple[str, str], Callable[[], Answer]] = {
                ("GET", "revision"): lambda: self._info(match[1], repo, rest),
                ("GET", "tree"): lambda: self._tree(repo, rest),
                ("GET", "refs"): lambda: self._refs(repo),
                ("GET", "commits"): lambda: self._commits(repo, rest),
                ("POST", "paths-info"): lambda: self._paths_info(repo, rest, body),
                ("POST", "preupload"): lambda: self._preupload(repo, rest, json.loads(body)),
                ("POST", "commit"): lambda: self._commit(match[1], rest, body, fault),
                ("POST", "branch"): lambda: self._branch(repo, rest, json.loads(body)),
                ("DELETE", "branch"): lambda: self._delete_branch(repo, rest),
                ("POST", "tag"): lambda: self._tag(repo, rest, json.loads(body)),
            }
            if (method, verb) in known:
                return known[method, verb]()
        raise Refusal(404, "", f"{method} {path}: not spoken here")

    def _repo(self, name: str) -> Repo:
        if name not in self.hub.repos:
            raise Refusal(404, "RepoNotFound", "Repository not found")
        return self.hub.repos[name]

    def _create(self, wanted: Mapping[str, str]) -> Answer:
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.hub.repos:
            raise Refusal(409, "", "You already created this dataset repo")
        self.hub.add(name, {".gitattributes": ATTRIBUTES})
        self.hub.repos[name].private = wanted.get("visibility") == "private"
        return _json({"url": f"{self.hub.endpoint}/datasets/{name}", "name": name})

    def _put(self, digest: str, body: bytes, fault: Action | None) -> Answer:
        arrived = _other_byte(body) if fault is Action.CORRUPT else body
        if hashlib.sha256(arrived).hexdigest() != digest:
            raise Refusal(400, "", "Checksum mismatch")
        self.hub.store[digest] = _other_byte(body) if fault is Action.ROT else body
        return 200, {}, b""

    def _batch(self, wanted: Mapping[str, list[dict[str, object]]]) -> Answer:
        objects = []
        for each in wanted["objects"]:
            upload = {"upload": {"href": f"{self.hub.endpoint}/lfs/{each['oid']}"}}
            objects.append({**each, **({} if each["oid"] in self.hub.store else {"actions": upload})})
        return _json({"transfer": "basic", "objects": objects})

    def _download(self, repo: Repo, revision: str, path: str) -> Answer:
        sha = repo.resolve(revision)
        file = repo.commits[sha].get(path)
        if file is None:
            raise Refusal(404, "EntryNotFound", f"{path} does not exist")
        data = self.hub.content(file)
        headers = {"ETag": f'"{file.lfs or file.blob}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, stop = int(wanted[1]), min(int(wanted[2] or len(data)) + 1, len(data))
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            return 206, headers, data[start:stop]
        return 200, headers, data

    def _info(self, name: str, repo: Repo, revision: str) -> Answer:
        sha = repo.resolve(revision)
        siblings = [{"rfilename": path} for path in sorted(repo.commits[sha])]
        return _json(
            {
                "id": name,
                "sha": sha,
                "private": repo.private,
                "gated": repo.gated,
                "tags": [],
                "siblings": siblings,
            }
        )

    def _tree(self, repo: Repo, rest: str) -> Answer:
        revision, _, folder = rest.partition("/")
        tree = repo.commits[repo.resolve(revision)]
        recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() == "true"
        inside = f"{folder}/" if folder else ""
        entries = [_entry(path, file) for path, file in sorted(tree.items())]
        entries += [
            {"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in _folders(tree)
        ]
        found = [e for e in entries if str(e["path"]).startswith(inside)]
        if folder and not found:
            raise Refusal(404, "EntryNotFound", f"{folder} does not exist")
        return _json([e for e in found if recursive or "/" not in str(e["path"])[len(inside) :]])

    def _refs(self, repo: Repo) -> Answer:
        def of(kind: str, refs: Mapping[str, str]) -> list[dict[str, str]]:
            return [{"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": sha} for n, sha in refs.items()]

        return _json({"branches": of("heads", repo.branches), "tags": of("tags", repo.tags), "converts": []})

    def _commits(self, repo: Repo, revision: str) -> Answer:
        day = "2026-01-01T00:00:00.000Z"
        known = [(sha, repo.titles[sha]) for sha in repo.history(revision)]
        return _json([{"id": s, "authors": [], "date": day, "title": t, "message": ""} for s, t in known])

    def _paths_info(self, repo: Repo, revision: str, body: bytes) -> Answer:
        tree = repo.commits[repo.resolve(revision)]
        wanted = parse_qs(body.decode())["paths"]
        found = [_entry(path, tree[path]) for path in wanted if path in tree]
        return _json(
            found + [{"type": "directory", "path": p, "oid": "0" * 40} for p in wanted if p in _folders(tree)]
        )

    def _preupload(self, repo: Repo, revision: str, wanted: Mapping[str, list[dict[str, str]]]) -> Answer:
        tree = repo.commits[repo.resolve(revision)]
        files = []
        for each in wanted["files"]:
            old, mode = tree.get(each["path"]), "lfs" if each["path"].endswith(LFS_SUFFIXES) else "regular"
            oid = (old.lfs or old.blob) if old else None
            files.append({"path": each["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return _json({"files": files})

    def _commit(self, name: str, branch: str, body: bytes, fault: Action | None) -> Answer:
        repo = self._repo(name)
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        head = repo.resolve(branch)
        if header.get("parentCommit", head) != head:
            raise Refusal(412, "", "A commit has happened since")
        files = dict(repo.commits[head])
        changed = lines[1:-1] if fault is Action.LOSE_FILE else lines[1:]
        for line in changed:
            value = line["value"]
            if line["key"] == "deletedFile":
                del files[value["path"]]
            elif line["key"] == "file":
                data = base64.b64decode(value["content"])
                data = _other_byte(data) if fault is Action.CORRUPT else data
                files[value["path"]] = File(data, size=len(data))
            else:
                if value["oid"] not in self.hub.store:
                    raise Refusal(400, "", f"{value['path']}: its content was never uploaded")
                files[value["path"]] = File(lfs=value["oid"], size=len(self.hub.store[value["oid"]]))
        sha = repo.commit(branch, files, header["summary"], header["description"])
        url = f"{self.hub.endpoint}/datasets/{name}/commit/{sha}"
        return _json({"success": True, "commitOid": sha, "commitUrl": url})

    def _branch(self, repo: Repo, name: str, wanted: Mapping[str, str]) -> Answer:
        if name in repo.branches:
            raise Refusal(409, "", "Reference already exists")
        repo.branches[name] = repo.resolve(wanted.get("startingPoint", "main"))
        return _json({})

    def _delete_branch(self, repo: Repo, name: str) -> Answer:
        if repo.branches.pop(name, None) is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {name}")
        return _json({})

    def _tag(self, repo: Repo, revision: str, wanted: Mapping[str, str]) -> Answer:
        if wanted["tag"] in repo.tags:
            raise Refusal(409, "", "Tag reference exists already")
        repo.tags[wanted["tag"]] = repo.resolve(revision)
        repo.told[wanted["tag"]] = wanted.get("message", "")
        return _json({})


def _other_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@contextmanager
def serve() -> Iterator[Hub]:
    """A running server on a free port; its address is `hub.endpoint`."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
