"""The job that `python -m tinygrad_lite` runs: train a classifier on the digits that the package carries."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from .. import io, nn, optim
from ..data import DataLoader, digits, stratified_split
from ..io import replacing
from ..ops.random import manual_seed
from ..plots import classifier_figure
from ..regularizers import L2, matrices
from .history import History
from .loop import fit
from .measuring import evaluate, predict
from .metrics import Accuracy, confusion_matrix, scores_table

__all__ = ["MODELS", "Settings", "cnn", "mlp", "run"]

SPLIT_SEED = 0
"""The same 450 images are held out in every run, whatever its seed, so that no run learns from another's test."""


def mlp() -> nn.Module:
    """A multilayer perceptron for images (n, 1, 8, 8): two hidden layers of 128 units."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 10),
    )  # fmt: skip


def cnn() -> nn.Module:
    """A convolutional network for images (n, 1, 8, 8): two 3x3 convolutions, then one linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 4 * 4, 10),
    )  # fmt: skip


MODELS = {"cnn": cnn, "mlp": mlp}


class Settings(NamedTuple):
    """What can be chosen on the command line.

    epochs : None takes the model's own number, see `EPOCHS`.
    weight_decay : the strength of decoupled L2 on the weight matrices and kernels.
    """

    model: str = "cnn"
    epochs: int | None = None
    batch_size: int = 64
    lr: float = 0.003
    weight_decay: float = 0.01
    seed: int = 0
    device: str = "cpu"
    out: Path = Path("runs/digits")


# Chosen on parts of the training images: over four such splits 15 and 20 epochs of the cnn gave the same mean, .986.
EPOCHS = {"cnn": 15, "mlp": 40}


def run(settings: Settings) -> int:
    """Train, measure, print a report, save weights and figure in `settings.out`. Returns the exit status.

    Ctrl-C ends the training early, and what was learned until then is measured and saved (status 130).
    """
    started = time.perf_counter()
    images, labels = digits()
    (x, y), (x_test, y_test) = stratified_split(images[:, None], labels, fraction=0.25, rng=SPLIT_SEED)
    manual_seed(settings.seed)
    model = MODELS[settings.model]().to(settings.device)
    parameters = sum(parameter.size for parameter in model.parameters())
    print(f"handwritten digits, 8 x 8 pixels (UCI): {len(y)} images to learn from, {len(y_test)} held out")
    print(f"model {settings.model}, {parameters} parameters, on {settings.device}", flush=True)

    epochs = settings.epochs or EPOCHS[settings.model]
    loader = DataLoader((x, y), settings.batch_size)
    optimizer = optim.AdamW(model, lr=settings.lr, decay=L2(settings.weight_decay).on(matrices))
    schedule = optim.CosineAnnealingLR(optimizer, epochs * len(loader), interval="step")
    history = History()
    status = 0
    try:
        fit(
            model, loader,
            optimizer=optimizer, epochs=epochs, schedule=schedule,
            metrics=[Accuracy()], validation=(x_test, y_test), history=history,
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f"interrupted in epoch {len(history) + 1} of {epochs}: what was learned so far is saved", file=sys.stderr)
        status = 130

    result = evaluate(model, (x_test, y_test), metrics=[Accuracy()])
    predictions = predict(model, x_test).argmax(axis=1)
    confusion = confusion_matrix(y_test, predictions, classes=10)
    print()
    print(scores_table(confusion, name="digit"))
    print()
    right = int(confusion.trace())
    print(f"test accuracy {result.accuracy:.4f} ({right} of {len(y_test)} held-out images), loss {result.loss:.4f}")
    _save(settings, model, history, confusion, x_test, y_test, predictions)
    training = sum(history.column("seconds"))
    print(f"{time.perf_counter() - started:.1f} s, of which {training:.1f} s training", file=sys.stderr)
    return status


def _save(
    settings: Settings, model: nn.Module, history: History, confusion: Any, images: Any, labels: Any, predictions: Any
) -> None:
    weights = settings.out / "weights.safetensors"
    io.save_weights(weights, model)
    print(f"weights: {weights}")
    share = confusion.trace() / confusion.sum()
    try:
        figure = classifier_figure(
            history, confusion, images, labels, predictions,
            title=f"Handwritten digits, {settings.model}: {share:.1%} of {len(labels)} held-out images read",
        )  # fmt: skip
    except ImportError as error:
        print(f"no figure: {error}", file=sys.stderr)
        return
    path = settings.out / "figure.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    print(f"figure: {path}")
