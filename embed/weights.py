"""Where the weights of an encoder are, and which weights they are."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from routerset.embed.encoders import Encoder
from routerset.embed.errors import ModelUnavailable, ModelUnusable
from routerset.schemas import store

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")
_TEXT_FILES = ("*.json", "vocab.txt", "merges.txt")
_COUNTS = (".safetensors", ".bin", ".json", ".txt")
_PROBE_SECONDS = 10


def model_path(encoder: Encoder, paths: Mapping[str, str]) -> str:
    """Local folder with the weights of an encoder, fetched from the Hub at the pinned revision if need be.

    paths: encoder name -> local folder that stands in for the hub id (`[embed.paths]`).
    Raises ModelUnusable if that folder lacks a file, ModelUnavailable if the weights are neither
    here nor to be had now.
    """
    if encoder.name in paths:
        folder = Path(paths[encoder.name])
        if missing := _missing(folder):
            raise ModelUnusable(
                f"[embed.paths] {encoder.name} = {str(folder)!r}: expected a model folder, found no "
                f"{' and no '.join(missing)}; copy or download the model again"
            )
        return str(folder)
    return at_hand(encoder) or _hub_folder(encoder)


def at_hand(encoder: Encoder) -> str | None:
    """Local folder with the pinned weights of an encoder, or None where they would have to be fetched.

    Raises ModuleNotFoundError where the client of the Hub, whose cache may hold them, is not installed.
    """
    spec = find_spec(encoder.package) if encoder.package else None
    if spec is not None and spec.submodule_search_locations:
        return str(Path(spec.submodule_search_locations[0]) / "model")
    folder = _cached(encoder)
    return None if folder is None or _missing(folder) else str(folder)


def weights_revision(encoder: Encoder, paths: Mapping[str, str]) -> str:
    """The pinned revision, or for a stand-in folder `local-` and a hash of the files that count."""
    if encoder.name not in paths:
        return encoder.revision
    digest = sha256()
    for path in sorted(Path(model_path(encoder, paths)).iterdir()):
        if path.suffix in _COUNTS and path.is_file():
            digest.update(bytes.fromhex(store.sha256(path)))
    return "local-" + digest.hexdigest()[:16]


def _missing(folder: Path) -> list[str]:
    """What a model folder lacks; a link that leads nowhere counts as lacking."""
    needs = (("config.json",), _TOKENIZERS, _WEIGHTS)
    return [" or ".join(names) for names in needs if not any((folder / name).is_file() for name in names)]


def _cached(encoder: Encoder) -> Path | None:
    """The pinned snapshot in the Hub's cache, whole or not."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(encoder.hub_id, "config.json", revision=encoder.revision)
    return Path(config).parent if isinstance(config, str) else None


def _hub_folder(encoder: Encoder) -> str:
    """The pinned snapshot, downloaded to the Hub's cache."""
    from huggingface_hub import HfApi, constants, snapshot_download

    folder = _cached(encoder)
    missing = ["files"] if folder is None else _missing(folder)
    if constants.is_offline_mode():
        raise _unavailable(encoder, missing, "HF_HUB_OFFLINE is set")
    try:
        # one request without retries: tells at once whether the Hub answers, and which files it has
        info = HfApi().model_info(encoder.hub_id, revision=encoder.revision, timeout=_PROBE_SECONDS)
        files = {sibling.rfilename for sibling in info.siblings or ()}
        wanted = [*_TEXT_FILES, next((name for name in _WEIGHTS if name in files), _WEIGHTS[0])]
        snapshot = snapshot_download(encoder.hub_id, revision=encoder.revision, allow_patterns=wanted)
    except Exception as error:  # clients and their transports raise errors without a common base
        raise _unavailable(encoder, missing, f"{type(error).__name__}: {error}") from error
    if missing := _missing(Path(snapshot)):
        raise _unavailable(encoder, missing, "the Hub did not send all files")
    return snapshot


def _unavailable(encoder: Encoder, missing: list[str], reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"encoder {encoder.name}: no {' and no '.join(missing)} of {encoder.hub_id} at revision "
        f"{encoder.revision} in the local cache, and it cannot be downloaded ({reason}). Try again with a "
        f"network, or point to a local copy in the config:\n[embed.paths]\n{encoder.name} = "
        f'"path/to/{encoder.hub_id.rpartition("/")[2]}"'
    )
