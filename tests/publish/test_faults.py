"""Whatever fails: readers see the old version or the new one, and the same command finishes."""

from __future__ import annotations

import re

import pytest

from routerset.release.publish.work import work_folder
from tests.publish.clients import Order, Publisher, Told
from tests.publish.conftest import REPOSITORY, Versions
from tests.publish.hub_store import STRANGE, WRITER, Action, Fault, Hub
from tests.publish.test_hub import NAME, content, run

CHANGES = (
    ("POST", "/branch/"),
    ("POST", "/preupload/"),
    ("POST", "/objects/batch"),
    ("PUT", "/lfs/"),
    ("POST", "/validate-yaml"),
    ("POST", "/commit/publish-v1.1.0"),
    ("POST", "/paths-info/"),
    ("POST", "/commit/main"),
    ("POST", "/tag/"),
    ("DELETE", "/branch/"),
)
LOOKS = (("GET", "/refs"), ("GET", "/tree/"), ("HEAD", "/resolve/.*SHA256SUMS"), ("GET", "/resolve/"))


def whole(hub: Hub, versions: Versions) -> None:
    """Readers see versions as they were built, on main and under every tag."""
    built = {"v1.0.0": content(versions.first), "v1.1.0": content(versions.second)}
    assert hub.read(NAME, "main") in built.values()
    assert {tag: hub.read(NAME, tag) for tag in hub.repos[NAME].tags} == {
        tag: built[tag] for tag in hub.repos[NAME].tags
    }


def finished(hub: Hub, versions: Versions, told: Told) -> None:
    """The second version is out."""
    assert (told.code, told.message) == (0, "")
    whole(hub, versions)
    assert hub.read(NAME, "main") == content(versions.second)
    assert sorted(hub.repos[NAME].tags) == ["v1.0.0", "v1.1.0"]
    assert sorted(hub.repos[NAME].branches) == ["main"]


@pytest.mark.parametrize("request_", [*CHANGES, *LOOKS], ids=" ".join)
def test_faults_that_pass_are_waited_for(
    published: Hub, versions: Versions, request_: tuple[str, str]
) -> None:
    """500, then 429, then a connection that breaks before the request is carried out, then one after that."""
    actions = (Action.ERROR, Action.BUSY, Action.CLOSE, Action.LOSE_ANSWER)
    published.faults += [Fault(*request_, action) for action in actions]
    finished(published, versions, run(versions.second))
    assert [fault.times for fault in published.faults] == [0, 0, 0, 0]


@pytest.mark.parametrize("request_", [*CHANGES, *LOOKS], ids=" ".join)
def test_a_service_that_stays_down_is_told(
    published: Hub, versions: Versions, request_: tuple[str, str]
) -> None:
    published.faults.append(Fault(*request_, Action.ERROR, times=1000))
    told = run(versions.second)
    assert told.code == 75
    assert told.message.startswith(f"{REPOSITORY}: the Hub answered 500 (")
    whole(published, versions)
    published.faults.clear()
    finished(published, versions, run(versions.second))


