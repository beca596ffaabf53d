"""What publishing does to a target, or would do, to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from routerset.release import layout
from routerset.release.publish.plan import SEAL, Sealed, TargetFile, changes, some
from routerset.schemas.escape import plain

_SHOWN = 4
"""Lines of a list, at most: a run prints fewer than 30 in all."""


class Ending(StrEnum):
    """How publishing ended."""

    PUBLISHED = "published"
    UNCHANGED = "nothing to do, published already"
    PLANNED = "would be published"


@dataclass(frozen=True)
class Published:
    """What was done, or would be.

    sent: path -> bytes of the files that had to be sent; removed: files that the version before had and this
    one has not; kept: how many files are those of the version before. seal: the digest of the release. news:
    the changelog of this version.
    """

    target: str
    version: str
    ending: Ending
    seal: str
    sent: Mapping[str, int] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    kept: int = 0
    news: str = ""

    @property
    def bytes_sent(self) -> int:
        """Size of the files that had to be sent; what the target held of them already counts too."""
        return sum(self.sent.values())

    def text(self) -> str:
        """Files, bytes and what changed, to be printed; the largest files only, and the first of the news."""
        head = plain(f"{self.target}: v{self.version} {self.ending}")
        if self.ending is Ending.UNCHANGED:
            return f"{head}; {SEAL} {self.seal}"
        lines = [head, f"{SEAL} {self.seal}"]
        largest = sorted(self.sent, key=lambda path: -self.sent[path])
        lines += [plain(f"{self.sent[path]:>15,}  {path}") for path in largest[:_SHOWN]]
        if len(largest) > _SHOWN:
            rest = largest[_SHOWN:]
            lines.append(f"{sum(self.sent[path] for path in rest):>15,}  in {len(rest)} more files")
        if self.removed:
            lines.append(plain(f"{'removed':>15}  {some(self.removed)}"))
        lines.append(f"{self.bytes_sent:>15,}  bytes in {len(self.sent)} files; {self.kept} files unchanged")
        news = [line for line in self.news.splitlines() if line]
        lines += ["", *news[:_SHOWN]]
        if len(news) > _SHOWN:
            lines.append(f"and {len(news) - _SHOWN} more lines in {layout.CHANGELOG}")
        return "\n".join(lines).rstrip()


def planned(
    release: Sealed,
    target: str,
    before: Mapping[str, TargetFile],
    begun: Mapping[str, TargetFile] | None = None,
) -> Published:
    """What is to be done at a target. before: files of the version before; begun: those sent meanwhile."""
    whole = changes(release, before)
    left = whole if begun is None else changes(release, begun)
    return Published(
        target,
        release.version,
        Ending.PLANNED,
        release.seal,
        {path: release.size(path) for path in left.send},
        whole.remove,
        len(release.sums) - len(whole.send),
        _news(release),
    )


def _news(release: Sealed) -> str:
    """What the changelog says of the newest version."""
    text = (release.folder / layout.CHANGELOG).read_text(encoding="utf-8")
    return "## " + text.split("\n## ", 2)[1].strip() if "\n## " in text else ""


def worth_telling(done: int, total: int) -> bool:
    """Whether progress has come to the next third."""
    return done * 3 // total > (done - 1) * 3 // total
