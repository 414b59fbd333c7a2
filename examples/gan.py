"""Two networks in a contest: a forger makes points, a detective tells them from true ones (a GAN).

The true points lie in eight clouds on a ring. A forger that serves only some of the clouds has lost modes, which is how
such contests usually fail; how many of the eight are served is printed.

python examples/gan.py             tens of seconds
python examples/gan.py --quick     seconds; the forger has only begun
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

CLOUDS, SPREAD, NOISE, BATCH = 8, 0.1, 8, 256
CENTRES = 2 * np.stack([f(2 * np.pi * np.arange(CLOUDS) / CLOUDS) for f in (np.cos, np.sin)], axis=1)


def true_points(count, rng):
    """Points (count, 2) from the ring."""
    return (CENTRES[rng.integers(0, CLOUDS, count)] + SPREAD * rng.normal(size=(count, 2))).astype(np.float32)


def network(inputs, outputs):
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)
    )


def judge(points):
    """How many clouds get at least a third of their share of the points, and the share of points within a cloud."""
    distances = np.linalg.norm(points[:, None] - CENTRES, axis=-1)
    good = distances.min(axis=1) < 4 * SPREAD
    served = np.bincount(distances.argmin(axis=1)[good], minlength=CLOUDS) > len(points) / CLOUDS / 3
    return served.sum(), good.mean()


def main():
    parser = argparse.ArgumentParser(description="A GAN on a ring of eight clouds.")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--quick", action="store_true", help="600 steps")
    parser.add_argument("--out", type=Path, default=Path("runs/gan"))
    args = parser.parse_args()
    steps = 600 if args.quick else args.steps

    noise = tl.manual_seed(0)
    rng = np.random.default_rng(0)
    forger, detective = network(NOISE, 2), network(2, 1)
    forging = optim.Adam(forger, lr=1e-3, betas=(0.5, 0.9))
    detecting = optim.Adam(detective, lr=1e-3, betas=(0.5, 0.9))

    @tl.jit
    def step(true):
        made = forger(noise.normal((BATCH, NOISE)))
        # The detective says a number above 0 to true points and below 0 to made ones.
        loss = tl.softplus(-detective(true)).mean() + tl.softplus(detective(made.detach())).mean()
        detecting.zero_grad()
        loss.backward()
        detecting.step()
        # The forger wants the improved detective to be wrong about what it has made.
        loss = tl.softplus(-detective(made)).mean()
        forging.zero_grad()
        loss.backward()
        forging.step()

    shown = {}
    for i in range(1, steps + 1):
        step(true_points(BATCH, rng))
        if i in (steps // 12, steps // 3, steps):
            with tl.no_grad():
                shown[i] = forger(noise.normal((2000, NOISE))).numpy()
            served, good = judge(shown[i])
            print(f"after {i:5d} steps {served} of {CLOUDS} clouds are served, {good:.0%} of made points lie in one")
    print(f"lost modes: {CLOUDS - served}")

    figure = Figure(figsize=(14, 3.9), dpi=130, layout="constrained")
    pictures = {"true points": true_points(2000, rng)} | {f"made after {i} steps": made for i, made in shown.items()}
    for axes, (title, points) in zip(figure.subplots(1, 4), pictures.items(), strict=True):
        axes.scatter(*points.T, s=3, alpha=0.4, color="tab:orange" if "made" in title else "tab:blue")
        axes.set(title=title, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "ring.png")
    print(f"saved {args.out / 'ring.png'}")


if __name__ == "__main__":
    main()
