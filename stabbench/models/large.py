"""The three large models of Mosbach et al. (2021), by their names on the hub."""

from stabbench.models.base import Model
from stabbench.models.families import ALBERT, BERT, ROBERTA

BERT_LARGE = Model(
    summary="BERT large, 24 layers (Devlin et al., 2019)", location="bert-large-uncased", recipe=BERT
)
ROBERTA_LARGE = Model(
    summary="RoBERTa large, 24 layers (Liu et al., 2019)", location="roberta-large", recipe=ROBERTA
)
ALBERT_LARGE = Model(
    summary="ALBERT large v2, shared layers (Lan et al., 2020)", location="albert-large-v2", recipe=ALBERT
)
