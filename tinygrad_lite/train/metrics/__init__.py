"""How well a model does, on NumPy arrays: batch by batch while it trains, or at once."""

from .base import Mean, Metric, named_metrics
from .classification import AUC, F1, Accuracy, ConfusionMatrix, Perplexity, Precision, Recall, TopKAccuracy
from .counts import ClassScores, accuracy, class_scores, confusion_matrix, scores_table
from .regression import R2, MeanAbsoluteError, MeanSquaredError

__all__ = [
    "AUC", "F1", "R2", "Accuracy", "ClassScores", "ConfusionMatrix", "Mean", "MeanAbsoluteError", "MeanSquaredError",
    "Metric", "Perplexity", "Precision", "Recall", "TopKAccuracy", "accuracy", "class_scores", "confusion_matrix",
    "named_metrics", "scores_table",
]  # fmt: skip
