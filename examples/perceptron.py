"""Rosenblatt's perceptron of 1958: it learns AND and OR in a few corrections, and can never learn XOR.

python examples/perceptron.py

A perceptron answers 1 on one side of a straight line and 0 on the other. When it is wrong, the line is moved a little
towards (or away from) the point that it got wrong. No gradient is needed, and none would help: a step has slope 0.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl

OUT = Path("runs/perceptron")
POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
TARGETS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def perceptron(x, weights, bias):
    """1 where the weighted sum of the inputs plus the bias is positive, else 0."""
    return tl.where(x @ weights + bias > 0, 1.0, 0.0)


def learn(points, targets, epochs=1000):
    """The perceptron learning rule, until an epoch has no mistakes; gives weights, bias and mistakes per epoch."""
    weights, bias, mistakes = np.zeros(2), -0.5, []  # so that no line ever runs through a point
    while len(mistakes) < epochs and (not mistakes or mistakes[-1] > 0):
        mistakes.append(0)
        for point, target in zip(points, targets, strict=True):
            error = target - perceptron(point, weights, bias)  # 0 if right, +1 or -1 if wrong
            weights, bias = weights + error * point, bias + error
            mistakes[-1] += int(error != 0)
    return weights, bias, mistakes


def draw(axes, name, targets, weights, bias):
    """The four points, the side on which the perceptron answers 1, and the decision line between."""
    ticks = np.linspace(-0.5, 1.5, 201)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    answers = perceptron(plane, weights, bias)
    axes.contourf(ticks, ticks, answers, levels=[-0.5, 0.5, 1.5], colors=["#f6dcc8", "#cfe0f3"])
    axes.contour(ticks, ticks, plane @ weights + bias, levels=[0], colors="black")
    for point, target, answer in zip(POINTS, targets, perceptron(POINTS, weights, bias), strict=True):
        axes.scatter(*point, s=170, color="#2a6fbb" if target else "#d9762b", edgecolor="black", zorder=3)
        if answer != target:
            axes.annotate("wrong", point, xytext=(0, 13), textcoords="offset points", ha="center", color="#c23b3b")
    axes.set(title=name, aspect="equal", xticks=[0, 1], yticks=[0, 1], xlabel="first input", ylabel="second input")


figure = Figure(figsize=(9.5, 3.6), layout="constrained")
figure.suptitle("Decision lines of three perceptrons (blue: 1, orange: 0)")
for axes, (name, targets) in zip(figure.subplots(1, 3), TARGETS.items(), strict=True):
    weights, bias, mistakes = learn(POINTS, targets)
    right = int((perceptron(POINTS, weights, bias) == targets).sum())
    verdict = f"{'still wrong after' if mistakes[-1] else 'all right after'} {len(mistakes)} epochs"
    print(f"{name:3s}  {right} of 4 right, {verdict};  line {weights[0]:+.0f} a {weights[1]:+.0f} b {bias:+.1f} = 0")
    draw(axes, f"{name}: {right} of 4 right", targets, weights, bias)

OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "perceptron.png")
print(f"No straight line has (0,1) and (1,0) on one side, (0,0) and (1,1) on the other. Picture: {OUT}/perceptron.png")
