"""The files of a saved model, in a folder or on the hub: their names, and those that are read at planning."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stabbench import foreign
from stabbench.errors import StabbenchError

HUB_SECONDS = 5.0
"""How long the hub may take for an answer before it counts as out of reach."""

SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
TOKENIZER_FILES = (
    "tokenizer.json",
    *SETTINGS,
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "bpe.codes",
    "source.spm",
    "target.spm",
)
GATED = "it is gated: its page says how to ask for access."
NEEDED = ("*.json", "*.txt", "*.model", "*.codes", "*.safetensors")
"""What of a repository is downloaded; old weights (``pytorch_model*.bin``) where it has no others."""


@dataclass(frozen=True)
class Files:
    """The files of a saved model.

    Attributes:
        place: the folder or hub id, for messages.
        names: which files there are, without those of sub-folders.
        fetch: returns the local path of one of them; on the hub it is downloaded, which is for small ones.
        local: whether all of them are in a folder.
        known: whether ``names`` are all: without the hub they are those that were cached.
    """

    place: str
    names: frozenset[str]
    fetch: Callable[[str], Path]
    local: bool
    known: bool = True

    def weights(self) -> list[str]:
        """Return the files of weights that transformers reads, sorted."""
        return sorted(
            name
            for name in self.names
            if name.endswith(".safetensors") or (name.startswith("pytorch_model") and name.endswith(".bin"))
        )

    def indices(self) -> list[str]:
        """Return the files that say which of several files of weights has which tensor, sorted."""
        if "model.safetensors" in self.names:
            return []
        return sorted(name for name in self.names if name.endswith(".index.json"))

    def json(self, name: str) -> Any:
        """Return what a JSON file holds.

        Raises:
            StabbenchError: when it cannot be read or is no JSON.
        """
        try:
            return foreign.read_json(foreign.read_file(self.fetch(name)))
        except foreign.Malformed as error:
            raise StabbenchError(
                f"the {name} of {self.place} is no JSON ({error}).", "save it again."
            ) from error

    def settings(self, name: str) -> dict[str, Any]:
        """Return the object in a JSON file; an empty one where there is none."""
        found = self.json(name) if name in self.names else {}
        return found if isinstance(found, dict) else {}


def folder_files(folder: Path) -> Files:
    """Return the files in a folder."""
    names = frozenset(path.name for path in folder.iterdir() if path.is_file())
    return Files(str(folder), names, lambda name: folder / name, local=True)


def digest(files: Files) -> str:
    """Return ``sha256:`` and the digest of what a model in a folder is made of, wherever the folder lies."""
    state = hashlib.sha256()
    tokenizer = [name for name in TOKENIZER_FILES if name in files.names]
    for name in ("config.json", *files.weights(), *files.indices(), *tokenizer):
        state.update(name.encode())
        with files.fetch(name).open("rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{state.hexdigest()}"


def hub_files(location: str, name: str, otherwise: str) -> tuple[Files, str]:
    """Return the files of a repository on the hub and its commit; the hub is asked once in a process.

    Args:
        location: hub id.
        name: what the user calls the model.
        otherwise: what else the user may have meant, the end of the error's next action.

    Raises:
        StabbenchError: when there is no such repository, it is not open to this user, or neither the hub nor
            the cache has it.
    """
    found = _looked_up(location)
    if isinstance(found, tuple):
        return found
    raise StabbenchError(
        f"the model {name} is neither a folder nor to be had from the hub: {found}",
        "check its name, go online once so that it is cached, `hf auth login` where it is not open, or "
        f"pass --stab-model FOLDER of a saved model; {otherwise}",
    )


@lru_cache(maxsize=64)
def _looked_up(location: str) -> tuple[Files, str] | str:
    """Return the files and the commit, or why there are none: an error is remembered like an answer."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    offline = False
    names: list[str] = []
    try:
        found = HfApi().model_info(location, timeout=HUB_SECONDS)
        names = [file.rfilename for file in found.siblings or ()]
    except GatedRepoError:
        return GATED
    except RepositoryNotFoundError:
        return "there is no such model there, or it is private."
    except HFValidationError as error:
        return f"that is no hub id ({error})."
    except Exception as error:
        offline, reason = True, f"the hub cannot be reached ({type(error).__name__}), and it is not cached."

    def fetch(name: str) -> Path:
        return Path(hf_hub_download(location, name, local_files_only=offline, etag_timeout=HUB_SECONDS))

    try:
        config = fetch("config.json")
    except GatedRepoError:
        return GATED
    except Exception as error:
        return reason if offline else f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if offline:
        names = [path.name for path in config.parent.iterdir()]
    top = frozenset(name for name in names if "/" not in name)
    return Files(location, top, fetch, local=False, known=not offline), config.parent.name


def snapshot(location: str, revision: str) -> Path:
    """Return the folder of a model: itself, or the snapshot of a repository, downloaded if need be.

    Raises:
        StabbenchError: when the download fails.
    """
    if Path(location).is_dir():
        return Path(location)
    from huggingface_hub import snapshot_download

    found = _looked_up(location)
    whole = isinstance(found, tuple) and any(name.endswith(".safetensors") for name in found[0].names)
    wanted = NEEDED if whole else (*NEEDED, "pytorch_model*.bin")
    try:
        return Path(
            snapshot_download(
                location,
                revision=revision,
                allow_patterns=list(wanted),
                ignore_patterns=["*/*"],
                etag_timeout=HUB_SECONDS,
            )
        )
    except Exception as error:
        raise StabbenchError(
            f"{location} cannot be downloaded from the hub: {type(error).__name__}: {error}",
            "go online once so that it is cached, or pass --stab-model FOLDER of a saved model.",
        ) from error
