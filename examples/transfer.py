"""Transfer learning: what a network learned from odd digits helps it to read even ones from a handful of examples.

python examples/transfer.py            about half a minute
python examples/transfer.py --quick    a few seconds: less of everything

A convolutional network learns 1, 3, 5, 7, 9 from 2,500 MNIST images. Then its dense layers are taken off, the
convolutions are frozen, and a new last layer on them learns 0, 2, 4, 6, 8 from few examples of each. Beside it a
network of the same kind learns its convolutions, too, from these few.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import data, nn, optim, train

OUT = Path("runs/transfer")
MNIST = dict(zip(("train", "test"), data.mnist(Path(__file__).parent / "data" / "mnist_5k_10k.npz"), strict=True))

parser = argparse.ArgumentParser(description="Features from odd digits, put to use on even ones.")
parser.add_argument("--quick", action="store_true", help="less of everything")
quick = parser.parse_args().quick
epochs, counts, draws, tested = (2, (5, 10), 1, 2000) if quick else (5, (1, 2, 5, 10, 30, 100), 3, 10000)


def load(part, remainder, n):
    """Odd (remainder 1) or even (0) digits of the first n images: (m, 1, 28, 28) float32, and labels 0 to 4."""
    images, labels = (array[:n] for array in MNIST[part])
    chosen = labels % 2 == remainder
    return images[chosen][:, None], labels[chosen] // 2


def features():
    """The convolutions: from images to 256 numbers each."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
    )  # fmt: skip


def learn(model, x, y, epochs):
    """AdamW on the cross entropy, in batches of 50."""
    optimizer = optim.AdamW(model, lr=2e-3, weight_decay=0.01)
    train.fit(model, (x, y), optimizer=optimizer, epochs=epochs, batch_size=50, progress=False)


def accuracy(model, x, y):
    """The share of inputs whose class is found."""
    with tl.no_grad():
        return float((model(x).argmax(axis=1).numpy() == y).mean())


tl.manual_seed(0)
body = features()
odd = nn.Sequential(body, nn.Linear(256, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 5))
learn(odd, *load("train", 1, 5000), epochs)
print(f"odd digits: {accuracy(odd.eval(), *load('test', 1, tested)):.1%} of those in the test images")

(x, y), (x_test, y_test) = load("train", 0, 5000), load("test", 0, tested)
with tl.no_grad():  # frozen: the features of every image are computed once, and are plain arrays from here on
    seen, seen_test = body(x).numpy(), body(x_test).numpy()
curves = {"features from odd digits": [], "everything from scratch": []}
for count in counts:
    results = []
    for draw in range(draws):  # other examples each time, since few may be lucky ones
        few = np.concatenate([np.flatnonzero(y == digit)[draw * count :][:count] for digit in range(5)])
        last, whole = nn.Linear(256, 5), nn.Sequential(features(), nn.Linear(256, 5))
        learn(last, seen[few], y[few], epochs=200)
        learn(whole, x[few], y[few], epochs=max(1500 // len(few), 30))
        results.append((accuracy(last, seen_test, y_test), accuracy(whole, x_test, y_test)))
    for curve, mean in zip(curves.values(), np.mean(results, axis=0), strict=True):
        curve.append(mean)
    transferred, scratch = (curve[-1] for curve in curves.values())
    print(f"even digits from {count:3d} of each: transferred {transferred:.1%}, from scratch {scratch:.1%}", flush=True)

figure = Figure(figsize=(6.4, 4.4), layout="constrained")
axes = figure.subplots()
for name, curve in curves.items():
    axes.semilogx(counts, curve, "o-", label=name)
axes.axhline(0.2, color="grey", linestyle=":", label="guessing")
axes.set(xlabel="examples of each even digit", ylabel=f"share right of {len(y_test)} test images")
axes.set(title="Reading 0, 2, 4, 6, 8 after having learned 1, 3, 5, 7, 9", xticks=counts, xticklabels=counts)
axes.legend(frameon=False)
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "transfer.png")
print(f"picture: {OUT}/transfer.png")
