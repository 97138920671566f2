"""Rendered mocap: real human motion capture, rendered figures; a data set that anyone can make without a download.

Importing this package loads what `hybridnet.video` loads; only the workers that draw need `hybridnet[mocap]`.
"""

from hybridnet.training.mocap.dataset import generate, plan
from hybridnet.training.mocap.recipe import CLASSES, Recipe, draw_recipe

__all__ = ["CLASSES", "Recipe", "draw_recipe", "generate", "plan"]
