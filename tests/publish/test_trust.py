"""What is published is compared, not trusted, and nothing that others did to it is undone without a word."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from routerset.release.build import seal as reseal
from routerset.release.files import read_checksums
from routerset.release.publish import folder as publish_folder
from routerset.release.publish import sign
from routerset.release.publish.errors import PublishError, PublishRefused
from routerset.release.publish.hub import publish
from routerset.release.publish.published import Ending
from routerset.release.publish.work import work_folder
from routerset.schemas.checksums import SIGNATURE, seal
from tests.publish.clients import Order, Publisher
from tests.publish.conftest import REPOSITORY, Versions
from tests.publish.hub_store import WRITER, Action, Fault, Hub
from tests.publish.test_hub import NAME, changed, content, run

CONSOLE = [str(Path(sys.executable).with_name("routerset"))]


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to publish to; what arrives is not loaded, which takes seconds."""
    monkeypatch.setattr(publish_folder, "check_arrival", lambda *_: [])
    return tmp_path / "target"


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


TAMPERINGS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "removed": ("scores/gsm8k.parquet", lambda v: (v / "scores/gsm8k.parquet").unlink()),
    "changed": ("models.parquet", lambda v: (v / "models.parquet").write_bytes(b"x")),
    "small file changed": ("LICENSE", lambda v: (v / "LICENSE").write_text("mine\n")),
    "added": ("evaluator/more.py", lambda v: (v / "evaluator/more.py").write_text("pass\n")),
    "list removed": ("SHA256SUMS", lambda v: (v / "SHA256SUMS").unlink()),
    "manifest removed": ("manifest.json", lambda v: (v / "manifest.json").unlink()),
    "a link": ("models.parquet, a link", lambda v: _link(v / "models.parquet")),
    "a pipe": ("more, a named pipe", lambda v: os.mkfifo(v / "more")),
    "the manifest a pipe": (
        "manifest.json",
        lambda v: ((v / "manifest.json").unlink(), os.mkfifo(v / "manifest.json")),
    ),
    "a folder removed": ("data/arc/test.parquet", lambda v: shutil.rmtree(v / "data/arc")),
    "itself a link": ("a link, or no folder", _link),
    "itself a file": ("a link, or no folder", lambda v: (shutil.rmtree(v), v.write_text("x"))),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_published_version_that_was_altered_is_told(
    target: Path, versions: Versions, tampering: str
) -> None:
    publish(versions.first, str(target))
    path, tamper = TAMPERINGS[tampering]
    tamper(target / "v1.0.0")
    with pytest.raises(PublishError, match="not any more what was published") as refused:
        publish(versions.first, str(target))
    assert (refused.value.exit_code, path in str(refused.value)) == (1, True)
    assert "put back what belongs there" in str(refused.value)


