"""Rosenblatt's perceptron of 1958: it learns AND and OR in a few corrections, and can never learn XOR.

python examples/perceptron.py

A perceptron answers 1 on one side of a straight line and 0 on the other: step(weight . x + bias). For every point
that it gets wrong, `fit` moves the line a little: weight += error * x and bias += error, where the error is the right
answer minus the given one. No gradient is needed, and none would help: a step has slope 0.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygrad_lite import nn, plots

OUT = Path("runs/perceptron")
POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
ANSWERS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}

figure = Figure(figsize=(10.5, 3.9), layout="constrained")
for axes, (name, answers) in zip(figure.subplots(1, 3), ANSWERS.items(), strict=True):
    model = nn.Perceptron(2)
    model.bias.data = np.array(-0.5, dtype=np.float32)  # between whole numbers, so that no line ends on a point
    learned = model.fit(POINTS, answers, epochs=1000)

    right = int((model(POINTS).detach().numpy() == answers).sum())
    verdict = "all right after" if learned.converged else "still wrong after"
    (a, b), c = model.weight.data, model.bias.data
    print(f"{name:3s}  {right} of 4 right, {verdict} {learned.epochs} epochs;  line {a:+.0f} x {b:+.0f} y {c:+.1f} = 0")
    plots.decision_boundary(model, POINTS, answers, margin=0.5, axes=axes)
    axes.scatter(*POINTS.T, s=150, facecolor="none", edgecolor="black")
    axes.set(title=f"{name}: {right} of 4 right", aspect="equal", xticks=[0, 1], yticks=[0, 1], xlabel="x", ylabel="y")

OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "perceptron.png")
print(f"No straight line has (0,1) and (1,0) on one side, (0,0) and (1,1) on the other. Picture: {OUT}/perceptron.png")