def test_a_server_that_is_not_there_is_told(
    published: Hub, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.faults.append(Fault("GET", ".", Action.CLOSE, times=1000))
    told = run(versions.second)
    assert (told.code, told.message.split(" (")[0]) == (75, f"{REPOSITORY}: no connection")


@pytest.mark.parametrize("when", [Action.KILL_BEFORE, Action.KILL_AFTER])
@pytest.mark.parametrize("request_", CHANGES, ids=" ".join)
def test_a_publisher_killed_at_a_request(
    published: Hub, versions: Versions, request_: tuple[str, str], when: Action
) -> None:
    published.faults.append(Fault(*request_, when))
    publisher = Publisher(Order(versions.second, REPOSITORY, WRITER))
    published.kills.put(publisher.kill)
    assert publisher.wait().code == -9
    whole(published, versions)
    finished(published, versions, run(versions.second))


@pytest.mark.parametrize("step", range(7))
def test_a_publisher_killed_at_a_step(published: Hub, versions: Versions, step: int) -> None:
    told = run(versions.second, die_at=step)
    assert (told.code, len(told.steps)) == (-9, step + 1)
    whole(published, versions)
    finished(published, versions, run(versions.second))


def test_what_a_killed_publisher_sent_is_not_sent_again(published: Hub, versions: Versions) -> None:
    changed = [
        path for path, data in content(versions.second).items() if data != content(versions.first).get(path)
    ]
    n = len(changed)
    assert run(versions.second, die_at=2).steps[-1] == f"sent {n} of {n} files"
    published.requests.clear()
    finished(published, versions, run(versions.second))
    assert [request for request in published.requests if request.method == "PUT"] == []


def test_a_new_version_finishes_the_one_before(published: Hub, versions: Versions) -> None:
    del published.repos[NAME].tags["v1.0.0"]
    finished(published, versions, run(versions.second))


def test_a_version_killed_before_its_tag_is_not_replaced(published: Hub, versions: Versions) -> None:
    del published.repos[NAME].tags["v1.0.0"]
    told = run(versions.other)
    assert (told.code, "v1.0.0 is published, with other content" in told.message) == (2, True)
    assert published.read(NAME, "v1.0.0") == content(versions.first)


def test_a_branch_left_by_another_build_is_overwritten(published: Hub, versions: Versions) -> None:
    published.repos[NAME].branches["publish-v1.1.0"] = published.repos[NAME].branches["main"]
    published.add(NAME, {"scores/gsm8k.parquet": b"old", "more.txt": b"old"}, "publish-v1.1.0")
    finished(published, versions, run(versions.second))


@pytest.mark.parametrize("branch", ["publish-v1.1.0", "main"])
@pytest.mark.parametrize("action", [Action.LOSE_FILE, Action.CORRUPT])
def test_a_damaged_commit_is_made_good(
    published: Hub, versions: Versions, branch: str, action: Action
) -> None:
    published.faults.append(Fault("POST", f"/commit/{branch}", action))
    finished(published, versions, run(versions.second))
    assert published.faults[0].times == 0


@pytest.mark.parametrize("branch", ["publish-v1.1.0", "main"])
def test_a_publisher_killed_after_a_damaged_commit(published: Hub, versions: Versions, branch: str) -> None:
    published.faults.append(Fault("POST", f"/commit/{branch}", Action.LOSE_FILE))
    published.faults.append(Fault("GET", "/refs", Action.KILL_BEFORE, after=3 if branch == "main" else 2))
    publisher = Publisher(Order(versions.second, REPOSITORY, WRITER))
    published.kills.put(publisher.kill)
    assert publisher.wait().code == -9
    finished(published, versions, run(versions.second))


def test_a_commit_that_is_always_damaged_is_told(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("POST", "/commit/publish", Action.LOSE_FILE, times=1000))
    told = run(versions.second)
    assert (told.code, "upload: done 3 times" in told.message) == (1, True)
    assert published.read(NAME, "main") == content(versions.first)
    published.faults.clear()
    finished(published, versions, run(versions.second))


def test_a_byte_changed_on_the_way_up_is_sent_again(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("PUT", "/lfs/", Action.CORRUPT, times=2))
    finished(published, versions, run(versions.second))


def test_a_byte_changed_in_the_store_is_found(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("PUT", "/lfs/", Action.ROT))
    told = run(versions.second, trusting=False)
    assert told.code == 1
    assert re.search(
        r"what arrived is wrong: (scores/gsm8k|models|runs)\.parquet: found SHA-256", told.message
    )
    assert "main is as before; delete branch publish-v1.1.0" in told.message
    assert published.read(NAME, "main") == content(versions.first)
    assert sorted(published.repos[NAME].tags) == ["v1.0.0"]


@pytest.mark.parametrize("action", [Action.CORRUPT, Action.HALF])
def test_a_byte_changed_on_the_way_down_is_read_again(
    published: Hub, versions: Versions, action: Action
) -> None:
    """Meanwhile another publisher starts, and removes what killed ones have left."""

    def another() -> None:
        with work_folder():
            pass

    path = r"/resolve/.*/scores/gsm8k\.parquet"
    published.faults += [Fault("GET", path, action), Fault("GET", path, Action.KILL_BEFORE)]
    published.kills.put(another)
    told = run(versions.second, trusting=False)
    finished(published, versions, told)
    assert [fault.times for fault in published.faults] == [0, 0]


def test_a_full_disk_is_told(published: Hub, versions: Versions) -> None:
    told = Publisher(Order(versions.second, REPOSITORY, WRITER, trusting=False, full_disk=True)).wait()
    assert (told.code, "File too large; free some space" in told.message) == (3, True)
    assert published.read(NAME, "main") == content(versions.first)
    finished(published, versions, run(versions.second))


def test_somebody_else_publishes_at_the_same_time(published: Hub, versions: Versions) -> None:
    publishers = [Publisher(Order(versions.second, REPOSITORY, WRITER)) for _ in range(3)]
    assert [publisher.wait().code for publisher in publishers] == [0, 0, 0]
    finished(published, versions, run(versions.second))


def test_what_somebody_else_commits_meanwhile_stays(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("POST", "/commit/main", Action.KILL_BEFORE))
    published.kills.put(lambda: published.add(NAME, {"notes.txt": b"mine\n"}))
    told = run(versions.second)
    assert told.code == 2
    assert "found files that no release put there: notes.txt" in told.message
    assert published.read(NAME, "main") == content(versions.first) | {"notes.txt": b"mine\n"}


def test_the_token_is_never_repeated(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("POST", "/branch/", Action.ECHO))
    told = run(versions.second)
    assert told.code == 1
    assert "no idea what to do with Bearer <HF_TOKEN>" in told.message
    assert WRITER not in told.message + "".join(told.steps)


READ = tuple(r for r in (*CHANGES, *LOOKS) if r not in {("PUT", "/lfs/"), ("POST", "/validate-yaml")})
"""Requests whose answer says something."""


@pytest.mark.parametrize("strange", [*STRANGE, Action.LOOP])
@pytest.mark.parametrize("request_", READ, ids=" ".join)
def test_an_answer_that_is_none_is_told(
    published: Hub, versions: Versions, request_: tuple[str, str], strange: Action
) -> None:
    """Where the answer does not matter, what it answers to is looked up again."""
    published.faults.append(Fault(*request_, strange, times=1000))
    told = run(versions.second)
    assert (told.code, told.message[: len(REPOSITORY)]) == (75, REPOSITORY)
    assert len([step for step in told.steps if "; waiting " in step or " again" in step]) >= 2
    whole(published, versions)
    published.faults.clear()
    finished(published, versions, run(versions.second))


@pytest.mark.parametrize("request_", [*CHANGES, *LOOKS], ids=" ".join)
def test_an_answer_that_is_none_is_asked_for_again(
    published: Hub, versions: Versions, request_: tuple[str, str]
) -> None:
    strange = (Action.HTML, Action.NULL, Action.DEEP)
    published.faults += [Fault(*request_, action) for action in strange[: 2 if request_ in CHANGES else 3]]
    finished(published, versions, run(versions.second))


@pytest.mark.parametrize("strange", [*STRANGE, Action.LOOP, Action.CONFLICT, Action.HOLD, Action.DRIP])
def test_an_answer_that_is_none_to_create_is_told(hub: Hub, versions: Versions, strange: Action) -> None:
    hub.faults.append(Fault("POST", "/repos/create", strange, times=1000))
    told = run(versions.first, answer_within=0.5)
    assert (told.code, told.message[: len(REPOSITORY)]) == (75, REPOSITORY)
    assert hub.repos == {}
    hub.faults.clear()
    assert run(versions.first).code == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("strange", STRANGE)
def test_an_error_that_says_nothing_readable_is_told(
    published: Hub, versions: Versions, strange: Action, status: int
) -> None:
    published.faults.append(Fault("POST", "/branch/", strange, times=1000, status=status))
    told = run(versions.second)
    assert (told.code in (1, 2, 75), told.message[: len(REPOSITORY)]) == (True, REPOSITORY)
    assert told.code == 75 or status < 429


@pytest.mark.parametrize("action", [Action.HOLD, Action.DRIP])
@pytest.mark.parametrize("request_", [*CHANGES, *LOOKS], ids=" ".join)
def test_an_answer_that_never_comes_is_not_waited_for(
    published: Hub, versions: Versions, request_: tuple[str, str], action: Action
) -> None:
    if action is Action.DRIP and request_[0] == "HEAD":
        pytest.skip("an answer to HEAD has no body")
    published.faults.append(Fault(*request_, action, times=2))
    told = run(versions.second, answer_within=0.5)
    finished(published, versions, told)
    waits = len([step for step in told.steps if "; waiting " in step])
    assert waits == 2 or (waits == 1 and request_[0] == "PUT")  # files are sent side by side


@pytest.mark.parametrize(
    "later",
    ["", "soon", "-5", "1e9", "\u00b2", "9" * 5000, "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 99 Foo"],
)
@pytest.mark.parametrize("request_", [("GET", "/refs"), ("POST", "/preupload/"), ("POST", "/commit/main")])
def test_any_wish_to_wait_is_understood(
    published: Hub, versions: Versions, request_: tuple[str, str], later: str
) -> None:
    published.faults.append(Fault(*request_, Action.BUSY, later=later))
    finished(published, versions, run(versions.second))


def test_a_list_without_end_is_told(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("GET", "/tree/", Action.PAGES, times=1_000_000))
    told = run(versions.second)
    assert (told.code, "found a list of more than 1,000 pages" in told.message) == (75, True)


@pytest.mark.parametrize("action", [Action.HALF, Action.CORRUPT])
@pytest.mark.parametrize("path", ["manifest.json", "SHA256SUMS"])
def test_a_body_that_comes_damaged_is_asked_for_again(
    published: Hub, versions: Versions, path: str, action: Action
) -> None:
    published.faults.append(Fault("GET", f"/resolve/.*/{path}", action, times=2))
    finished(published, versions, run(versions.second))
    published.faults[0].times = 1000
    del published.repos[NAME].tags["v1.1.0"]
    told = run(versions.second)
    assert (told.code, path in told.message) == (75, True)
