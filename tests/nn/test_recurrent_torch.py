"""Recurrent layers at random settings: PyTorch's state loads unchanged, and gives its outputs and gradients."""

import warnings

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: no comparison with its layers")

from tests.nn.test_torch import build, drawn, torch
from tinygrad_lite import Generator, nn, tensor

KINDS = ["RNN", "LSTM", "GRU"]


def pair(x):
    return tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)


def same(mine, other):
    assert tuple(mine.shape) == tuple(other.shape)
    np.testing.assert_allclose(mine.data, other.detach().numpy(), rtol=1e-10, atol=1e-12)


def gradients_agree(outputs, leaves, ours, theirs):
    """Of random sums of all outputs, with respect to leaves and parameters."""
    losses = [0.0, 0.0]
    for i, both in enumerate(outputs):
        same(*both)
        weights = drawn(both[0].shape, seed=i)
        losses[0] = losses[0] + (both[0] * weights).sum()
        losses[1] = losses[1] + (both[1] * torch.tensor(weights)).sum()
    for loss in losses:
        loss.backward()
    own = dict(ours.named_parameters())
    assert list(own) == [name for name, _ in theirs.named_parameters()]
    for mine, other in [*leaves, *((own[name], parameter) for name, parameter in theirs.named_parameters())]:
        np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), rtol=1e-9, atol=1e-11)


def states_of(result):
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("seed", range(120))
def test_layers(seed):
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % 3]
    inputs, hidden, layers, n, time = (int(rng.integers(1, high)) for high in (5, 6, 4, 5, 6))
    hidden += 1
    both, first, bias = (bool(rng.random() < share) for share in (0.5, 0.5, 0.8))
    options = {"bias": bias, "batch_first": first, "bidirectional": both, "dropout": float(rng.choice([0.0, 0.5]))}
    if kind == "LSTM" and rng.random() < 0.4:
        options["proj_size"] = int(rng.integers(1, hidden))
    if kind == "RNN":
        options["nonlinearity"] = str(rng.choice(["tanh", "relu"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dropout of one layer
        ours, theirs = build(lambda m: getattr(m, kind)(inputs, hidden, layers, **options))
    ours.eval()
    theirs.eval()
    form = str(rng.choice(["padded", "plain", "packed", "single"]))
    shape = (time, inputs) if form == "single" else (n, time, inputs) if first else (time, n, inputs)
    x = pair(drawn(shape, seed))
    leaves, hx = [x], (None, None)
    if rng.random() < 0.6:
        count = layers * (1 + both)
        sizes = [options.get("proj_size", hidden), hidden][: 2 if kind == "LSTM" else 1]
        states = [
            pair(drawn((count, size) if form == "single" else (count, n, size), 7 + i)) for i, size in enumerate(sizes)
        ]
        leaves += states
        hx = tuple(tuple(state[i] for state in states) if kind == "LSTM" else states[0][i] for i in range(2))
    lengths = rng.integers(1, time + 1, n)
    if form in ("padded", "packed"):
        packed = [
            m.utils.rnn.pack_padded_sequence(each, lengths.tolist(), first, enforce_sorted=False)
            for m, each in zip((nn, torch.nn), x, strict=True)
        ]
        given = packed[0] if form == "packed" else x[0]
        out, after = ours(given, hx[0], **({} if form == "packed" else {"lengths": lengths}))
        other, other_after = theirs(packed[1], hx[1])
        if form == "packed":
            assert list(out.batch_sizes) == other.batch_sizes.tolist()
            out, found = nn.utils.rnn.pad_packed_sequence(out, first, total_length=time)
            assert found.tolist() == lengths.tolist()
        other, _ = torch.nn.utils.rnn.pad_packed_sequence(other, first, total_length=time)
    else:
        (out, after), (other, other_after) = ours(x[0], hx[0]), theirs(x[1], hx[1])
    finals = zip(states_of(after), states_of(other_after), strict=True)
    gradients_agree([(out, other), *finals], leaves, ours, theirs)


@pytest.mark.parametrize("seed", range(36))
def test_cells(seed):
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % 3]
    inputs, hidden, n = (int(rng.integers(1, 6)) for _ in range(3))
    options = {"nonlinearity": str(rng.choice(["tanh", "relu"]))} if kind == "RNN" else {}
    ours, theirs = build(lambda m: getattr(m, f"{kind}Cell")(inputs, hidden, bool(seed % 4), **options))
    front = () if rng.random() < 0.3 else (n,)
    x, states = pair(drawn((*front, inputs))), [pair(drawn((*front, hidden), i)) for i in range(1 + (kind == "LSTM"))]
    if rng.random() < 0.3:
        outputs = zip(states_of(ours(x[0])), states_of(theirs(x[1])), strict=True)
        return gradients_agree(outputs, [x], ours, theirs)
    hx = [tuple(state[i] for state in states) if kind == "LSTM" else states[0][i] for i in range(2)]
    outputs = zip(states_of(ours(x[0], hx[0])), states_of(theirs(x[1], hx[1])), strict=True)
    return gradients_agree(outputs, [x, *states], ours, theirs)


@pytest.mark.parametrize("seed", range(24))
def test_packing(seed):
    rng = np.random.default_rng(seed)
    n, first, tail = int(rng.integers(1, 6)), bool(rng.random() < 0.5), [(), (3,), (2, 2)][seed % 3]
    lengths = np.sort(rng.integers(1, 6, n))[::-1] if seed % 2 else rng.integers(1, 6, n)
    mine, theirs = nn.utils.rnn, torch.nn.utils.rnn
    arrays = [rng.normal(size=(length, *tail)) for length in lengths]
    tensors = [torch.tensor(x) for x in arrays]
    side = str(rng.choice(["left", "right"]))
    np.testing.assert_array_equal(
        mine.pad_sequence(arrays, first, 2.0, side), theirs.pad_sequence(tensors, first, 2.0, side)
    )
    packed = mine.pack_sequence(arrays, enforce_sorted=bool(seed % 2))
    expected = theirs.pack_sequence(tensors, enforce_sorted=bool(seed % 2))
    np.testing.assert_array_equal(packed.data, expected.data)
    assert list(packed.batch_sizes) == expected.batch_sizes.tolist()
    if not seed % 2:
        assert packed.sorted_indices.tolist() == expected.sorted_indices.tolist()
        assert packed.unsorted_indices.tolist() == expected.unsorted_indices.tolist()
    padded, found = mine.pad_packed_sequence(packed, first, -1.0, 7)
    np.testing.assert_array_equal(padded, theirs.pad_packed_sequence(expected, first, -1.0, 7)[0])
    assert found.tolist() == lengths.tolist()
    for each, own, other in zip(arrays, mine.unpack_sequence(packed), theirs.unpack_sequence(expected), strict=True):
        np.testing.assert_array_equal(own, other)
        np.testing.assert_array_equal(own, each)


def test_initial_values_are_uniform_within_the_same_bounds():
    for kind in KINDS:
        for made in (getattr(nn, kind)(30, 25, 2, rng=Generator(0)), getattr(torch.nn, kind)(30, 25, 2)):
            values = np.concatenate([np.ravel(parameter.detach().numpy()) for parameter in made.parameters()])
            assert 0.19 < abs(values).max() <= 0.2 and values.std() == pytest.approx(0.2 / 3**0.5, rel=0.05)
