"""Layers: values against plain NumPy, errors, running statistics, and initial values."""

from math import sqrt

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import ShapeError
from tinygrad_lite.nn import init


def x(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_linear_is_an_affine_map():
    layer = nn.Linear(4, 3)
    weight, bias = layer.state_dict().values()
    np.testing.assert_allclose(layer(x(2, 4)).data, x(2, 4) @ weight.T + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Linear(784, 10), (32, 100), r"Linear: input is (32, 100); the last axis must be in_features = 784."),
        (nn.Linear(784, 10), (), r"Linear: input is (); the last axis must be in_features = 784."),
        (
            nn.Conv2d(1, 2, 3),
            (2, 3, 8, 8),
            "Conv2d: input is (2, 3, 8, 8); it must be (n, 1, h, w), with in_channels = 1 on axis 1.",
        ),
        (
            nn.Conv2d(1, 2, 3),
            (8, 8),
            "Conv2d: input is (8, 8); it must be (n, 1, h, w), with in_channels = 1 on axis 1.",
        ),
        (nn.Conv2d(1, 2, 3), (2, 1, 2, 8), "the kernel must not be empty or larger than the padded image."),
        (nn.LayerNorm(5), (3, 1), "LayerNorm: input is (3, 1); the last axes must be normalized_shape = (5,)."),
        (nn.LayerNorm((2, 5)), (5,), "LayerNorm: input is (5,); the last axes must be normalized_shape = (2, 5)."),
        (nn.BatchNorm1d(5), (3, 1), "BatchNorm1d: input is (3, 1); it must be (n, 5) or (n, 5, length)."),
        (nn.BatchNorm1d(5), (3, 5, 2, 2), "BatchNorm1d: input is (3, 5, 2, 2); it must be (n, 5) or (n, 5, length)."),
        (nn.BatchNorm2d(5), (3, 5), "BatchNorm2d: input is (3, 5); it must be (n, 5, h, w)."),
        (nn.BatchNorm1d(5), (1, 5), "with 1 values per channel; a variance needs at least 2."),
        (
            nn.Flatten(),
            (3,),
            "Flatten: input is (3,); it must have the axes start_dim = 1 to end_dim = -1.",
        ),
    ],
)
def test_wrong_inputs(layer, shape, message):
    with pytest.raises(ShapeError) as caught:
        layer(x(*shape))
    assert message in str(caught.value)


def test_wrong_settings():
    with pytest.raises(ShapeError, match=r"ConvTranspose2d: padding_mode is 'reflect'; it must be 'zeros'"):
        nn.ConvTranspose2d(1, 1, 2, padding_mode="reflect")
    with pytest.raises(ShapeError, match=r"Dropout: p is 1\.5; it must be a probability, from 0 to 1"):
        nn.Dropout(1.5)
    with pytest.raises(ShapeError, match="in_channels is 3, out_channels is 4 and groups is 2; both must be multiples"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ShapeError, match="padding_idx is 5; it must be within num_embeddings = 5"):
        nn.Embedding(5, 2, padding_idx=5)
    with pytest.raises(ShapeError, match="Conv2d: kernel_size is 0"):
        nn.Conv2d(1, 1, 0)


def test_embedding_out_of_range():
    with pytest.raises(ShapeError):
        nn.Embedding(5, 2)(np.array([5]))


def test_padding_gets_no_gradient_and_starts_at_zero():
    layer = nn.Embedding(4, 2, padding_idx=-3)
    assert layer.weight.tolist()[1] == [0.0, 0.0]
    layer(np.array([0, 1, 1, 2])).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.data, [[1, 1], [0, 0], [1, 1], [0, 0]])


def test_batch_norm_normalises_in_training_and_uses_running_statistics_in_evaluation():
    layer = nn.BatchNorm1d(2, momentum=0.5)
    data = x(50, 2) * 3 + 7
    out = layer(data).data
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1.0, rtol=1e-4)
    mean, var = 0.5 * data.mean(axis=0), 0.5 + 0.5 * data.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    np.testing.assert_allclose(layer(data).data, (data - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
    assert layer.num_batches_tracked.item() == 1


def test_running_statistics_are_new_values_and_carry_no_gradient():
    layer = nn.BatchNorm1d(2)
    before = layer.running_mean
    layer(tl.tensor(x(4, 2), requires_grad=True))
    assert layer.running_mean is not before and before.tolist() == [0.0, 0.0]
    assert not layer.running_mean.requires_grad and not layer.num_batches_tracked.requires_grad
    assert str(layer.num_batches_tracked.dtype) == "int64" and layer.num_batches_tracked.shape == ()


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_dropout_only_in_training_and_from_its_generator():
    data = np.ones((40, 40), np.float32)
    layers = [nn.Dropout(0.25, rng=tl.Generator(3)) for _ in range(2)]
    out = layers[0](data)
    np.testing.assert_array_equal(out, layers[1](data))
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.75)} and abs(out.mean() - 1) < 0.1
    assert layers[0].eval()(data) is data


