"""Signs a release with an SSH key, by `ssh-keygen`, which everyone can check with the same program."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

from routerset.release import layout
from routerset.release.publish.errors import PublishRefused
from routerset.release.publish.plan import Sealed
from routerset.schemas.checksums import SIGNATURE
from routerset.schemas.store import sha256

NAMESPACE = "routerset"
"""What the signature is for, so that none made for something else is taken for it."""
_KEPT = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|LANG|LC_.*|SSH_.*|DISPLAY|WAYLAND_DISPLAY|XDG_.*"
)
"""Variables that `ssh-keygen` needs to find keys and an agent, and to ask for a passphrase."""


def signed(release: Sealed, key: Path, work: Path) -> Sealed:
    """A release with a signature of its `SHA256SUMS`, which is written to `work`.

    key: an SSH key, or a public one whose private half an agent holds. Raises PublishRefused.
    """
    environment = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key.absolute())]
    try:
        with (release.folder / layout.CHECKSUMS).open("rb") as sums:
            done = subprocess.run(command, stdin=sums, capture_output=True, env=environment, check=False)
    except FileNotFoundError:
        raise PublishRefused("--sign needs ssh-keygen, which is not installed: install OpenSSH") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise PublishRefused(f"--sign {key}: ssh-keygen: {said}; give the file of an SSH key")
    signature = work / SIGNATURE
    signature.write_bytes(done.stdout)
    return replace(release, sums={**release.sums, SIGNATURE: sha256(signature)}, signature=signature)
