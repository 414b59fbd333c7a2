"""A network that learns a law of physics, not data: the damped oscillator u'' + 2 d u' + w^2 u = 0.

python examples/oscillator.py

No solution is ever shown to it. It is asked for u(0) = 1, u'(0) = 0 and that the equation holds at points in time; the
derivatives u' and u'' of the network by its input come from `tl.autograd.grad`, and the gradient by the weights goes
through them. Such networks are called physics-informed (Raissi, Perdikaris, Karniadakis 2019, J. Comput. Phys. 378).
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

OUT = Path("runs/oscillator")
DAMPING, FREQUENCY, END = 0.3, 2.0, 6.0
STEPS = 500


def exact(t):
    """The solution from a textbook, for comparison only."""
    w = np.sqrt(FREQUENCY**2 - DAMPING**2)
    return np.exp(-DAMPING * t) * (np.cos(w * t) + DAMPING / w * np.sin(w * t))


def solution(t):
    """The network's u(t), t : (n, 1). The square, flat at 0, gives u(0) = 1 and u'(0) = 0 whatever the network says."""
    return 1 + tl.tanh(t) ** 2 * net(2 * t / END - 1)


def residual(t):
    """What is missing to the equation at times t, and its derivatives on the way there."""
    t = tl.tensor(t, requires_grad=True)
    u = solution(t)
    (du,) = tl.autograd.grad(u.sum(), [t], create_graph=True)  # each u depends on its own t alone
    (ddu,) = tl.autograd.grad(du.sum(), [t], create_graph=True)
    return ddu + 2 * DAMPING * du + FREQUENCY**2 * u


tl.manual_seed(0)
tl.set_default_dtype("float64")
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = optim.LBFGS(net, max_iter=10, tolerance_change=1e-14, line_search_fn="strong_wolfe")
points = np.linspace(0, END, 80)[:, None]


def closure():
    """The mean squared residual, and its gradient by the weights."""
    optimizer.zero_grad()
    loss = (residual(points) ** 2).mean()
    loss.backward()
    return loss


snapshots = {}
for steps in range(0, STEPS + 1, 10):
    u = solution(points).detach().numpy()
    if steps in (0, 10, 30):
        snapshots[steps] = u
    loss = optimizer.step(closure)  # ten steps; the loss is the one before them
    if steps % 100 == 0:
        error = np.abs(u - exact(points)).max()
        print(f"{steps:3d} steps  mean squared residual {loss.item():.1e}  largest error {error:.1e}")

t = np.linspace(0, END, 997)[:, None]  # in between the points that it learned at, too
u = solution(t).detach().numpy()
print(f"largest error {np.abs(u - exact(t)).max():.1e}, in between too, of a swing from {u.min():.2f} to {u.max():.2f}")

figure = Figure(figsize=(10, 4), layout="constrained")
left, right = figure.subplots(1, 2)
for (steps, snapshot), alpha in zip(snapshots.items(), (0.3, 0.6, 1), strict=True):
    left.plot(points, snapshot, "--", color="tab:orange", alpha=alpha, label=f"network after {steps} steps")
left.plot(t, u, color="tab:blue", linewidth=2, label=f"network after {STEPS} steps")
left.plot(t[::40], exact(t[::40]), "k.", label="exact solution")
left.set(xlabel="time t", ylabel="u(t)", ylim=(-1.1, 1.9), title="A damped oscillator, learned from its equation")
left.legend(frameon=False, fontsize=9)
right.semilogy(t, np.abs(u - exact(t)), label="|u - exact|")
right.semilogy(t, np.abs(residual(t).detach().numpy()), label="|u'' + 2 d u' + w^2 u|", linewidth=0.8)
right.set(xlabel="time t", ylim=(1e-8, 0.1), title="Error, and what is missing to the equation")
right.legend(frameon=False)
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "oscillator.png")
print(f"picture: {OUT}/oscillator.png")
