"""The pure parts of publishing: what differs, what comes next, how long to wait."""

from __future__ import annotations

import email.utils
import errno
import hashlib
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError
from hypothesis import given
from hypothesis import strategies as st

from routerset.release.publish import client
from routerset.release.publish.client import Patience
from routerset.release.publish.errors import (
    DiskFull,
    PublishError,
    PublishRefused,
    ServiceUnavailable,
    explain,
)
from routerset.release.publish.plan import (
    Head,
    Remote,
    Revision,
    Step,
    TargetFile,
    changes,
    latest_of,
    next_step,
    read_sealed,
    versions_in,
)
from routerset.release.publish.published import Ending, Published, worth_telling
from tests.publish.conftest import Versions
from tests.publish.test_hub import content


def remote_files(data: dict[str, bytes]) -> dict[str, TargetFile]:
    """Files as the Hub lists them: large ones by SHA-256, small ones by Git's name."""
    return {
        path: TargetFile(hashlib.sha256(d).hexdigest(), "0")
        if path.endswith(".parquet")
        else TargetFile(None, hashlib.sha1(b"blob %d\0" % len(d) + d).hexdigest())
        for path, d in data.items()
    }


def test_changes_are_what_differs(versions: Versions) -> None:
    first, second = content(versions.first), content(versions.second)
    sealed = read_sealed(versions.second)
    assert not changes(sealed, remote_files(second) | {".gitattributes": TargetFile(None, "1")})
    found = changes(sealed, remote_files(first | {"old.txt": b""}))
    assert found.send == tuple(path for path in second if second[path] != first.get(path))
    assert found.remove == ("old.txt",)


@given(st.data())
def test_every_start_leads_to_the_end(versions: Versions, data: st.DataObject) -> None:
    """From any mix of things that an earlier run left, the steps end, and main moves only when verified."""
    old, new = read_sealed(versions.first), read_sealed(versions.second)
    at = {
        "old": Revision("old", remote_files(content(versions.first))),
        "new": Revision("new", remote_files(content(versions.second))),
    }
    heads = {
        "old": Head(at["old"], "", old.manifest, old.sums),
        "new": Head(at["new"], "", new.manifest, new.sums),
    }
    main = data.draw(st.sampled_from(["old", "new"]))
    branch = data.draw(st.sampled_from([None, "old", "new"]))
    tags = {"1.0.0"} if main == "new" or data.draw(st.booleans()) else set[str]()
    verified: str | None = None
    steps = []
    while not steps or steps[-1] is not Step.DONE:
        tagged = at["new"] if "1.1.0" in tags else None
        latest = at["new"] if tagged else at["old"] if tags else None
        there = at[branch] if branch else None
        remote = Remote("org/tiny", heads[main], there, tagged, latest, frozenset(tags))
        steps.append(next_step(new, remote, verified))
        match steps[-1]:
            case Step.BRANCH:
                branch = "old"
            case Step.UPLOAD:
                branch = "new"
            case Step.VERIFY:
                verified = branch
            case Step.MOVE:
                assert (branch, verified) == ("new", "new")
                main = "new"
            case Step.TAG:
                tags.add(str(remote.untagged))
            case Step.CLEAN:
                branch = None
        assert len(steps) < 10
    assert (main, branch, "1.1.0" in tags) == ("new", None, True)


def test_versions_are_compared_as_numbers() -> None:
    names = ["v1.9.0", "v1.10.0", "v2", "main", "v01.0.0", "1.11.0"]
    assert versions_in(names) == {"1.9.0", "1.10.0"}
    assert latest_of(versions_in(names)) == "1.10.0"
    assert latest_of([]) is None


def test_waits_double_up_to_a_limit_and_follow_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    told: list[str] = []
    for failures, asked in ((1, 0), (2, 0), (3, 0), (4, 0), (1, 7), (1, 10**9)):
        Patience(5, 2.0, 10.0).wait(failures, ServiceUnavailable("down", asked), told.append)
    assert waited == [2, 4, 8, 10, 7, 50]
    assert told[0] == "down; waiting 2 s"
    with pytest.raises(ServiceUnavailable, match="down"):
        Patience(5).wait(5, ServiceUnavailable("down"), told.append)


def answer(status: int, **headers: str) -> HfHubHTTPError:
    request = httpx2.Request("POST", "https://huggingface.co/api/datasets/org/name/commit/main")
    response = httpx2.Response(status, request=request, headers=headers)
    return HfHubHTTPError("no", response=response, server_message="said hf_secret")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(401), PublishRefused),
        (answer(403), PublishRefused),
        (answer(404), PublishRefused),
        (answer(400), PublishError),
        (answer(413), PublishError),
        (answer(409), ServiceUnavailable),
        (answer(412), ServiceUnavailable),
        (answer(429), ServiceUnavailable),
        (answer(503), ServiceUnavailable),
        (answer(404, **{"X-Error-Code": "RevisionNotFound"}), ServiceUnavailable),
        (httpx2.ReadTimeout("hf_secret"), ServiceUnavailable),
        (ConnectionResetError("hf_secret"), ServiceUnavailable),
        (RuntimeError("hf_secret"), ServiceUnavailable),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
    ],
)
def test_errors_are_explained_without_the_token(error: Exception, kind: type[PublishError]) -> None:
    found = explain(error, "hf://datasets/org/name", "hf_secret")
    assert type(found) is kind
    assert "hf_secret" not in str(found)


def test_the_service_says_how_long_to_wait() -> None:
    found = explain(answer(429, **{"Retry-After": "30"}), "here", None)
    assert isinstance(found, ServiceUnavailable)
    assert found.after == 30


def test_a_bug_is_not_explained() -> None:
    assert explain(KeyError("x"), "here", None) is None


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_what_is_told_is_short(sent: int, removed: int, news: int) -> None:
    told = Published(
        "hf://datasets/org/name",
        "1.0.0",
        Ending.PUBLISHED,
        "0" * 64,
        {f"data/{number}": number for number in range(sent)},
        tuple(f"old/{number}" for number in range(removed)),
        news="\n".join(["## v1.0.0", "", *(f"- change {number}" for number in range(news))]),
    ).text()
    assert len(told.splitlines()) < 16
    assert f"{sent * (sent - 1) // 2:>15,}  bytes in {sent} files" in told


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 65, 1000])
def test_progress_is_told_in_thirds(total: int) -> None:
    told = [done for done in range(1, total + 1) if worth_telling(done, total)]
    assert (len(told), told[-1]) == (min(total, 3), total)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("30", 30), ("", 0), ("soon", 0), ("-5", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_a_wish_to_wait_is_a_number_or_a_date(asked: str, seconds: float) -> None:
    found = explain(answer(429, **{"Retry-After": asked}), "here", None)
    assert isinstance(found, ServiceUnavailable)
    assert found.after == seconds


def test_a_date_to_come_is_waited_for() -> None:
    date = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    found = explain(answer(429, **{"Retry-After": date}), "here", None)
    assert isinstance(found, ServiceUnavailable)
    assert 60 < found.after <= 90
