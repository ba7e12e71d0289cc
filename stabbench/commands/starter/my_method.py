"""A complete strategy: Devlin's recipe with bias correction, whose loss is smoothed over the labels.

pytest suites/quick -n 2 --strategy my_method.py:MyMethod:smoothing=0.2
"""

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from stabbench.strategies import Strategy


@dataclass
class MyMethod(Strategy):
    base: str | None = "bias-correction"  # whose recipe it stands on
    smoothing: float = 0.1  # a parameter, for the command line and for the runs' key

    def loss(self, model, batch, step):
        logits = model(**batch).logits
        return cross_entropy(logits, batch["labels"], label_smoothing=self.smoothing)
