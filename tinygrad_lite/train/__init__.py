"""Training: the loop, what is measured, callbacks, checkpoints; and the job that `python -m tinygrad_lite` runs."""

from .callbacks import Callback, EarlyStopping
from .checkpoints import Checkpoints
from .cross_validation import CrossValidation, FoldError, cross_validate
from .history import History, Record
from .logs import JSONLines, TensorBoard
from .loop import fit
from .lr_range import RangeTest, lr_range_test
from .measuring import evaluate, predict
from .metrics import (
    AUC,
    F1,
    R2,
    Accuracy,
    ClassScores,
    ConfusionMatrix,
    Mean,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopKAccuracy,
    accuracy,
    class_scores,
    confusion_matrix,
    scores_table,
)
from .run import Run

__all__ = [
    "AUC", "F1", "R2", "Accuracy", "Callback", "Checkpoints", "ClassScores", "ConfusionMatrix", "CrossValidation",
    "EarlyStopping", "FoldError", "History", "JSONLines", "Mean", "MeanAbsoluteError", "MeanSquaredError", "Metric",
    "Perplexity", "Precision", "RangeTest", "Recall", "Record", "Run", "TensorBoard", "TopKAccuracy", "accuracy",
    "class_scores", "confusion_matrix", "cross_validate", "evaluate", "fit", "lr_range_test", "predict",
    "scores_table",
]  # fmt: skip
