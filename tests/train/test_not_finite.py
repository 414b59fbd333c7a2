"""A loss or gradient that is not finite ends the training before the step, and the message says where it came from."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.train.common import fit, model, same
from tinygrad_lite import nn, optim


def test_a_loss_that_is_not_finite_names_the_operation():
    network = model()
    before = network.state_dict()

    def loss(outputs, targets):
        return tl.log(tl.abs(outputs) * 0.0).mean()

    with pytest.raises(
        FloatingPointError,
        match=r"fit: the loss is -inf in epoch 1, step 1, with learning rate 0\.3: the value of log is not finite in "
        r"40 of 40 elements.*called at .*test_not_finite\.py.*Try a smaller learning rate or clip_norm",
    ):
        fit(network, optimizer=optim.SGD(network, lr=0.3), loss=loss)
    assert same(list(before.values()), list(network.state_dict().values()))


@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}, {"accumulate": 3}])
def test_a_gradient_that_is_not_finite_names_the_operation(options):
    """The loss is finite, and the weights stay as they were."""
    network = model()
    before = network.state_dict()

    def loss(outputs, targets):
        return (tl.sqrt(outputs[:, 0] * 0.0) + tl.square(outputs[:, 1])).mean()

    with pytest.raises(
        FloatingPointError,
        match=r"fit: the gradient is nan in epoch 1, step 1, .*: the derivative of sqrt is not finite",
    ):
        fit(network, loss=loss, **options)
    assert same(list(before.values()), list(network.state_dict().values()))


def test_a_diverging_training_is_stopped():
    network = nn.Linear(2, 2)
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"the (loss|gradient) is (nan|inf|-inf) in"),
    ):
        fit(network, optimizer=optim.SGD(network, lr=1e20), loss=lambda outputs, y: tl.square(outputs).mean())
    assert all(np.isfinite(array).all() for array in network.state_dict().values())


def test_a_loss_that_depends_on_no_parameter():
    with pytest.raises(
        FloatingPointError, match=r"fit: the loss is nan in epoch 1, step 1, with learning rate 0\.05\. T"
    ):
        fit(model(), loss=lambda outputs, targets: tl.tensor(float("nan")))
