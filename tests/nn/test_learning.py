"""Small networks learn: everything between a module and its optimizer works together."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.regularizers import L2, matrices


@pytest.mark.parametrize(
    "make",
    [
        lambda m: optim.SGD(m, lr=0.5, momentum=0.9, nesterov=True),
        lambda m: optim.Adam(m, lr=0.05),
        lambda m: optim.AdamW(m, lr=0.05, decay=L2(1e-3).on(matrices)),
    ],
)
def test_xor(make):
    rng = tl.Generator(0)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    model = nn.Sequential(nn.Linear(2, 8, rng=rng), nn.Tanh(), nn.Linear(8, 1, rng=rng))
    optimizer, loss = make(model), nn.BCEWithLogitsLoss()
    for _ in range(200):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
    assert value.item() < 0.05
    np.testing.assert_array_equal(model(x).data > 0, y > 0.5)


def test_a_small_convolutional_network_tells_bars_apart():
    numbers = np.random.default_rng(0)
    images = numbers.normal(scale=0.3, size=(96, 1, 8, 8)).astype(np.float32)
    labels = np.arange(96) % 2
    for image, label, place in zip(images, labels, numbers.integers(0, 8, 96), strict=True):
        image[0, place if label else slice(None), slice(None) if label else place] += 1.0
    rng = tl.Generator(0)
    model = nn.Sequential(
        *[nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Flatten(), nn.Dropout(0.2, rng=rng), nn.Linear(64, 2, rng=rng)],
    )
    optimizer, loss = optim.AdamW(model, lr=0.01), nn.CrossEntropyLoss(label_smoothing=0.05)
    for _ in range(15):
        for start in range(0, 64, 16):
            optimizer.zero_grad()
            loss(model(images[start : start + 16]), labels[start : start + 16]).backward()
            optim.clip_grad_norm(model, 1.0)
            optimizer.step()
    predicted = model.eval()(images[64:]).data.argmax(axis=1)
    assert (predicted == labels[64:]).mean() >= 0.9
