"""Praise or blame? A network reads short reviews, each word a learned vector, and finds out what the words mean.

Nobody tells it that "lovely" is kind; it sees reviews with a verdict, and the vectors move. The reviews are made here
by a small grammar in which "not" turns the next word around. A mean of word vectors cannot know which word that was; a
convolution over neighbouring words can.

python examples/sentiment.py             seconds
python examples/sentiment.py --quick     fewer passes over the reviews
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, train

KIND = ["lovely", "brilliant", "warm", "clever", "gentle", "moving", "funny", "fresh"]
HARSH = ["dull", "clumsy", "cold", "silly", "noisy", "boring", "stale", "flat"]
THINGS = ["plot", "music", "acting", "ending", "dialogue", "camera", "cast", "opening"]
PLAIN = ["the", "was", "and", "but", "not", "never", "rather", "quite", "felt"]
WORDS = ["", *KIND, *HARSH, *THINGS, *PLAIN]  # the empty word fills up short reviews
NUMBER = {word: i for i, word in enumerate(WORDS)}


def clause(rng):
    """Such as "the plot was not quite dull", and whether it is praise (+1) or blame (-1)."""
    kind, turned = rng.random() < 0.5, rng.random() < 0.25
    middle = [rng.choice(["not", "never"])] if turned else [[], ["rather"], ["quite"]][rng.integers(3)]
    word = rng.choice(KIND if kind else HARSH)
    return ["the", rng.choice(THINGS), rng.choice(["was", "felt"]), *middle, word], 1 if kind != turned else -1


def reviews(count, rng):
    """Numbers of words (count, 20) of different reviews of three clauses, and their verdicts: 1 praise, 0 blame."""
    made = {}
    while len(made) < count:
        parts = [clause(rng) for _ in range(3)]
        (first, a), (second, b), (third, c) = parts
        made[" ".join([*first, "and", *second, "but", *third])] = int(a + b + c > 0)  # what most of it says
    rows = [[NUMBER[word] for word in text.split()] for text in made]
    return np.array([row + [0] * (20 - len(row)) for row in rows]), np.array(list(made.values())), list(made)


class MeanOfWords(nn.Module):
    """The mean of the words' vectors, and a line that parts praise from blame."""

    def __init__(self):
        self.words, self.head = nn.EmbeddingBag(len(WORDS), 16, padding_idx=0), nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.words(x))


class PairsOfWords(nn.Module):
    """Features of neighbouring words, by a convolution of width 2, added up over the review."""

    def __init__(self):
        self.words = nn.Embedding(len(WORDS), 16, padding_idx=0)
        self.pairs, self.head = nn.Conv1d(16, 32, 2), nn.Linear(32, 2)

    def forward(self, x):
        vectors = self.words(x).permute_dims((0, 2, 1))  # (n, 16, words)
        return self.head(tl.relu(self.pairs(vectors)).mean(axis=-1))


def meanings(model, *before):
    """Words of feeling from the harshest to the kindest, as the model takes them in "the plot was ... word"."""
    tests = np.zeros((len(KIND + HARSH), 20), dtype=int)
    for row, word in zip(tests, KIND + HARSH, strict=True):
        row[: 4 + len(before)] = [NUMBER[w] for w in ("the", "plot", "was", *before, word)]
    blame, praise = train.predict(model, tests).T
    return [(KIND + HARSH)[i] for i in np.argsort(praise - blame)]


def picture(model):
    """The words' vectors in the two directions in which they differ most."""
    vectors = model.words.weight.detach().numpy()[1:]
    vectors = vectors - vectors.mean(axis=0)
    flat = vectors @ np.linalg.svd(vectors, full_matrices=False)[2][:2].T
    figure = Figure(figsize=(8, 6), dpi=130, layout="constrained")
    axes = figure.add_subplot(title="Words, as learned from verdicts", xlabel="first direction", ylabel="second")
    for words, colour in ((KIND, "tab:green"), (HARSH, "tab:red"), (THINGS, "gray"), (PLAIN, "tab:blue")):
        for word in words:
            axes.text(*flat[NUMBER[word] - 1], word, color=colour, ha="center", va="center")
    side = 1.15 * np.abs(flat).max(axis=0)
    axes.set(xlim=(-side[0], side[0]), ylim=(-side[1], side[1]))
    return figure


def main():
    parser = argparse.ArgumentParser(description="Classify made-up reviews with word vectors.")
    parser.add_argument("--quick", action="store_true", help="5 passes over the reviews instead of 15")
    parser.add_argument("--out", type=Path, default=Path("runs/sentiment"))
    args = parser.parse_args()

    x, y, texts = reviews(3000, np.random.default_rng(0))
    print(f"2000 reviews to learn from, 1000 others to be tested on, such as:\n  {texts[2000]}: {y[2000]}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name, make in (("mean of words", MeanOfWords), ("pairs of words", PairsOfWords)):
        tl.manual_seed(0)
        model = make()
        optimizer = optim.AdamW(model, lr=0.01, weight_decay=0.01)
        train.fit(model, (x[:2000], y[:2000]), optimizer=optimizer, epochs=5 if args.quick else 15, progress=False)
        accuracy = (train.predict(model, x[2000:]).argmax(axis=1) == y[2000:]).mean()
        print(f"\n{name}: {accuracy:.1%} of the test reviews")
        for before in ((), ("not",)):
            order = meanings(model, *before)
            frame = f"the plot was {' '.join(before):3} ..."
            print(f"  {frame}  harshest: {' '.join(order[:5])}; kindest: {' '.join(order[-5:])}")
    picture(model).savefig(args.out / "words.png")
    print(f"saved {args.out / 'words.png'}")


if __name__ == "__main__":
    main()
