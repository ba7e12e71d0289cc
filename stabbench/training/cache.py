"""What a warm trainer keeps from run to run, so that a short run does not pay for it again."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from stabbench import tasks
from stabbench.errors import StabbenchError
from stabbench.requests import Request
from stabbench.training import padding
from stabbench.training.batches import Tokens
from stabbench.training.model import Pretrained


class Cache:
    """What a warm trainer keeps: the last encoder and the last tokenised data."""

    def __init__(self) -> None:
        self._pretrained: tuple[object, Pretrained] | None = None
        self._tokens: tuple[object, tuple[Tokens, Tokens]] | None = None
        self._compared: set[tuple[str, str]] = set()

    def pretrained(self, request: Request) -> Pretrained:
        """Return the encoder of a request, loaded or kept from the run before.

        Raises:
            StabbenchError: when it cannot be loaded, or a row's logits change with the rows beside it.
        """
        work = request.work
        recipe = work.recipe
        rates = (recipe.hidden_dropout, recipe.attention_dropout, recipe.classifier_dropout)
        wanted = (request.model, work.model.revision, work.task.n_labels, rates)
        if self._pretrained is None or self._pretrained[0] != wanted:
            self._pretrained = None  # two large encoders may not fit
            loaded = Pretrained.load(request.model, work.model.revision, work.task.n_labels, recipe)
            if wanted[:2] not in self._compared:  # once per model and process
                padding.check(loaded, request.model)
                self._compared.add(wanted[:2])
            self._pretrained = (wanted, loaded)
        return self._pretrained[1]

    def tokens(self, request: Request, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokens, Tokens]:
        """Return the tokenised training and dev rows of a request.

        Raises:
            StabbenchError: when the data is not what the specification names.
        """
        work = request.work
        wanted = (work.task, work.model, work.recipe.max_length)
        if self._tokens is None or self._tokens[0] != wanted:
            size, stratified, seed = work.task.train_size, work.task.stratified, work.task.sample_seed
            folder = Path(request.data_dir) if request.data_dir else None
            data = tasks.load(request.task, folder, size, stratified, seed)
            if data.fingerprint != work.task.fingerprint:
                raise StabbenchError(
                    f"the data of {work.task.name} is not what the run was planned with.",
                    "plan again: the files have changed since.",
                )
            encode = (tokenizer, work.recipe.max_length)
            self._tokens = (wanted, (Tokens.encode(data.train, *encode), Tokens.encode(data.dev, *encode)))
        return self._tokens[1]
