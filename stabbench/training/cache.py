"""What a warm trainer keeps from run to run, so that a short run does not pay for it again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from stabbench import tasks
from stabbench.errors import StabbenchError
from stabbench.requests import Request
from stabbench.training import padding
from stabbench.training.batches import Tokens
from stabbench.training.model import Pretrained


class Cache:
    """The encoders and the tokenised data of the last request: of its run, and of what that starts from."""

    def __init__(self) -> None:
        self._pretrained: dict[tuple[object, ...], Pretrained] = {}
        self._tokens: dict[tuple[object, ...], tuple[Tokens, Tokens]] = {}
        self._compared: set[tuple[str, str]] = set()

    def keep(self, requests: Iterable[Request]) -> bool:
        """Have what some runs need, and return whether it had to be loaded; all else is forgotten before.

        Raises:
            StabbenchError: when the model or the data is not what the specifications name.
        """
        wanted = list(requests)
        encoders, data = {_encoder(one) for one in wanted}, {_data(one) for one in wanted}
        if encoders <= self._pretrained.keys() and data <= self._tokens.keys():
            return False
        # more large encoders than are needed may not fit
        self._pretrained = {key: kept for key, kept in self._pretrained.items() if key in encoders}
        self._tokens = {key: kept for key, kept in self._tokens.items() if key in data}
        for request in wanted:
            self.tokens(request, self.pretrained(request).tokenizer)
        return True

    def pretrained(self, request: Request) -> Pretrained:
        """Return the encoder of a request, loaded or kept.

        Raises:
            StabbenchError: when it cannot be loaded, is not the one that the specification names, or reads
                its padding.
        """
        key = _encoder(request)
        if key not in self._pretrained:
            work, model = request.work, (request.model, request.work.model.revision)
            loaded = Pretrained.load(*model, work.task.n_labels, work.recipe)
            if model not in self._compared:  # once per model and process
                padding.check(loaded, request.model)
                self._compared.add(model)
            self._pretrained[key] = loaded
        return self._pretrained[key]

    def tokens(self, request: Request, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokens, Tokens]:
        """Return the tokenised training and dev rows of a request.

        Raises:
            StabbenchError: when the data is not what the specification names.
        """
        key, work = _data(request), request.work
        if key not in self._tokens:
            size, stratified, seed = work.task.train_size, work.task.stratified, work.task.sample_seed
            folder = Path(request.data_dir) if request.data_dir else None
            data = tasks.load(request.task, folder, size, stratified, seed)
            if data.fingerprint != work.task.fingerprint:
                raise StabbenchError(
                    f"the data of {work.task.name} is not what the run was planned with.",
                    "plan again: the files have changed since.",
                )
            encode = (tokenizer, work.recipe.max_length)
            self._tokens[key] = (Tokens.encode(data.train, *encode), Tokens.encode(data.dev, *encode))
        return self._tokens[key]


def _encoder(request: Request) -> tuple[object, ...]:
    work, recipe = request.work, request.work.recipe
    rates = (recipe.hidden_dropout, recipe.attention_dropout, recipe.classifier_dropout)
    return request.model, work.model.revision, work.task.n_labels, rates


def _data(request: Request) -> tuple[object, ...]:
    work = request.work
    return work.task.model_dump_json(), work.model.model_dump_json(), work.recipe.max_length
