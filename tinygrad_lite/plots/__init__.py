"""Pictures of models and of their training, drawn with matplotlib (the extra `plot`); none needs a display.

Every function returns a matplotlib Figure, `plots.history(history).savefig(path)`, and those of one panel draw into
`axes=` if they are given.
"""

from .classifier import classifier_figure, confusion, misread_figure
from .curves import history, learning_rates, lr_range

__all__ = ["classifier_figure", "confusion", "history", "learning_rates", "lr_range", "misread_figure"]
