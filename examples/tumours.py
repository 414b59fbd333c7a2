"""A table: 30 measurements of cell nuclei tell whether a tumour is benign (scikit-learn's breast cancer data).

Five times a fifth of the table is kept back. Standardise with the mean and deviation of the rest, train, and measure;
one linear layer is logistic regression, and scikit-learn's gets the same folds, so the two must agree.

python examples/tumours.py             seconds
python examples/tumours.py --quick     one fold instead of five
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, train
from tinygrad_lite.regularizers import L2, matrices


def linear():
    """Logistic regression: two scores, each a weighted sum of the measurements."""
    return nn.Linear(30, 2)


def mlp():
    """One hidden layer between."""
    return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))


def accuracy(make, x, y, x_test, y_test):
    """Train a model and measure it."""
    tl.manual_seed(0)
    model = make()
    optimizer = optim.Adam(model, lr=0.01)
    # In a problem of two classes with two scores, this is the penalty that scikit-learn's C = 1 stands for.
    penalty = L2(2 / len(x)).on(matrices)
    train.fit(model, (x, y), optimizer=optimizer, epochs=40, batch_size=64, penalty=penalty, rng=0, progress=False)
    return (train.predict(model, x_test).argmax(axis=1) == y_test).mean()


def main():
    parser = argparse.ArgumentParser(description="Benign or malignant?")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()

    x, y = load_breast_cancer(return_X_y=True)
    print(f"{len(x)} tumours, {x.shape[1]} measurements of each; benign: {y.mean():.1%}")
    scores = {"scikit-learn's logistic regression": [], "one linear layer": [], "a hidden layer of 32": []}
    for learn, test in list(StratifiedKFold(5).split(x, y))[: 1 if args.quick else 5]:
        mean, deviation = x[learn].mean(axis=0), x[learn].std(axis=0)
        a, b = (((x[part] - mean) / deviation).astype(np.float32) for part in (learn, test))
        fold = a, y[learn], b, y[test]
        found = (LogisticRegression().fit(*fold[:2]).score(*fold[2:]), accuracy(linear, *fold), accuracy(mlp, *fold))
        for column, score in zip(scores.values(), found, strict=True):
            column.append(score)
    print(f"right on tumours kept back, mean of {len(column)} (standard error)")
    for name, column in scores.items():
        error = np.std(column, ddof=1) / len(column) ** 0.5 if len(column) > 1 else float("nan")
        print(f"  {name:36} {np.mean(column):.3f} ({error:.3f})")


if __name__ == "__main__":
    main()
