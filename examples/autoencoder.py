"""Digits through a needle's eye: 64 pixels become 2 numbers and pixels again; and then digits that nobody wrote.

An autoencoder learns to give back what it gets through a layer of two units. Principal components do that best among
linear maps, so they are the mark to beat. A variational autoencoder (VAE) encodes as a cloud instead of a point and
keeps all clouds near the origin, so that any point of the plane decodes to something like a digit.

python examples/autoencoder.py             seconds
python examples/autoencoder.py --quick     fewer passes over the digits
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import data, nn, optim


def network(*widths):
    """Linear layers with SiLU between them."""
    layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.SiLU())]
    return nn.Sequential(*layers[:-1])


class Autoencoder(nn.Module):
    """64 pixels to 2 numbers and back; a variational one encodes to two means and two logarithms of variances."""

    def __init__(self, variational):
        self.variational = variational
        self.encoder = network(64, 256, 128, 4 if variational else 2)
        self.decoder = network(2, 128, 256, 64)

    def encode(self, x):
        return self.encoder(x)[:, :2]

    def loss(self, x):
        """Half the squared error per image over the variance that noise of pixels is given, and for a VAE the
        divergence of its clouds from a normal distribution.   Source: Kingma, Welling 2013, arXiv:1312.6114."""
        code, divergence = self.encoder(x), 0.0
        if self.variational:
            mean, log_variance = code[:, :2], code[:, 2:]
            code = mean + tl.exp(0.5 * log_variance) * tl.default_generator().normal(mean.shape)
            divergence = 0.5 * (mean**2 + tl.exp(log_variance) - 1 - log_variance).sum(axis=1).mean()
        return 0.5 / 0.05 * ((self.decoder(code) - x) ** 2).sum(axis=1).mean() + divergence


def trained(variational, images, epochs):
    """An autoencoder after so many passes over the images."""
    tl.manual_seed(0)
    model = Autoencoder(variational)
    loader = data.DataLoader((images,), batch_size=64, rng=0, drop_last=True)
    optimizer = optim.Adam(model, lr=2e-3)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=epochs)

    @tl.jit
    def step(x):
        optimizer.zero_grad()
        loss = model.loss(x)
        loss.backward()
        optimizer.step()

    for _ in range(epochs):
        for (x,) in loader:
            step(x)
        schedule.step()
    return model


def plane(axes, codes, labels, title):
    """Where the digits lie in the plane of codes."""
    axes.scatter(*codes.T, c=labels, cmap="tab10", s=6)
    for digit in range(10):
        axes.text(*np.median(codes[labels == digit], axis=0), digit, fontsize=14, weight="bold", ha="center")
    axes.set(title=title)


def tiled(images, columns):
    """Images (n, 64) in rows, with some paper between them."""
    apart = np.pad(images.reshape(-1, columns, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.concatenate(np.concatenate(apart, axis=1), axis=1)


def picture(vae, codes, labels, originals, restored):
    """Reconstructions, planes of codes, and digits decoded from a grid of codes."""
    figure = Figure(figsize=(16, 7), dpi=110, layout="constrained")
    parts = figure.subplot_mosaic([["rows", "rows", "grid"], ["autoencoder", "VAE", "grid"]])
    tiles = tiled(np.concatenate([images[:20] for images in (originals, *restored.values())]), columns=20)
    parts["rows"].imshow(tiles, cmap="gray_r", vmin=0, vmax=1)
    parts["rows"].set(title="digits kept back, and restored", xticks=(), yticks=range(5, len(tiles), 10))
    parts["rows"].set_yticklabels(["written", *restored])
    for name, code in codes.items():
        plane(parts[name], code, labels, f"codes of the {name}")
    steps = np.linspace(-2, 2, 12, dtype=np.float32)
    with tl.no_grad():
        made = vae.decoder(np.stack(np.meshgrid(steps, steps[::-1]), axis=-1).reshape(-1, 2)).numpy()
    parts["grid"].imshow(tiled(made, columns=12), cmap="gray_r", vmin=0, vmax=1, extent=(-2.2, 2.2, -2.2, 2.2))
    parts["grid"].set(title="digits that the VAE makes of points of its plane")
    return figure


def main():
    parser = argparse.ArgumentParser(description="Autoencoders with two units in the middle.")
    parser.add_argument("--quick", action="store_true", help="20 passes over the digits instead of 150")
    parser.add_argument("--out", type=Path, default=Path("runs/autoencoder"))
    args = parser.parse_args()

    (x, _), (hidden, labels) = data.stratified_split(*data.digits(), fraction=0.25, rng=0)
    x, hidden = x.reshape(-1, 64), hidden.reshape(-1, 64)
    mean, directions = x.mean(axis=0), np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:2]
    restored = {"2 components": (hidden - mean) @ directions.T @ directions + mean}
    codes = {}
    for name, variational in (("autoencoder", False), ("VAE", True)):
        model = trained(variational, x, epochs=20 if args.quick else 150)
        with tl.no_grad():
            codes[name] = model.encode(hidden).numpy()
            restored[name] = model.decoder(codes[name]).numpy()
    print(f"share of the pixels' variance on {len(hidden)} digits kept back that two numbers tell:")
    for name, images in restored.items():
        print(f"  {name:12} {1 - ((images - hidden) ** 2).sum() / ((hidden - mean) ** 2).sum():.3f}")
    args.out.mkdir(parents=True, exist_ok=True)
    picture(model, codes, labels, hidden, restored).savefig(args.out / "digits.png")
    print(f"saved {args.out / 'digits.png'}")


if __name__ == "__main__":
    main()
