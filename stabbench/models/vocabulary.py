"""What the files of a tokenizer say of its tokens, without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stabbench import foreign
from stabbench.errors import StabbenchError
from stabbench.models.files import Files

SHOWN = 3


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer, as far as its files say without its class.

    Attributes:
        ids: token -> id.
        pad: the token to pad with, its pad token or else its end-of-text token, where a file names one.
        complete: whether the files hold every token.
    """

    ids: dict[str, int]
    pad: str | None
    complete: bool

    @property
    def size(self) -> int | None:
        """How many embeddings it needs: its largest id and one; ``None`` where no file says."""
        return max(self.ids.values()) + 1 if self.ids else None

    @property
    def pad_id(self) -> int | None:
        """The id of the token to pad with, if it is known."""
        return None if self.pad is None else self.ids.get(self.pad)

    def beyond(self, rows: int) -> list[str]:
        """Return the first few tokens that a model with so many embeddings has none for."""
        return sorted(
            (token for token, number in self.ids.items() if number >= rows), key=self.ids.__getitem__
        )[:SHOWN]


def vocabulary_of(files: Files) -> Vocabulary:
    """Return the vocabulary in the files of a tokenizer.

    Raises:
        StabbenchError: when a file is damaged.
    """
    settings = files.settings("tokenizer_config.json")
    special = files.settings("special_tokens_map.json") | settings
    ids: dict[str, int] = {}
    complete = False
    try:
        if "tokenizer.json" in files.names:
            saved = files.json("tokenizer.json")
            model = saved["model"]["vocab"]
            ids = dict(model) if isinstance(model, dict) else {entry[0]: n for n, entry in enumerate(model)}
            ids |= {entry["content"]: entry["id"] for entry in saved.get("added_tokens", ())}
            complete = True
        elif "vocab.txt" in files.names:
            lines = foreign.read_lines(files.fetch("vocab.txt"))
            ids = {line.removesuffix("\r"): number for number, line in enumerate(lines)}
        elif "vocab.json" in files.names:
            ids = dict(files.json("vocab.json"))
        ids |= files.settings("added_tokens.json")
        decoder = settings.get("added_tokens_decoder") or {}
        ids |= {_content(token) or "": int(number) for number, token in decoder.items()}
        if not all(isinstance(number, int) for number in ids.values()):
            raise TypeError("an id is no whole number")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StabbenchError(
            f"the tokenizer files of {files.place} are damaged ({error}).", "save the tokenizer again."
        ) from error
    pad = _content(special.get("pad_token")) or _content(special.get("eos_token"))
    return Vocabulary(ids, pad, complete)


def _content(token: Any) -> str | None:
    """Return the text of a special token, which is written as such or as an object."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None
