"""Convolution and pooling by hand, after Fukushima's neocognitron of 1980: letters are known wherever they stand.

python examples/neocognitron.py

Nothing is trained. S-cells look for one small pattern at every place of the image: a convolution. C-cells answer if any
S-cell of a small neighbourhood does: a pooling, which forgets a little about the place. Two such stages, strokes and
then whole letters, make up the first convolutional network.
Source: K. Fukushima 1980, Biological Cybernetics 36, 193-202.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl

OUT = Path("runs/neocognitron")
SIZE, REACH = 20, 6  # pixels of an image, and how far letters are moved from its middle
LETTERS = {
    "T": ["#####", "..#..", "..#..", "..#..", "..#.."], "L": ["#....", "#....", "#....", "#....", "#####"],
    "X": ["#...#", ".#.#.", "..#..", ".#.#.", "#...#"], "H": ["#...#", "#...#", "#####", "#...#", "#...#"],
    "Z": ["#####", "...#.", "..#..", ".#...", "#####"], "V": ["#...#", "#...#", ".#.#.", ".#.#.", "..#.."],
}  # fmt: skip
STROKES = np.array([[[0, 0, 0], [1, 1, 1], [0, 0, 0]], [[0, 1, 0]] * 3, np.eye(3), np.eye(3)[::-1]])  # - | \ /


def drawn(rows, down=0, right=0):
    """A letter in an image (SIZE, SIZE), moved away from the middle."""
    image, top = np.zeros((SIZE, SIZE)), (SIZE - 5) // 2
    image[top + down : top + down + 5, top + right : top + right + 5] = [[c == "#" for c in row] for row in rows]
    return image


def strokes(images):
    """First S-cells: where there are strokes in each of four directions, (n, 4, SIZE, SIZE)."""
    return tl.relu(tl.conv2d(images[:, None], 3 * STROKES[:, None] - 1.5, padding=1) - 1)


def blurred(images):
    """First C-cells: whether there is such a stroke within two pixels, (n, 4, SIZE / 2, SIZE / 2)."""
    return tl.max_pool2d(strokes(images), kernel_size=4, stride=2, padding=1)


def answers(images, letters):
    """The letter that each of four networks takes each image for: the most alike of those shown in the middle."""

    def alike(features):  # the cosine of the angle between features of images and letters, place by place
        seen, known = (features(x).reshape(len(x), -1) for x in (images, letters))
        return seen @ (known / np.linalg.norm(known, axis=1, keepdims=True)).T

    templates = blurred(letters)[:, :, 2:-2, 2:-2]  # second S-cells: whole letters, made of blurred strokes
    templates = templates / np.sqrt((templates**2).sum(axis=(1, 2, 3), keepdims=True))
    whole = tl.conv2d(blurred(images), templates, padding=3)  # (n, letters, places...)
    return {
        "pixels": alike(lambda x: x).argmax(axis=1),
        "strokes (S)": alike(strokes).argmax(axis=1),
        "strokes, pooled (S, C)": alike(blurred).argmax(axis=1),
        "letters, pooled (S, C, S, C)": whole.max(axis=(2, 3)).argmax(axis=1),  # second C-cells: anywhere at all
    }


letters = np.stack([drawn(rows) for rows in LETTERS.values()])
shifts = [(down, right) for down in range(-REACH, REACH + 1) for right in range(-REACH, REACH + 1)]
images = np.stack([drawn(rows, *shift) for shift in shifts for rows in LETTERS.values()])
truth = np.tile(np.arange(len(LETTERS)), len(shifts))
distance = np.repeat([max(abs(down), abs(right)) for down, right in shifts], len(LETTERS))
spots = np.random.default_rng(0).random(images.shape) < 0.02

figure = Figure(figsize=(11, 5.4), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=(2.4, 1))
axes = upper.subplots()
print(f"{len(images)} images of the letters {' '.join(LETTERS)}, moved by up to {REACH} pixels each way:")
clean, spotted = answers(images, letters), answers(np.abs(images - spots), letters)
for name, found in clean.items():
    right = found == truth
    print(f"{name:28s}  {right.mean():6.1%} right; 2% of the pixels flipped: {(spotted[name] == truth).mean():6.1%}")
    axes.plot(range(REACH + 1), [right[distance == d].mean() for d in range(REACH + 1)], "o-", label=name)
axes.axhline(1 / len(LETTERS), color="grey", linestyle=":", label="guessing")
axes.set(xlabel="moved by (pixels)", ylabel="share right", title="Letters, known where they were not seen before")
axes.legend(frameon=False)

moved = drawn(LETTERS["Z"], 4, -5)[None]
cells = {"S": strokes(moved)[0], "C": blurred(moved)[0]}
panels = [("a moved Z", moved[0])]
for kind, maps in cells.items():
    panels += [(f"{kind}  {way}", found / maps.max()) for way, found in zip("-|\\/", maps, strict=True)]
for axes, (title, panel) in zip(lower.subplots(1, 9), panels, strict=True):
    axes.imshow(panel, cmap="Blues", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], title=title)
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "neocognitron.png")
print(f"picture: {OUT}/neocognitron.png")
