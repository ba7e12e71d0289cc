"""Models: any encoder that transformers loads as a sequence classifier, with a default recipe."""

from stabbench.models.base import REGISTRY, Model, ResolvedModel, check_rates, check_recipe, resolve

__all__ = ["REGISTRY", "Model", "ResolvedModel", "check_rates", "check_recipe", "resolve"]
