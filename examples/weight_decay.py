"""Weight decay against overfitting, and how strong it should be: chosen by cross-validation on the diabetes data.

python examples/weight_decay.py

442 patients, 10 measurements of each, and how their illness went on. Some of the measurements say nearly the same, so
that least squares gives them large weights of opposite signs. Weight decay adds lambda / 2 times the sum of the squares
of the weights to the loss: in every step of gradient descent each weight also shrinks in proportion to itself.
Source of the data: Efron, Hastie, Johnstone, Tibshirani 2004, Annals of Statistics 32(2), 407-499; in scikit-learn.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, plots, train
from tinygrad_lite.regularizers import L2

OUT = Path("runs/weight_decay")
LAMBDAS = [1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]


def build(strength):
    """A linear model of the ten measurements."""
    return nn.Linear(10, 1, dtype="float64")


def fit(model, x, y, strength):
    """Least squares with weight decay on the weights; the intercept follows from the means and does not decay."""
    centred, heights = x - x.mean(axis=0), y - y.mean()
    optimizer = optim.LBFGS([model.weight], max_iter=100, line_search_fn="strong_wolfe")
    penalty = L2(strength)

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * ((tl.linear(centred, model.weight) - heights) ** 2).sum() + penalty([model.weight])
        loss.backward()
        return loss

    optimizer.step(closure)
    model.bias.data = (y - x @ model.weight.data.T).mean(axis=0)


def main():
    bunch = load_diabetes()
    x, y = bunch.data, bunch.target[:, None]
    found = train.cross_validate(build, (x, y), LAMBDAS, folds=5, fit=fit, processes=1, progress=False)
    print(found)
    print(f"best lambda {found.best:g}; strongest within one standard error of it: {found.one_standard_error:g}")

    weights = []
    for strength in LAMBDAS:
        model = build(strength)
        fit(model, x, y, strength)
        weights.append(model.weight.data[0].copy())

    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plots.weight_paths(LAMBDAS, weights, names=bunch.feature_names, chosen=found.best, axes=left)
    for scores, name in ((found.train_scores, "patients learned from"), (found.scores, "patients left out")):
        mean, error = scores.mean(axis=1), scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
        right.errorbar(LAMBDAS, 1 - mean, yerr=error, marker="o", capsize=3, label=name)
    right.axvline(found.best, color="green", label="best")
    right.axvline(found.one_standard_error, color="grey", linestyle="--", label="one standard error")
    right.set(xscale="log", xlabel="lambda", ylabel="error, as a share of the variance: 1 - R^2", title="Errors")
    right.legend(frameon=False)
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / "weight_decay.png")
    print(f"picture: {OUT}/weight_decay.png")


if __name__ == "__main__":
    main()
