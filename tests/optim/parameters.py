"""Parameters and gradients that the tests of optimizers share."""

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn

SHAPES = [(3, 4), (), (5,), (2, 1, 2)]


def parameters(dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [rng.normal(size=shape) for shape in SHAPES]


def run(optimizer, params, steps, first=0):
    for step in range(first, first + steps):
        for parameter, gradient in zip(params, gradients(step), strict=True):
            parameter.grad = tl.tensor(gradient)
        optimizer.step()
