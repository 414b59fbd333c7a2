"""How much noise a digits classifier bears, and what helps: noise in the training images.

python examples/noise.py

Two networks of the same kind, on the 8 x 8 digits that the package carries. One learns from clean images, the other
from images with new noise in every epoch. Both are then asked about held-out images with more and more noise.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import data, nn, optim, train

OUT = Path("runs/noise")
LEVELS = np.round(np.arange(0, 1.01, 0.1), 1)


def noisy(images, level, rng):
    """Images with noise of Gauss's form on every pixel; level is its standard deviation, ink is 1, paper is 0."""
    return images + np.float32(level) * rng.normal(size=images.shape).astype(np.float32)


def learn(images, labels, level, epochs=40):
    """A classifier that learned from images with noise of up to that level."""
    tl.manual_seed(0)
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = optim.AdamW(model, lr=3e-3, weight_decay=0.01)
    loader = data.DataLoader(
        (images, labels), batch_size=64, rng=0, transform=lambda x: noisy(x, level * rng.random((len(x), 1, 1)), rng)
    )
    train.fit(model, loader, optimizer=optimizer, epochs=epochs, progress=False)
    return model


def accuracy(model, images, labels):
    """The share of images that are read rightly."""
    with tl.no_grad():
        return float((model(images).argmax(axis=1).numpy() == labels).mean())


(x, y), (x_test, y_test) = data.stratified_split(*data.digits(), fraction=0.25, rng=0)
models = {"learned from clean images": learn(x, y, 0.0), "learned from noisy images": learn(x, y, 0.8)}
rng = np.random.default_rng(1)
tests = [noisy(x_test, level, rng) for level in LEVELS]
curves = {name: [accuracy(model, images, y_test) for images in tests] for name, model in models.items()}

print("noise                    ", *(f"{level:5.1f}" for level in LEVELS))
for name, curve in curves.items():
    print(name, *(f"{share:5.3f}" for share in curve))

figure = Figure(figsize=(8, 6.2), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=(3, 1))
axes = upper.subplots()
for name, curve in curves.items():
    axes.plot(LEVELS, curve, "o-", label=name)
axes.axhline(0.1, color="grey", linestyle=":", label="guessing")
axes.set(xlabel="standard deviation of the noise (ink is 1)", ylabel="share of 450 held-out images read rightly")
axes.set(title="Noise, and what a network bears of it")
axes.legend(frameon=False)
axes.grid(alpha=0.3)
for axes, level, images in zip(lower.subplots(1, 6), LEVELS[::2], tests[::2], strict=True):
    axes.imshow(images[7], cmap="gray_r", vmin=-0.5, vmax=1.5)
    axes.set(xticks=[], yticks=[], title=f"noise {level}", xlabel=f"a {y_test[7]}")
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "noise.png")
print(f"picture: {OUT}/noise.png")
