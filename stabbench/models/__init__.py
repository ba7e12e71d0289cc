"""Models: any encoder that transformers loads as a sequence classifier, with a default recipe."""

from stabbench.models.base import REGISTRY, Model, ResolvedModel, check_recipe, folder_revision, resolve

__all__ = ["REGISTRY", "Model", "ResolvedModel", "check_recipe", "folder_revision", "resolve"]
