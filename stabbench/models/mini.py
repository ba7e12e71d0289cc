"""The embedded encoder of the mini world; its learning rate is what ``stabbench mini search`` found."""

from stabbench.mini import checkpoint_path
from stabbench.models.base import Model
from stabbench.recipe import Recipe

MINI_BERT = Model(
    summary="the mini world's encoder, 6 layers x 64, embedded",
    location=str(checkpoint_path()),
    recipe=Recipe(learning_rate=4.5e-4, max_length=32),
)
