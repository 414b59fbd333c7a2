"""Fitting a curve to measurements, with errors of its parameters: Levenberg-Marquardt with an exact Jacobian.

python examples/curve_fit.py

A swing that dies out, measured with noise: y = amplitude e^(-t / lifetime) cos(frequency t + phase). Only the curve is
written down; its derivatives by the four parameters come from `tl.jacobian`. The covariance of the parameters is
s^2 (J^T J)^-1, with s^2 the mean square of the residuals per degree of freedom.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import curve_fit  # only to compare with

import tinygrad_lite as tl

OUT = Path("runs/curve_fit")
NAMES = ("amplitude", "lifetime", "frequency", "phase")
TRUE = np.array([2.0, 3.0, 4.0, 0.5])


def curve(p, t):
    """The swing at times t, (n,), for the parameters p, (4,)."""
    return p[0] * tl.exp(-t / p[1]) * tl.cos(p[2] * t + p[3])


def levenberg_marquardt(residuals, p, iterations=100, tolerance=1e-9):
    """The parameters with the least sum of squares of residuals, and their covariance.

    Every iteration solves (J^T J + damping diag(J^T J)) step = -J^T r: with little damping that is a Gauss-Newton step,
    with much of it a short step downhill. A step that makes things worse is taken back, and damped more.
    Source: D. Marquardt 1963, SIAM Journal on Applied Mathematics 11(2), 431-441.
    """
    damping, r = 1e-2, residuals(p)
    for iteration in range(1, iterations + 1):
        j = tl.jacobian(residuals)(p)
        normal = j.T @ j
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -j.T @ r)
        tried = residuals(p + step)
        better = tried @ tried < r @ r
        print(f"  iteration {iteration:2d}: sum of squares {tried @ tried:9.4f}, damping {damping:.0e}, kept {better}")
        gain = r @ r - tried @ tried
        damping = damping / 10 if better else damping * 10
        if better:
            p, r = p + step, tried
        if abs(gain) <= tolerance * (r @ r):
            break
    j = tl.jacobian(residuals)(p)
    return p, np.linalg.inv(j.T @ j) * (r @ r) / (len(r) - len(p))


t = np.linspace(0, 8, 120)
y = curve(TRUE, t) + 0.15 * np.random.default_rng(1).normal(size=t.shape)

start = np.array([1.0, 2.0, 3.8, 0.0])
print("Levenberg-Marquardt:")
p, covariance = levenberg_marquardt(lambda p: curve(p, t) - y, start)
errors = np.sqrt(np.diag(covariance))

theirs, their_covariance = curve_fit(lambda t, *p: curve(p, t), t, y, p0=start)
print("parameter      fitted  error  SciPy's error   true  off by (errors)")
for row in zip(NAMES, p, errors, np.sqrt(np.diag(their_covariance)), TRUE, (p - TRUE) / errors, strict=True):
    print("{:10s}  {:8.4f}  {:.4f}  {:.4f}  {:8.4f}  {:+.1f}".format(*row))
print(f"largest difference to scipy.optimize.curve_fit: {np.abs(p - theirs).max():.1e}")

figure = Figure(figsize=(7.5, 4.2), layout="constrained")
axes = figure.subplots()
fine = np.linspace(0, 8, 500)
j = tl.jacobian(lambda p: curve(p, fine))(p)  # how the curve moves with the parameters, so how uncertain it is
band = 2 * np.sqrt(((j @ covariance) * j).sum(axis=1))
axes.plot(t, y, ".", color="grey", label="measured")
axes.plot(fine, curve(start, fine), ":", color="tab:orange", label="first guess")
axes.fill_between(fine, curve(p, fine) - band, curve(p, fine) + band, alpha=0.3, label="fit, two standard errors")
axes.plot(fine, curve(p, fine), color="tab:blue", label="fit")
axes.set(xlabel="time", ylabel="deflection", title="A damped swing and its fit")
axes.legend(frameon=False)
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "curve_fit.png")
print(f"picture: {OUT}/curve_fit.png")
