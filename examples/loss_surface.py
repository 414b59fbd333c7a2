"""The surface of a loss with two weights: a local minimum, the global one, and the paths of descent into them.

python examples/loss_surface.py

Gradient descent only ever sees the slope under its feet. Where it starts decides which valley it ends in; momentum
carries it through the shallow one.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import optim

OUT = Path("runs/loss_surface")
GLOBAL, LOCAL = np.array([1.1, -0.6]), np.array([-1.0, 0.5])  # about where the two valleys are


def loss(w):
    """A bowl with two hollows in it, the deeper one at the right. w : (..., 2), two weights."""
    deep = tl.exp(-((w - GLOBAL) ** 2).sum(axis=-1) / 0.5)
    shallow = tl.exp(-((w - LOCAL) ** 2).sum(axis=-1) / 0.3)
    return 1.5 + 0.25 * (w**2).sum(axis=-1) - 1.5 * deep - 0.7 * shallow


def descend(start, momentum, lr=0.05, steps=250):
    """The weights before every step of gradient descent, (steps + 1, 2)."""
    w = tl.tensor(start, dtype="float64", requires_grad=True)
    optimizer = optim.SGD([w], lr=lr, momentum=momentum)
    path = [np.array(start)]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


ticks = np.linspace(-2.2, 2.2, 241)
plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)
heights = loss(plane)  # plain arrays in, plain arrays out: the whole surface at once
lowest = plane.reshape(-1, 2)[heights.argmin()]
print(f"lowest point of the picture: loss {heights.min():.4f} at ({lowest[0]:+.2f}, {lowest[1]:+.2f})")

figure = Figure(figsize=(11, 4.8), layout="constrained")
relief = figure.add_subplot(1, 2, 1, projection="3d", computed_zorder=False)
relief.plot_surface(*plane.transpose(2, 0, 1), heights, cmap="viridis", alpha=0.85, rcount=80, ccount=80)
chart = figure.add_subplot(1, 2, 2)
chart.contour(ticks, ticks, heights, levels=30, cmap="viridis")
for start, momentum, color in [([-1.8, 1.7], 0.0, "red"), ([0.9, 1.7], 0.0, "blue"), ([-1.8, 1.7], 0.9, "orange")]:
    path = descend(start, momentum)
    end = path[-1]
    steepness = np.abs(tl.grad(loss)(end)).max()
    curvatures = np.linalg.eigvalsh(tl.hessian(loss)(end))  # both positive: a minimum, whichever way one looks
    kind = "global" if np.linalg.norm(end - lowest) < 0.1 else "local"
    name = f"from {start}, momentum {momentum}"
    print(
        f"{name}: {kind} minimum ({end[0]:+.2f}, {end[1]:+.2f}), loss {loss(end):.4f}, slope {steepness:.0e}, "
        f"curvatures {curvatures[0]:.2f} and {curvatures[1]:.2f}"
    )
    relief.plot(*path.T, loss(path) + 0.02, color=color, linewidth=2)
    chart.plot(*path.T, ".-", color=color, markersize=3, linewidth=1, label=f"{name}: {kind}")
    chart.plot(*end, "*", color=color, markersize=14, markeredgecolor="black")
relief.set(xlabel="first weight", ylabel="second weight", zlabel="loss", title="The loss of every pair of weights")
relief.view_init(elev=48, azim=-70)
chart.set(xlabel="first weight", ylabel="second weight", aspect="equal", title="Paths of descent, and where they end")
chart.legend(fontsize=8)

OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "loss_surface.png")
print(f"picture: {OUT}/loss_surface.png")
