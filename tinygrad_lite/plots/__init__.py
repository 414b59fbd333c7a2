"""Pictures of models and of their training, drawn with matplotlib (the extra `plot`); none needs a display.

Every function returns a matplotlib Figure, `plots.history(history).savefig(path)`, and those of one panel draw into
`axes=` if they are given.
"""

from .activations import activations
from .boundary import decision_boundary
from .classifier import classifier_figure, confusion, misread_figure
from .curves import history, learning_rates, lr_range
from .decay import weight_decay, weight_paths
from .graph import Graph, graph
from .histograms import histograms
from .landscape import Landscape, landscape, loss_landscape, snapshot, surface

__all__ = [
    "Landscape",
    "activations",
    "classifier_figure",
    "confusion",
    "decision_boundary",
    "histograms",
    "history",
    "landscape",
    "learning_rates",
    "loss_landscape",
    "lr_range",
    "misread_figure",
    "snapshot",
    "surface",
    "weight_decay",
    "weight_paths",
]  # fmt: skip
