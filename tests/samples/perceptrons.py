"""Samples of the operations in `ops/perceptrons.py`."""

import itertools

import numpy as np
from scipy.special import erf

from tests.samples import arrays, sample, shapes, st

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
}


def layers(x, *parameters, activation="relu"):
    for i in range(0, len(parameters), 2):
        weight, bias = parameters[i : i + 2]
        x = (ACTIVATIONS[activation](x) if i else x) @ weight.T
        x = x if bias is None else x + bias
    return x


@sample("mlp", reference=layers)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    activation = draw(st.sampled_from(sorted(ACTIVATIONS)))
    widths = [x.shape[-1], *draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))]
    parameters = []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        weight = draw(arrays((after, before))) * 0.1
        if activation == "relu" and i < len(widths) - 2:  # far from the kink
            bias = np.sign(draw(arrays((after,)))) * 100.0 ** (i + 1)
        else:
            bias = draw(st.none() | arrays((after,)))
        parameters += [weight, bias]
    return (x, *parameters), {"activation": activation}
