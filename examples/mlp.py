"""A multilayer perceptron does what one perceptron cannot: XOR, and two moons that lie inside each other.

python examples/mlp.py

One hidden layer bends the decision boundary: each hidden neuron draws one line, the output neuron puts them together.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, plots

OUT = Path("runs/mlp")


def xor():
    """The four points of exclusive or."""
    points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    return points, np.array([0, 1, 1, 0])


def moons(n, rng):
    """Two half circles that hold each other, with noise: points (2n, 2) and their classes, 0 or 1."""
    angle = np.pi * rng.random(n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([upper, [1.0, 0.5] - upper]) + rng.normal(scale=0.12, size=(2 * n, 2))
    return points.astype(np.float32), np.repeat([0, 1], n)


def train(model, points, classes, steps, lr):
    """Full-batch gradient descent with Adam on the cross entropy; gives the last loss."""
    optimizer = optim.Adam(model, lr=lr)
    for _ in range(steps):
        loss = tl.cross_entropy(model(points), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def accuracy(model, points, classes):
    """The share of points on the right side."""
    with tl.no_grad():
        return float((model(points).argmax(axis=1).numpy() == classes).mean())


tl.manual_seed(2)
rng = np.random.default_rng(0)
figure = Figure(figsize=(10, 4.4), layout="constrained")
left, right = figure.subplots(1, 2)

points, classes = xor()
model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
loss = train(model, points, classes, steps=150, lr=0.1)
print(f"XOR: {accuracy(model, points, classes):.0%} of 4 points, loss {loss:.4f}")
plots.decision_boundary(model, points, classes, margin=0.5, axes=left)
left.set(title="XOR, 3 hidden neurons", aspect="equal")

points, classes = moons(150, rng)
others = moons(1000, rng)  # of the same kind, but never learned from
for name, model in [
    ("one layer", nn.Linear(2, 2)),
    ("16 hidden neurons", nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))),
]:
    loss = train(model, points, classes, steps=400, lr=0.05)
    print(f"moons, {name}: {accuracy(model, *others):.1%} of 2000 new points, loss {loss:.4f}")
plots.decision_boundary(model, points, classes, axes=right)
right.set(title=f"Two moons, {name}")

OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "mlp.png")
print(f"picture: {OUT}/mlp.png")
