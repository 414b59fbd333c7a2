"""PyTorch's state dicts load unchanged, and the same weights give the same outputs and gradients."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn

torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its layers")

SHARED = ["ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Softplus", "Tanh"]
IMAGES = (4, 6, 9, 8)


def drawn(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def build(layers):
    """The pair of layers made by `layers(torch.nn or our nn)`, with equal parameters in float64."""
    theirs = layers(torch.nn).double()
    ours = layers(nn).to("float64")
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    return ours, theirs


def compare(layers, x, *, train=True):
    ours, theirs = build(layers)
    ours.train(train)
    theirs.train(train)
    inputs = tl.tensor(x, requires_grad=x.dtype == np.float64), torch.tensor(x, requires_grad=x.dtype == np.float64)
    outputs = ours(inputs[0]), theirs(inputs[1])
    assert outputs[0].shape == tuple(outputs[1].shape)
    np.testing.assert_allclose(outputs[0].data, outputs[1].detach().numpy(), rtol=1e-10, atol=1e-12)
    if outputs[0].requires_grad:
        weights = drawn(outputs[0].shape, seed=1)
        (outputs[0] * weights).sum().backward()
        (outputs[1] * torch.tensor(weights)).sum().backward()
        own = dict(ours.named_parameters())
        pairs = [(own[name], parameter) for name, parameter in theirs.named_parameters()]
        for mine, other in [inputs, *pairs] if x.dtype == np.float64 else pairs:
            np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), rtol=1e-9, atol=1e-11)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(state[name], value.numpy(), rtol=1e-12, err_msg=name)
        assert state[name].dtype == value.numpy().dtype, name


@pytest.mark.parametrize("name", SHARED)
def test_activations(name):
    compare(lambda m: getattr(m, name)(), np.concatenate([drawn((3, 5)), [[-30.0, -1.0, 0.5, 1.0, 30.0]]]))


def test_activations_with_arguments():
    x = drawn((3, 5))
    compare(lambda m: m.LeakyReLU(0.2), x)
    compare(lambda m: m.ELU(2.0), x)
    compare(lambda m: m.Softplus(3.0), x)
    compare(lambda m: m.GELU("tanh"), x)
    compare(lambda m: m.GELU(approximate="tanh"), x)
    compare(lambda m: m.Softmax(-1), x)
    compare(lambda m: m.LogSoftmax(0), x)


def test_linear():
    compare(lambda m: m.Linear(5, 3), drawn((2, 4, 5)))
    compare(lambda m: m.Linear(5, 3, bias=False), drawn((5,)))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1},
        {"padding": (0, 2), "dilation": 2, "groups": 3},
        {"padding": "same", "bias": False},
    ],
)
def test_conv2d(arguments):
    compare(lambda m: m.Conv2d(6, 12, (3, 2), **arguments), drawn(IMAGES))


def test_pooling_and_flatten():
    x = drawn(IMAGES)
    compare(lambda m: m.MaxPool2d(2), x)
    compare(lambda m: m.MaxPool2d(3, 2, 1), x)
    compare(lambda m: m.AvgPool2d((2, 3), stride=1, padding=(1, 0)), x)
    compare(lambda m: m.AvgPool2d(2, padding=1, count_include_pad=False), x)
    compare(lambda m: m.Flatten(), x)
    compare(lambda m: m.Flatten(0, -2), x)


def test_layer_norm():
    compare(lambda m: m.LayerNorm(8), drawn(IMAGES))
    compare(lambda m: m.LayerNorm((9, 8), eps=0.1, bias=False), drawn(IMAGES))
    compare(lambda m: m.LayerNorm(8, elementwise_affine=False), drawn(IMAGES))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    "arguments", [{}, {"momentum": 0.3, "affine": False}, {"bias": False}, {"track_running_stats": False}]
)
def test_batch_norm(train, arguments):
    compare(lambda m: m.BatchNorm1d(5, **arguments), drawn((7, 5)), train=train)
    compare(lambda m: m.BatchNorm1d(5, **arguments), drawn((7, 5, 3)), train=train)
    compare(lambda m: m.BatchNorm2d(6, **arguments), drawn(IMAGES), train=train)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_over_several_batches(momentum):
    ours, theirs = build(lambda m: m.BatchNorm1d(5, momentum=momentum))
    for seed in range(4):
        x = drawn((6, 5), seed)
        ours(x)
        theirs(torch.tensor(x))
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=1e-12)
    x = drawn((6, 5), 9)
    np.testing.assert_allclose(ours.eval()(x).data, theirs.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-10)


def test_embedding():
    compare(lambda m: m.Embedding(7, 3), np.array([[0, 3, 3], [6, 0, 0]]))
    compare(lambda m: m.Embedding(7, 3, padding_idx=3), np.array([[0, 3, 3], [6, 0, 0]]))
    compare(lambda m: m.Embedding(7, 3, -1), np.array([[0, 3, 3], [6, 0, 0]]))
    compare(lambda m: m.Embedding(7, 3, scale_grad_by_freq=True), np.array([[0, 3, 3], [6, 0, 0]]))
    for options in ({}, {"mode": "sum"}, {"mode": "max", "padding_idx": 3}):
        compare(lambda m: m.EmbeddingBag(7, 3, **options), np.array([[0, 3, 3], [6, 0, 0]]))  # noqa: B023


def test_losses():
    logits, classes = drawn((4, 3, 2)), np.array([[0, 2], [1, 1], [2, 0], [1, -100]])
    ours, theirs = tl.tensor(logits), torch.tensor(logits)
    for arguments in ({}, {"label_smoothing": 0.1}, {"ignore_index": 1}, {"reduction": "sum"}):
        chosen = np.where(classes == -100, 1, classes) if "ignore_index" in arguments else classes
        expected = torch.nn.CrossEntropyLoss(**arguments)(theirs, torch.tensor(chosen)).item()
        assert nn.CrossEntropyLoss(**arguments)(ours, chosen).item() == pytest.approx(expected, rel=1e-12)
    target = np.random.default_rng(1).uniform(size=logits.shape)
    for name in ("MSELoss", "BCEWithLogitsLoss"):
        for reduction in ("mean", "sum"):
            expected = getattr(torch.nn, name)(reduction=reduction)(theirs, torch.tensor(target)).item()
            assert getattr(nn, name)(reduction=reduction)(ours, target).item() == pytest.approx(expected, rel=1e-12)


def test_names_in_a_nested_model():
    def lenet(m):
        return m.Sequential(
            m.Sequential(m.Conv2d(1, 3, 3), m.BatchNorm2d(3), m.ReLU(), m.MaxPool2d(2)),
            m.Flatten(),
            m.Linear(27, 4),
        )

    compare(lenet, drawn((3, 1, 8, 8)))


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"])
def test_gains(name):
    assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-12)


def test_layers_of_two_inputs():
    x, y = drawn((4, 5)), drawn((4, 3), seed=2)
    ours, theirs = build(lambda m: m.Bilinear(5, 3, 2))
    np.testing.assert_allclose(ours(x, y).data, theirs(torch.tensor(x), torch.tensor(y)).detach().numpy(), rtol=1e-12)
    z = drawn((4, 5), seed=3)
    for mine, other in (
        (nn.CosineSimilarity(), torch.nn.CosineSimilarity()),
        (nn.CosineSimilarity(0, 1e-3), torch.nn.CosineSimilarity(0, 1e-3)),
        (nn.PairwiseDistance(3.0, 0.1, True), torch.nn.PairwiseDistance(3.0, 0.1, True)),
    ):
        np.testing.assert_allclose(mine(x, z), other(torch.tensor(x), torch.tensor(z)).numpy(), rtol=1e-12)


def test_channel_shuffle():
    compare(lambda m: m.ChannelShuffle(3), drawn((2, 6, 4, 5)))
