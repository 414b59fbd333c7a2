"""Models for the tests of cross-validation, where other processes can import them."""

import os

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.ops import random
from tinygrad_lite.regularizers import L2, matrices


class Ridge:
    """sum (y - b - x w)^2 + strength * sum w^2, minimised by solving for w; the mean takes care of b."""

    def __init__(self, strength):
        self.strength = strength

    def fit(self, x, y):
        self.means = x.mean(axis=0), y.mean()
        x = x - self.means[0]
        gram = x.T @ x + self.strength * np.eye(x.shape[1])
        self.coef_ = tl.linalg.solve(gram, x.T @ (y - self.means[1]))

    def predict(self, x):
        return (x - self.means[0]) @ self.coef_ + self.means[1]


class Failing(Ridge):
    def fit(self, x, y):
        if self.strength == 2.0:
            raise ArithmeticError("the strength is two")
        super().fit(x, y)


class Dying(Ridge):
    def fit(self, x, y):
        os._exit(3)


class Drawing(Ridge):
    """A score that is a random number."""

    def score(self, x, y):
        return float(random.uniform())


def linear(strength):
    return nn.Linear(10, 1).to("float64")


def descend(model, x, y, strength):
    """Gradient descent on the same sum, where half of it is L2(strength) and half the sum of squares."""
    optimizer = optim.SGD(model, lr=0.0045, momentum=0.9, nesterov=True)
    penalty = L2(strength).on(matrices)
    for _ in range(1500):
        optimizer.zero_grad()
        (0.5 * ((model(x)[:, 0] - y) ** 2).sum() + penalty(model)).backward()
        optimizer.step()


def r2(model, x, y):
    predicted = model(x)[:, 0].detach().numpy()
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def centroids(strength):
    return nn.Linear(2, 2)


def classify(model, x, y, strength):
    optimizer = optim.SGD(model, lr=1.0, decay=L2(strength))
    for _ in range(30):
        optimizer.zero_grad()
        tl.cross_entropy(model(x), y).backward()
        optimizer.step()
