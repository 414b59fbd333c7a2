"""Rosenbrock's banana valley: where gradient descent crawls, L-BFGS arrives in a few dozen evaluations.

python examples/rosenbrock.py

f(x, y) = (1 - x)^2 + 100 (y - x^2)^2 has its only minimum at (1, 1), at the end of a curved valley that is steep across
and nearly flat along. Gradient descent must take steps short enough for the steep walls; L-BFGS learns the curvature
from the gradients that it has seen. The last line is the same with 100 unknowns.
Source: H. Rosenbrock 1960, The Computer Journal 3(3), 175-184.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import optim

OUT = Path("runs/rosenbrock")
START = (-1.5, 2.0)


def rosenbrock(x):
    """The sum over neighbours along the last axis: (1 - x_i)^2 + 100 (x_{i+1} - x_i^2)^2.   x : (..., n)."""
    return ((1 - x[..., :-1]) ** 2 + 100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2).sum(axis=-1)


def minimise(make, start, steps, tolerance=1e-10):
    """Step until the loss is below the tolerance; gives the points at which gradients were asked for."""
    x = tl.tensor(start, dtype="float64", requires_grad=True)
    optimizer, asked = make([x]), []

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        asked.append(x.detach().numpy().copy())
        return loss

    for _ in range(steps):
        if optimizer.step(closure).item() < tolerance:
            break
    return np.array(asked), x.detach().numpy()


ways = {
    "gradient descent": (lambda p: optim.SGD(p, lr=1e-3), 3000),
    "momentum": (lambda p: optim.SGD(p, lr=1e-3, momentum=0.9), 3000),
    "Adam": (lambda p: optim.Adam(p, lr=0.03), 3000),
    "L-BFGS": (lambda p: optim.LBFGS(p, tolerance_change=1e-14, line_search_fn="strong_wolfe"), 100),
}
figure = Figure(figsize=(11, 4.6), layout="constrained")
left, right = figure.subplots(1, 2)
x, y = np.linspace(-2, 2, 300), np.linspace(-1, 3, 300)
heights = rosenbrock(np.stack(np.meshgrid(x, y), axis=-1))
left.contour(x, y, heights, levels=np.logspace(-1, 3.5, 15), colors="lightgrey", linewidths=0.8)
for name, (make, steps) in ways.items():
    asked, end = minimise(make, START, steps)
    print(f"{name:16s}  {len(asked):4d} gradients, loss {rosenbrock(end):.1e} at ({end[0]:.4f}, {end[1]:.4f})")
    left.plot(*asked.T, ".-" if name == "L-BFGS" else "-", linewidth=1, label=name)
    right.loglog(np.arange(1, len(asked) + 1), rosenbrock(asked), label=name)
left.plot(1, 1, "k*", markersize=14, label="minimum")
left.set(xlabel="x", ylabel="y", xlim=(-2, 2), ylim=(-1, 3), title="Where gradients were asked for")
left.legend(frameon=False)
right.set(xlabel="gradients", ylabel="loss", ylim=(1e-12, 1e4), title="Loss")
right.legend(frameon=False)
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "rosenbrock.png")

make, _ = ways["L-BFGS"]
asked, end = minimise(make, np.tile([-1.2, 1.0], 50), steps=1000)
farthest = np.abs(end - 1).max()
print(f"L-BFGS, n = 100   {len(asked):4d} gradients, loss {rosenbrock(end):.1e}, farthest from 1: {farthest:.1e}")
print(f"picture: {OUT}/rosenbrock.png")