def test_a_version_altered_with_its_list_is_told(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    (target / "v1.0.0/LICENSE").write_text("mine\n")
    reseal(target / "v1.0.0")
    with pytest.raises(PublishRefused, match=r"with other content \(LICENSE\)"):
        publish(versions.first, str(target))


def test_what_is_not_linked_since_it_was_altered_is_told(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    (target / "v1.0.0/groups.parquet").write_bytes(b"damaged")
    told: list[str] = []
    publish(versions.second, str(target), progress=told.append)
    assert [line for line in told if "v1.0.0/groups.parquet: not any more what was published" in line]


def test_latest_moves_with_a_word_and_only_if_it_is_a_link(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    (target / "latest").unlink()
    (target / "latest").symlink_to("../elsewhere")
    told: list[str] = []
    publish(versions.first, str(target), progress=told.append)
    assert told == ["latest pointed at ../elsewhere, and points at v1.0.0"]
    (target / "latest").unlink()
    (target / "latest").write_text("mine\n")
    with pytest.raises(PublishRefused, match="latest is no link"):
        publish(versions.first, str(target))
    assert (target / "latest").read_text() == "mine\n"


def test_a_draft_that_is_a_link_is_not_followed(target: Path, versions: Versions, tmp_path: Path) -> None:
    target.mkdir()
    (tmp_path / "mine").mkdir()
    (target / ".v1.0.0.draft").symlink_to(tmp_path / "mine")
    assert publish(versions.first, str(target)).ending is Ending.PUBLISHED
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "folder link", "dangling link", "pipe", "socket", "device"])
@pytest.mark.parametrize("place", ["LICENSE", "manifest.json", "SHA256SUMS", "more", "reports/more"])
def test_a_release_of_other_things_than_files_is_not_published(
    target: Path, versions: Versions, tmp_path: Path, place: str, kind: str
) -> None:
    release = shutil.copytree(versions.first, tmp_path / "release")
    path = release / place
    path.parent.mkdir(exist_ok=True)
    secret = tmp_path / "secret"
    if kind == "link" and path.exists():
        path.rename(secret)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind in ("socket", "device"):
        mode = stat.S_IFSOCK if kind == "socket" else stat.S_IFCHR
        try:
            os.mknod(path, mode | 0o600, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root makes devices")
    else:
        path.symlink_to({"link": secret, "folder link": tmp_path, "dangling link": "nowhere"}[kind])
    with pytest.raises(PublishError, match=f"not published: .*{place}, ") as refused:
        publish(release, str(target))
    assert (refused.value.exit_code, target.exists()) == (1, False)


EDITS: dict[str, Callable[[Hub], object]] = {
    "README.md": lambda hub: hub.add(NAME, {"README.md": b"# a better card\n"}),
    "LICENSE": lambda hub: hub.add(NAME, {"LICENSE": b"mine\n"}),
    "models.parquet": lambda hub: hub.add(NAME, {"models.parquet": b"x"}),
    "scores/gsm8k.parquet": lambda hub: hub.remove(NAME, "scores/gsm8k.parquet"),
}


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("path", EDITS)
def test_what_others_changed_on_main_is_not_overwritten_without_a_word(
    published: Hub, versions: Versions, path: str, again: bool
) -> None:
    EDITS[path](published)
    commit, release = published.repos[NAME].branches["main"], versions.first if again else versions.second
    told = run(release)
    assert (told.code, changed(published)) == (1, [])
    for words in (
        f"{REPOSITORY}: main differs from v1.0.0, since commit {commit}",
        "'someone else'",
        path,
        "--overwrite",
    ):
        assert words in told.message
    told = run(release, overwrite=True)
    assert (told.code, told.message) == (0, "")
    assert f"what others changed on main is overwritten: {path}" in told.steps
    assert published.read(NAME, "main") == content(release)
    assert run(release).result.ending is Ending.UNCHANGED


def test_what_others_change_meanwhile_is_not_overwritten(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("POST", "/commit/main", Action.KILL_BEFORE))
    published.kills.put(lambda: EDITS["README.md"](published))
    told = run(versions.second)
    assert (told.code, "README.md" in told.message) == (1, True)
    assert published.read(NAME, "main")["README.md"] == b"# a better card\n"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_added_on_main_is_told_and_stays(published: Hub, versions: Versions, overwrite: bool) -> None:
    published.add(NAME, {"notes.txt": b"mine\n"})
    told = run(versions.first, overwrite=overwrite)
    assert (told.code, "notes.txt" in told.message) == (2 if overwrite else 1, True)
    assert published.read(NAME, "main")["notes.txt"] == b"mine\n"


def test_an_edit_before_the_tag_is_told(published: Hub, versions: Versions) -> None:
    """The publisher was killed between its last two steps, and then somebody edited the card."""
    del published.repos[NAME].tags["v1.0.0"]
    EDITS["README.md"](published)
    for release in (versions.first, versions.second):
        told = run(release)
        assert (told.code, "README.md" in told.message) == (1, True)
    assert published.repos[NAME].tags == {}


@pytest.mark.parametrize("request_", ["/refs", "/commit/publish", "/commit/main", "/tag/"])
def test_a_repository_deleted_midway_is_not_made_anew(
    published: Hub, versions: Versions, request_: str
) -> None:
    method = "GET" if request_ == "/refs" else "POST"
    published.faults.append(Fault(method, request_, Action.KILL_BEFORE, after=int(method == "GET")))
    published.kills.put(lambda: published.repos.pop(NAME))
    told = run(versions.second)
    assert (told.code, "was there, and is not any more" in told.message) == (1, True)
    assert published.repos == {}
    told = run(versions.second)
    assert told.code == 0
    assert [step for step in told.steps if "the new one will hold v1.1.0 alone" in step]


def test_a_tag_that_stands_elsewhere_is_named_with_the_way_to_remove_it(
    published: Hub, versions: Versions
) -> None:
    commit = published.repos[NAME].tags["v1.1.0"] = published.repos[NAME].branches["main"]
    told = run(versions.second)
    assert told.code == 2
    assert f"tag v1.1.0 at commit {commit}" in told.message
    assert "`hf repos tag delete org/tiny v1.1.0 --type dataset`" in told.message
    del published.repos[NAME].tags["v1.1.0"]
    assert run(versions.second).code == 0


def test_a_killed_publisher_leaves_no_folder_for_long(
    hub: Hub, versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    (shared / "routerset-publish-link").symlink_to(tmp_path)
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr(tempfile, "tempdir", None)
    command = [*CONSOLE, "publish", str(versions.first.parent), "--to", REPOSITORY]
    hub.faults.append(Fault("POST", "/repos/create", Action.KILL_BEFORE))
    publisher = subprocess.Popen(command, env=os.environ | {"HF_TOKEN": WRITER}, stderr=subprocess.DEVNULL)
    hub.kills.put(publisher.kill)
    assert publisher.wait() == -9
    assert len(list(shared.glob("routerset-*"))) == 2
    publish(versions.first, str(tmp_path / "target"), dry_run=True)
    assert [path.name for path in shared.glob("routerset-*")] == ["routerset-publish-link"]


def test_the_digest_is_told_everywhere(hub: Hub, versions: Versions) -> None:
    told = run(versions.first)
    digest = f"SHA256SUMS seal: {seal(read_checksums(versions.first))}"
    repo = hub.repos[NAME]
    assert repo.texts[repo.branches["main"]] == repo.told["v1.0.0"] == digest
    assert digest in told.result.text().splitlines()
    (line,) = run(versions.first).result.text().splitlines()
    assert line.endswith(digest)
    command = "grep -v '  CHANGELOG.md$' SHA256SUMS | sha256sum"
    done = subprocess.run(["bash", "-c", command], cwd=versions.first, capture_output=True, check=True)
    assert digest.split()[-1] == done.stdout.decode().split()[0]


def test_a_tag_made_up_for_carries_the_digest_of_its_version(published: Hub, versions: Versions) -> None:
    del published.repos[NAME].tags["v1.0.0"]
    assert run(versions.second).code == 0
    for version, release in (("v1.0.0", versions.first), ("v1.1.0", versions.second)):
        digest = f"SHA256SUMS seal: {seal(read_checksums(release))}"
        assert published.repos[NAME].told[version] == digest


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SSH key without a passphrase, and `signers`, the file that names who may sign."""
    path = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path], check=True)
    path.with_name("signers").write_text("me@example.org " + path.with_suffix(".pub").read_text())
    return path


def verified(release: dict[str, bytes], key: Path, folder: Path) -> bool:
    """Whether `ssh-keygen -Y verify`, as the docs say it, takes the signature."""
    folder.mkdir(exist_ok=True)
    (folder / SIGNATURE).write_bytes(release[SIGNATURE])
    command = ["ssh-keygen", "-Y", "verify", "-f", key.with_name("signers"), "-I", "me@example.org"]
    command += ["-n", "routerset", "-s", folder / SIGNATURE]
    done = subprocess.run(command, input=release["SHA256SUMS"], capture_output=True, check=False)
    return done.returncode == 0


def test_a_signed_release_is_verified_by_ssh_keygen(
    hub: Hub, versions: Versions, key: Path, tmp_path: Path
) -> None:
    """The signature of such a key is another one each time, which is no other content."""
    assert run(versions.first, sign=key, trusting=False).message == ""
    found = hub.read(NAME, "v1.0.0")
    assert found == content(versions.first) | {SIGNATURE: found[SIGNATURE]} == hub.read(NAME, "main")
    assert verified(found, key, tmp_path / "1")
    assert not verified(found | {"SHA256SUMS": b"other\n"}, key, tmp_path / "1")
    for signed in (key, None):
        assert run(versions.first, sign=signed).result.ending is Ending.UNCHANGED
    assert run(versions.second).code == 0
    assert SIGNATURE not in hub.read(NAME, "main")


def test_a_folder_holds_the_signature(target: Path, versions: Versions, key: Path, tmp_path: Path) -> None:
    for _ in range(2):
        publish(versions.first, str(target), sign=key)
    found = {**content(target / "v1.0.0"), SIGNATURE: (target / "v1.0.0" / SIGNATURE).read_bytes()}
    assert verified(found, key, tmp_path / "1")
    assert not (versions.first / SIGNATURE).exists()
    again = publish(target / "v1.0.0", str(tmp_path / "other"))
    assert again.ending is Ending.PUBLISHED
    assert (tmp_path / "other/v1.0.0" / SIGNATURE).read_bytes() == found[SIGNATURE]


@pytest.mark.parametrize("place", ["hub", "folder"])
def test_what_is_published_unsigned_stays_so_with_a_word(
    published: Hub, target: Path, versions: Versions, key: Path, place: str
) -> None:
    publish(versions.first, str(target))
    order = Order(versions.first, REPOSITORY if place == "hub" else str(target), WRITER, sign=key)
    told = Publisher(order).wait()
    assert (told.code, "v1.0.0 is published without a signature" in told.message) == (2, True)


def test_a_key_that_is_none_is_told(target: Path, versions: Versions, tmp_path: Path) -> None:
    for path, text in (("none", None), ("text", "no key\n")):
        if text:
            (tmp_path / path).write_text(text)
        with pytest.raises(PublishRefused, match=f"--sign .*{path}: ssh-keygen: ") as refused:
            publish(versions.first, str(target), sign=tmp_path / path)
        assert refused.value.exit_code == 2
    assert not target.exists()


def test_a_machine_without_ssh_keygen_is_told(
    target: Path, versions: Versions, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PublishRefused, match="ssh-keygen, which is not installed: install OpenSSH"):
        publish(versions.first, str(target), sign=key)
    assert sign.NAMESPACE == "routerset"


@pytest.mark.parametrize("name", ["org/-x", "org/a..b", "org/x."])
def test_a_name_that_no_repository_has_is_told(hub: Hub, versions: Versions, name: str) -> None:
    told = run(versions.first, to=f"hf://datasets/{name}")
    assert (told.code, told.message.startswith(f"hf://datasets/{name}: ")) == (2, True)


@pytest.mark.parametrize("private", [True, False])
def test_only_for_a_private_repository_the_check_gets_the_token(
    published: Hub, versions: Versions, private: bool
) -> None:
    published.repos[NAME].private = private
    publisher = run(versions.second, trusting=False, spy=True)
    assert publisher.code == 0
    environment = next(step for step in publisher.steps if step.startswith("environment: "))
    assert (WRITER in environment, "SECRET" in environment) == (private, False)


def test_a_folder_in_use_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with work_folder() as first, work_folder() as second:
        assert first.is_dir()
        assert second.is_dir()
    assert list(tmp_path.iterdir()) == []
