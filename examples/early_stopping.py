"""Early stopping: a network that learns too long learns its examples by heart, mistakes in them included.

python examples/early_stopping.py

A network learns from 300 digits of which every fifth has a wrong label. At first the loss on other images falls as
well; then it rises, while the loss on the training images goes on falling. `train.EarlyStopping` notices, stops, and
gives the network its best weights back.
"""

from pathlib import Path

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import data, nn, optim, plots, train

OUT = Path("runs/early_stopping")
EPOCHS = 100


def learn(callbacks=()):
    """A network, and the history of its training."""
    tl.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    history = train.fit(
        model, (x, y), validation=(x_val, y_val), optimizer=optim.Adam(model, lr=4e-3), epochs=EPOCHS, batch_size=32,
        metrics=[train.Accuracy()], callbacks=callbacks, progress=False,
    )  # fmt: skip
    return model, history


images, labels = data.digits()
rest, (x_test, y_test) = data.stratified_split(images, labels, fraction=0.5, rng=0)
(x, y), (x_val, y_val) = data.stratified_split(*rest, fraction=2 / 3, rng=1)
rng = np.random.default_rng(0)
wrong = rng.random(len(y)) < 0.2
y = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
print(f"{len(y)} images to learn from, {wrong.sum()} with a wrong label; {len(y_val)} to watch, {len(y_test)} to test")

stopping = train.EarlyStopping("val_loss", patience=8)
for name, callbacks in (("learned to the end", []), ("stopped early", [stopping])):
    model, history = learn(callbacks)
    result = train.evaluate(model, (x_test, y_test), metrics=[train.Accuracy()])
    print(
        f"{name}: {len(history)} epochs, training loss {history[-1].loss:.3f}; "
        f"test loss {result.loss:.3f}, {result.accuracy:.1%} of the test images right"
    )
    if not callbacks:
        columns = ("loss", "val_loss", "accuracy", "val_accuracy")
        figure = plots.history({column: history.column(column) for column in columns})
watched = train.evaluate(model, (x_val, y_val)).loss
print(f"on the images to watch: best epoch {stopping.best_epoch}, loss {stopping.best:.4f}; kept weights {watched:.4f}")

for axes in figure.axes:
    axes.axvline(stopping.best_epoch, color="green", label="best epoch, whose weights are kept")
    axes.axvline(len(history), color="grey", linestyle="--", label="here it stops")
    axes.legend()
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "early_stopping.png")
print(f"picture: {OUT}/early_stopping.png")
