"""Training a classifier: the loop, the metrics, the figure; and the job that `python -m tinygrad_lite` runs."""

from .loop import Epoch, Evaluation, History, cosine, evaluate, fit
from .metrics import ClassScores, accuracy, class_scores, confusion_matrix, scores_table

__all__ = [
    "ClassScores", "Epoch", "Evaluation", "History", "accuracy", "class_scores", "confusion_matrix", "cosine",
    "evaluate", "fit", "scores_table",
]  # fmt: skip
