"""A small problem that the tests of training share: on which side of a line a point lies."""

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, train

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(200, 2)).astype(np.float32)
SIDES = (POINTS[:, 0] > POINTS[:, 1]).astype(np.int64)


def model(seed=0):
    tl.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))


def fit(network, data=(POINTS, SIDES), **options):
    options = {"epochs": 5, "batch_size": 20, "rng": 0, "progress": False, **options}
    optimizer = options.pop("optimizer", None) or optim.AdamW(network, lr=0.05)
    return train.fit(network, data, optimizer=optimizer, **options)


def weights(network):
    return [p.detach().numpy().copy() for p in network.parameters()]


def same(first, second):
    """Whether two lists of arrays, or two models, are equal bit for bit."""
    first, second = (one if isinstance(one, list) else list(one.state_dict().values()) for one in (first, second))
    return [array.tobytes() for array in first] == [array.tobytes() for array in second]
