"""Recurrent layers: lengths, packing, shapes, names and errors."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import ShapeError

KINDS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def first(states):
    return states[0] if isinstance(states, tuple) else states


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_step_by_step(kind):
    layer, cell = KINDS[kind](3, 4, dtype="float64"), CELLS[kind](3, 4, dtype="float64")
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, states = drawn(5, 2, 3), None
    outputs, final = layer(x)
    for t in range(5):
        states = cell(x[t], states)
        np.testing.assert_allclose(outputs[t].data, first(states).data, rtol=1e-12)
    np.testing.assert_allclose(first(final)[0].data, first(states).data, rtol=1e-12)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind, both):
    layer = KINDS[kind](3, 4, 2, batch_first=True, bidirectional=both, dtype="float64")
    x, lengths = drawn(3, 6, 3), [2, 6, 4]
    for i, length in enumerate(lengths):
        x[i, length:] = np.nan
    x = tl.tensor(x, requires_grad=True)
    outputs, states = layer(x, lengths=lengths)
    outputs.sum().backward()
    assert np.isfinite(outputs.data).all() and np.isfinite(x.grad.data).all()
    for i, length in enumerate(lengths):
        alone, after = layer(x.detach()[i : i + 1, :length])
        np.testing.assert_allclose(outputs[i, :length].data, alone[0].data, rtol=1e-12)
        assert not outputs[i, length:].data.any() and not x.grad[i, length:].data.any()
        np.testing.assert_allclose(first(states)[:, i].data, first(after)[:, 0].data, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_no_batch_axis(kind):
    layer = KINDS[kind](3, 4, 2, batch_first=True)
    x = drawn(5, 3).astype("float32")
    (outputs, after), (several, states) = layer(x), layer(x[None])
    assert outputs.shape == (5, 4) and first(after).shape == (2, 4)
    np.testing.assert_array_equal(outputs.data, several[0].data)
    np.testing.assert_array_equal(first(after).data, first(states)[:, 0].data)


def test_names_and_shapes_of_parameters():
    layer = nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2)
    assert {name: value.shape for name, value in layer.named_parameters() if "l1" in name} == {
        f"{name}_l1{end}": shape
        for end in ("", "_reverse")
        for name, shape in {
            "weight_ih": (20, 4), "weight_hh": (20, 2), "bias_ih": (20,), "bias_hh": (20,), "weight_hr": (2, 5)
        }.items()
    }  # fmt: skip
    assert list(nn.GRU(3, 5, bias=False).state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert repr(nn.LSTM(3, 5, 2, batch_first=True)) == "LSTM(3, 5, num_layers=2, batch_first=True)"
    assert repr(nn.RNNCell(3, 5, False, "relu")) == "RNNCell(3, 5, bias=False, nonlinearity='relu')"


def test_dropout_lies_between_the_layers_in_training_only():
    layer = nn.LSTM(3, 50, 2, dropout=0.5, rng=tl.Generator(0))
    x = drawn(4, 2, 3).astype("float32")
    first, second = layer(x)[0].data, layer(x)[0].data
    assert (first != second).any() and first.all()  # the last layer's outputs are not dropped
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].data, layer(x)[0].data)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32(kind):
    layer = KINDS[kind](3, 4, bidirectional=True)
    outputs, states = layer(drawn(5, 2, 3).astype("float32"))
    outputs.sum().backward()
    kinds = {outputs.dtype, first(states).dtype, *(parameter.grad.dtype for parameter in layer.parameters())}
    assert kinds == {np.dtype("float32")}


def test_wrong_settings():
    with pytest.raises(ShapeError, match=r"LSTM: hidden_size is 0; it must be at least 1"):
        nn.LSTM(3, 0)
    with pytest.raises(ShapeError, match=r"GRU: dropout is 1.5; it must be a probability"):
        nn.GRU(3, 4, dropout=1.5)
    with pytest.raises(ShapeError, match=r"LSTM: proj_size is 4; it must be less than hidden_size = 4"):
        nn.LSTM(3, 4, proj_size=4)
    for kind in (nn.RNN, nn.RNNCell):
        with pytest.raises(ShapeError, match=r"nonlinearity is 'gelu'; it must be 'tanh' or 'relu'"):
            kind(3, 4, nonlinearity="gelu")


def test_wrong_inputs():
    x = drawn(5, 2, 3)
    with pytest.raises(ShapeError, match=r"GRU: input is \(5, 2, 3\); it must be \(time, n, 4\), or \(time, 4\), with"):
        nn.GRU(4, 4)(x)
    with pytest.raises(ShapeError, match=r"GRU: input is \(0, 2, 3\); .* at least one time"):
        nn.GRU(3, 4)(x[:0])
    with pytest.raises(ShapeError, match=r"GRU: a state in hx is \(1, 5, 4\); it must be \(1, 2, 4\)"):
        nn.GRU(3, 4)(x, np.zeros((1, 5, 4)))
    with pytest.raises(ShapeError, match=r"LSTM: hx must be a pair, \(h, c\); it is a ndarray"):
        nn.LSTM(3, 4)(x, np.zeros((1, 2, 4)))
    with pytest.raises(ShapeError, match=r"LSTMCell: input is \(5, 2, 3\); it must be \(n, 3\) or \(3,\)"):
        nn.LSTMCell(3, 4)(x)
    with pytest.raises(ShapeError, match=r"LSTMCell: hx is \(2, 4\); it must be \(h, c\), both \(2, 4\)"):
        nn.LSTMCell(3, 4)(x[0], np.zeros((2, 4)))
    with pytest.raises(ShapeError, match=r"GRUCell: hx is \(2, 3\); it must be \(2, 4\)"):
        nn.GRUCell(3, 4)(x[0], np.zeros((2, 3)))


def test_wrong_sequences():
    rnn, x = nn.utils.rnn, drawn(5, 2, 3)
    with pytest.raises(ShapeError, match=r"lengths is \[2, 4\]; they must not grow. Sort the sequences, or give enfor"):
        rnn.pack_padded_sequence(x, [2, 4])
    for lengths in ([6, 1], [0, 1], [1]):
        with pytest.raises(ShapeError, match=r"lengths is .* it must be 2 lengths from 1 to 5"):
            rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    with pytest.raises(ShapeError, match=r"pack_padded_sequence: input is \(3,\)"):
        rnn.pack_padded_sequence(np.ones(3), [1])
    with pytest.raises(ShapeError, match=r"total_length is 3; it must be at least 5, the longest sequence"):
        rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [5, 4]), total_length=3)
    with pytest.raises(ShapeError, match=r"padding_side is 'top'; it must be 'left' or 'right'"):
        rnn.pad_sequence([x], padding_side="top")
    with pytest.raises(ShapeError, match=r"pad_sequence: there is no sequence; at least one is required"):
        rnn.pad_sequence([])


def test_packing_keeps_integers():
    packed = nn.utils.rnn.pack_sequence([np.array([3, 4]), np.array([5])])
    padded, lengths = nn.utils.rnn.pad_packed_sequence(packed, padding_value=-1)
    assert padded.dtype == packed.data.dtype == np.int64
    assert padded.tolist() == [[3, 5], [4, -1]] and lengths.tolist() == [2, 1]
