"""SciPy's minimisers with our derivatives: a least-squares fit of a spectrum of three peaks, nine parameters.

python examples/scipy_minimize.py

`scipy.optimize.minimize` asks for the gradient (`jac`) and, in its Newton methods, for products of the Hessian with a
vector (`hessp`). Without them it wiggles one parameter after another and rounds. `tl.value_and_grad` and `tl.hvp` make
both out of the same function of NumPy arrays, exactly, for any number of parameters.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize

import tinygrad_lite as tl

OUT = Path("runs/scipy_minimize")
TRUE = np.array([1.0, 2.0, 1.5, 2.5, 4.2, 6.5, 0.5, 0.3, 0.9])  # heights, places and widths of the three peaks
START = np.array([1.0, 1.0, 1.0, 2.0, 4.5, 7.0, 0.6, 0.6, 0.6])


def peaks(p, x):
    """Three peaks of Gauss's form, (3, n), at the n places x; p : (9,)."""
    height, place, width = tl.reshape(p, (3, 3, 1))
    return height * tl.exp(-0.5 * ((x - place) / width) ** 2)


x = np.linspace(0, 10, 400)
y = peaks(TRUE, x).sum(axis=0) + 0.05 * np.random.default_rng(0).normal(size=x.shape)


def loss(p):
    """Half the sum of squared residuals."""
    return 0.5 * ((peaks(p, x).sum(axis=0) - y) ** 2).sum()


def product(p, v):
    """The Hessian of the loss at p, times v."""
    return tl.hvp(loss, p, v)


gradient = tl.value_and_grad(loss)
ways = {
    "BFGS, finite differences": {"fun": loss, "method": "BFGS"},
    "BFGS, our gradient": {"fun": gradient, "jac": True, "method": "BFGS"},
    "trust-ncg, our Hessian products": {"fun": gradient, "jac": True, "hessp": product, "method": "trust-ncg"},
}
print("minimiser                        loss          calls  products   |gradient| at the end")
for name, way in ways.items():
    found = minimize(x0=START, **way)
    steepness = np.abs(tl.grad(loss)(found.x)).max()
    print(f"{name:31s}  {found.fun:.9f}   {found.nfev:4d}   {found.get('nhev', 0):4d}      {steepness:.1e}")

print("true  ", *(f"{value:6.3f}" for value in TRUE))
print("fitted", *(f"{value:6.3f}" for value in found.x))
print(f"smallest curvature {np.linalg.eigvalsh(tl.hessian(loss)(found.x)).min():.2f}: positive, so a minimum")

figure = Figure(figsize=(7.5, 4.2), layout="constrained")
axes = figure.subplots()
axes.plot(x, y, ".", color="grey", markersize=3, label="measured")
axes.plot(x, peaks(START, x).sum(axis=0), ":", color="tab:orange", label="first guess")
for peak in peaks(found.x, x):
    axes.fill_between(x, peak, alpha=0.3)
axes.plot(x, peaks(found.x, x).sum(axis=0), color="tab:blue", label="fit, and its three peaks")
axes.set(xlabel="place", ylabel="intensity", title="Three peaks, nine parameters")
axes.legend(frameon=False)
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "scipy_minimize.png")
print(f"picture: {OUT}/scipy_minimize.png")