def test_step_module():
    np.testing.assert_array_equal(nn.Step()(np.array([-1.0, 0.0, 2.0])), [0.0, 0.0, 1.0])


def test_layers_keep_float32():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.GELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.LayerNorm(18),
        nn.Linear(18, 3),
    )
    out = model(x(4, 1, 8, 8))
    nn.CrossEntropyLoss()(out, np.array([0, 1, 2, 0])).backward()
    assert out.dtype == np.float32
    assert {str(parameter.grad.dtype) for parameter in model.parameters()} == {"float32"}
    assert {str(value.dtype) for value in model.state_dict().values()} == {"float32", "int64"}


# Initial values


def test_default_initialisation_is_within_one_over_root_of_fan_in():
    for layer, fan in ((nn.Linear(100, 50), 100), (nn.Conv2d(4, 50, 5), 100)):
        for parameter in layer.parameters():
            largest = np.abs(parameter.data).max()
            assert 0.07 < largest <= 1 / sqrt(fan)


def test_the_same_generator_gives_the_same_layer():
    first, second, third = (nn.Linear(5, 5, rng=tl.Generator(seed)) for seed in (1, 1, 2))
    assert (first.weight.data == second.weight.data).all() and (first.bias.data == second.bias.data).all()
    assert not (first.weight.data == third.weight.data).any()


@pytest.mark.parametrize("shape", [(80, 120), (20, 30, 3, 4)])
@pytest.mark.parametrize(
    ("initialise", "variance"),
    [
        (init.kaiming_uniform, lambda fan_in, fan_out: 2 / fan_in),
        (init.kaiming_normal, lambda fan_in, fan_out: 2 / fan_in),
        (init.xavier_uniform, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        (init.xavier_normal, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        (lambda shape, rng: init.kaiming_normal(shape, mode="fan_out", rng=rng), lambda fan_in, fan_out: 2 / fan_out),
        (lambda shape, rng: init.kaiming_uniform(shape, a=1.0, rng=rng), lambda fan_in, fan_out: 1 / fan_in),
        (
            lambda shape, rng: init.xavier_normal(shape, init.calculate_gain("tanh"), rng=rng),
            lambda fan_in, fan_out: 25 / 9 * 2 / (fan_in + fan_out),
        ),
    ],
)
def test_variances(initialise, variance, shape):
    values = initialise(shape, rng=tl.Generator(0))
    assert isinstance(values, np.ndarray) and values.shape == shape and values.dtype == np.float32
    expected = variance(np.prod(shape[1:]), shape[0] * np.prod(shape[2:]))
    assert values.var() == pytest.approx(expected, rel=0.06)
    assert abs(values.mean()) < 4 * sqrt(expected / values.size)


def test_plain_initialisers():
    values = init.uniform((1000,), -3.0, -1.0, rng=tl.Generator(0), dtype="float64")
    assert values.dtype == np.float64 and -3 <= values.min() < -2.9 and -1.1 < values.max() < -1
    values = init.normal((1000,), 5.0, 0.1, rng=tl.Generator(0))
    assert values.mean() == pytest.approx(5.0, abs=0.02) and values.std() == pytest.approx(0.1, rel=0.1)
    np.testing.assert_array_equal(init.constant((2,), 3), np.float32([3, 3]))
    assert init.constant((2,), 3).dtype == np.float32
    np.testing.assert_array_equal(init.zeros((2,)), [0, 0])
    np.testing.assert_array_equal(init.ones((2,)), [1, 1])


def test_wrong_initialisations():
    with pytest.raises(ShapeError, match=r"init: shape is \(3,\); fan-in and fan-out need at least two axes"):
        init.xavier_normal((3,))
    with pytest.raises(ShapeError, match="init: mode is 'fan'; it must be 'fan_in' or 'fan_out'"):
        init.kaiming_normal((3, 3), mode="fan")
    with pytest.raises(ShapeError, match="calculate_gain: nonlinearity is 'swish'; it must be one of 'linear', "):
        init.calculate_gain("swish")


@pytest.mark.parametrize("name", ["BatchNorm1d", "InstanceNorm1d"])
def test_running_statistics_keep_their_dtype(name):
    for dtype in ("bfloat16", "float16", "float64"):
        layer = getattr(nn, name)(3, track_running_stats=True, dtype=dtype)
        layer(tl.tensor(np.arange(24.0).reshape(2, 3, 4), dtype=dtype))
        kept = layer.state_dict()
        assert {str(kept[key].dtype) for key in ("running_mean", "running_var")} == {dtype}
        assert kept["running_mean"].astype("float64").any()
