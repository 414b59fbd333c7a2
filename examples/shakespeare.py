"""Characters of Shakespeare: a network reads a million of them, learns to guess the next one, and then writes its own.

python examples/shakespeare.py                 GPT: attention looks back at the characters before; about a minute
python examples/shakespeare.py --model lstm    LSTM: a memory is carried from character to character
python examples/shakespeare.py --steps 10000   longer and better
python examples/shakespeare.py --quick         seconds, to see that it works

The loss is in nats per character: with a loss of L, the network hesitates as between e^L equally likely characters. It
is measured on the last tenth of the text, which is not learned from, beside that of two tables of frequencies.
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

TEXT = Path(__file__).parent / "data" / "tinyshakespeare.txt.gz"
LENGTH, BATCH = 64, 8


class GPT(nn.Module):
    """A transformer that sees only what was before.   Source: Radford et al. 2018, Improving language understanding."""

    def __init__(self, characters, width=96):
        self.characters, self.places = nn.Embedding(characters, width), nn.Embedding(LENGTH, width)
        self.blocks = [
            nn.TransformerEncoderLayer(
                width, nhead=4, dim_feedforward=4 * width, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(3)
        ]  # fmt: skip
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters)
        for table in (self.characters, self.places):
            table.weight.data *= 0.1

    def forward(self, x):
        length = x.shape[1]
        future = np.triu(np.ones((length, length), dtype=bool), 1)  # true where it must not look
        y = self.characters(x) + self.places(np.arange(length))
        for block in self.blocks:
            y = block(y, src_mask=future, is_causal=True)
        return self.head(self.norm(y))


class LSTM(nn.Module):
    """A recurrent network with gates.   Source: Hochreiter, Schmidhuber 1997, Neural Computation 9(8), 1735-1780."""

    def __init__(self, characters, width=160):
        self.characters = nn.Embedding(characters, width)
        self.memory, self.head = nn.LSTM(width, width, batch_first=True), nn.Linear(width, characters)

    def forward(self, x):
        return self.head(self.memory(self.characters(x))[0])


MODELS = {"gpt": GPT, "lstm": LSTM}


def frequencies(known, hidden, characters):
    """The loss, in nats, of guessing by how often a character occurs, and by how often it follows the one before."""
    pairs = np.ones((characters, characters))  # each pair once more than it was seen, so that none is impossible
    np.add.at(pairs, (known[:-1], known[1:]), 1)
    alone, after = pairs.sum(axis=0) / pairs.sum(), pairs / pairs.sum(axis=1, keepdims=True)
    return -np.log(alone[hidden[1:]]).mean(), -np.log(after[hidden[:-1], hidden[1:]]).mean()


def excerpts(text, starts):
    """A row of LENGTH + 1 successive characters for each start."""
    return text[np.asarray(starts)[:, None] + np.arange(LENGTH + 1)]


def write(model, text, count, rng):
    """`count` characters after those of `text`, each drawn with the probability that the model gives it."""
    text = list(text)
    with tl.no_grad():
        for _ in range(count):
            chances = tl.softmax(model(np.array([text[-LENGTH:]]))[0, -1] / 0.8).numpy()  # below 1: a little bolder
            text.append(int((np.cumsum(chances) < rng.random()).sum().clip(max=len(chances) - 1)))
    return text


def main():
    parser = argparse.ArgumentParser(description="A language model of characters.")
    parser.add_argument("--model", choices=MODELS, default="gpt")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="40 steps")
    args = parser.parse_args()
    steps = 40 if args.quick else args.steps

    with gzip.open(TEXT, "rt") as file:
        letters, text = np.unique(list(file.read()), return_inverse=True)
    known, hidden = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    alone, after = frequencies(known, hidden, len(letters))
    print(f"{len(text)} characters, {len(letters)} different ones; loss in nats per character on the hidden tenth:")
    print(f"  by frequency {alone:.3f}\n  by frequency after the character before {after:.3f}")

    tl.manual_seed(0)
    rng = np.random.default_rng(0)
    model = MODELS[args.model](len(letters))
    optimizer = optim.AdamW(model, lr=4e-3, weight_decay=0.01, betas=(0.9, 0.99))
    schedule = optim.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps, pct_start=0.1)

    def loss_of(rows):
        return tl.cross_entropy(model(rows[:, :-1]).reshape((-1, len(letters))), rows[:, 1:].reshape(-1))

    @tl.jit  # replayed from the second call on
    def step(rows):
        optimizer.zero_grad()
        loss = loss_of(rows)
        loss.backward()
        optimizer.step()
        return loss

    test = excerpts(hidden, np.linspace(0, len(hidden) - LENGTH - 1, 100).astype(int))
    started = time.perf_counter()
    for i in range(1, steps + 1):
        step(excerpts(known, rng.integers(0, len(known) - LENGTH, BATCH)))
        schedule.step()
        if i % (steps // 5) == 0:
            with tl.no_grad():
                print(f"  {args.model} after {i} steps {loss_of(test).item():.3f}", flush=True)
    seconds = time.perf_counter() - started
    print(f"{seconds:.0f} s of training\n")
    print("".join(letters[write(model, text[:1], 100 if args.quick else 400, rng)]))


if __name__ == "__main__":
    main()
