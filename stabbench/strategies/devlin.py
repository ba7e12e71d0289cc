"""The recipe of BERT's authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy


@dataclass
class Devlin(Strategy):
    """Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers", appendix A.3.

    Three epochs with an Adam whose moments are not corrected for their start at zero. The placement
    of epsilon is no parameter: without bias correction both placements are the same formula.

    Attributes:
        clipping: ``global`` clips the norm over all parameters, as in the code of Mosbach et al.;
            ``per_tensor`` that of each parameter, as in BertAdam (Phang et al., Dodge et al.).
    """

    summary: ClassVar[str] = "3 epochs, Adam without bias correction"
    paper: ClassVar[str] = "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers"

    clipping: Literal["global", "per_tensor"] = "global"

    def recipe(self, base: Recipe) -> Recipe:
        """Take three epochs, no bias correction."""
        return base.change(epochs=3, steps=None, bias_correction=False, clipping=self.clipping)
