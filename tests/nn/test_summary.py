"""The summary counts what a model is and does, and leaves it as it was."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn


def rows(summary):
    return {row.path: row for row in summary.rows}


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, groups=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(400, 10),
    )  # fmt: skip


def test_a_convolutional_network():
    found = nn.summary(lenet(), (4, 1, 28, 28))
    by_path = rows(found)
    assert by_path["0"].shape == "(4, 6, 28, 28)" and by_path["0"].kind == "Conv2d"
    assert by_path["0"].parameters == 6 * 25 + 6 and by_path["0"].multiply_adds == 4 * 6 * 28 * 28 * 25
    assert by_path["4"].multiply_adds == 4 * 16 * 100 * 3 * 25
    assert by_path["9"][3:6] == ("(4, 10)", 4010, 4 * 4000)
    assert by_path["1"].multiply_adds == by_path[""].multiply_adds == 0
    assert found.parameters == found.trainable == sum(p.size for p in lenet().parameters()) and found.frozen == 0
    assert found.multiply_adds == sum(row.multiply_adds for row in found.rows)
    assert found.parameters == sum(row.parameters for row in found.rows)
    assert found.parameter_bytes == 4 * found.parameters and found.buffer_bytes == 6 * 4 * 2 + 8
    assert [row.path for row in found.rows] == ["", *map(str, range(10))]


def test_what_is_kept_is_counted_once_and_without_parameters():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softmax(-1))
    by_path = rows(nn.summary(model, (32, 4)))
    # The input, relu's output (which the next layer keeps too), and softmax's output.
    assert [by_path[str(i)].kept for i in range(4)] == [32 * 4 * 4, 32 * 8 * 4, 0, 32 * 2 * 4]
    twice = nn.summary(model, (64, 4))
    assert twice.kept == 2 * nn.summary(model, (32, 4)).kept and twice.parameter_bytes == 58 * 4


def test_multiply_adds_of_recurrent_layers_attention_and_transposed_convolutions():
    assert nn.summary(nn.LSTM(5, 7, 2), np.ones((11, 3, 5), np.float32)).multiply_adds == 33 * 28 * (5 + 7 + 7 + 7)
    assert nn.summary(nn.GRU(5, 7), (11, 3, 5)).multiply_adds == 33 * 21 * 12
    assert nn.summary(nn.RNN(5, 7), (11, 3, 5)).multiply_adds == 33 * 7 * 12
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    tokens, attention = 2 * 9, 2 * 4 * 9 * 9 * (4 + 4)
    assert nn.summary(layer, (2, 9, 16)).multiply_adds == tokens * 16 * (48 + 16 + 32 + 32) + attention
    assert nn.summary(nn.ConvTranspose2d(3, 4, 2, stride=2), (1, 3, 5, 5)).multiply_adds == 75 * 4 * 4
    assert nn.summary(nn.Conv1d(3, 4, 2), (1, 3, 5)).multiply_adds == 4 * 4 * 6
    assert nn.summary(nn.Embedding(7, 3), np.array([1, 2])).multiply_adds == 0


class Two(nn.Module):
    """Two inputs, a dict of results, a layer that is used twice, an operation of its own, and one that is not used."""

    def __init__(self):
        self.shared = nn.Linear(3, 3)
        self.spare = nn.Linear(2, 2)
        self.scale = nn.Parameter(np.ones(3, np.float32))

    def forward(self, x, y):
        x, y = self.shared(x), self.shared(y)
        return {"product": x @ y.mT, "scaled": x * self.scale}


def test_shared_layers_several_inputs_and_outputs():
    inputs = (np.ones((4, 3), np.float32), tl.tensor(np.ones((5, 3), np.float32)))
    found = nn.summary(Two(), inputs)
    assert [(r.path, r.shape, r.parameters, r.multiply_adds) for r in found.rows] == [
        ("", "(4, 5), (4, 3)", 3, 4 * 5 * 3), ("shared", "(4, 3)", 12, 36), ("shared", "(5, 3)", 0, 45),
        ("spare", "not called", 6, 0),
    ]  # fmt: skip
    named = nn.summary(Two(), {"y": (5, 3), "x": (4, 3)})
    assert [row[:6] for row in named.rows] == [row[:6] for row in found.rows]
    assert nn.summary(Two(), ((4, 3), (5, 3))).multiply_adds == found.multiply_adds


def test_nested_modules_and_depth():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4))), nn.Linear(4, 1))
    full, short = nn.summary(model, (1, 2)), nn.summary(model, (1, 2), depth=1)
    assert [(row.path, row.depth) for row in full.rows] == [
        ("", 0), ("0", 1), ("0.0", 2), ("0.1", 2), ("0.1.0", 3), ("1", 1)
    ]  # fmt: skip
    assert [(row.path, row.parameters, row.multiply_adds) for row in short.rows] == [
        ("", 0, 0),
        ("0", 25, 18),
        ("1", 5, 4),
    ]
    assert (full.parameters, full.multiply_adds, full.kept) == (short.parameters, short.multiply_adds, short.kept)


def test_frozen_parameters_are_counted_and_their_work_too():
    model = lenet()
    model[0].requires_grad_(False)
    found = nn.summary(model, (1, 1, 28, 28))
    assert found.frozen == 156 and found.parameters == nn.summary(lenet(), (1, 1, 28, 28)).parameters
    assert found.multiply_adds == nn.summary(lenet(), (1, 1, 28, 28)).multiply_adds
    assert f"{found.trainable:,} parameters are trainable, 156 are frozen" in str(found)


def everything(model):
    return (
        [set(vars(module)) for module in model.modules()],
        [module.training for module in model.modules()],
        [(name, id(t), id(t.node), id(t.data), t.data.tobytes()) for name, t in model.named_parameters()],
        [(name, id(t), t.data.tobytes()) for name, t in model.named_buffers()],
        [None if p.grad is None else p.grad.data.tobytes() for p in model.parameters() if p.requires_grad],
        tl.default_generator().state_dict(),
    )


def test_nothing_changes():
    model = lenet()
    model(np.ones((2, 1, 28, 28), np.float32)).sum().backward()
    model[1].eval()
    model[0].requires_grad_(False)
    wrong = nn.Sequential(model, nn.Linear(3, 2))
    before = everything(model)
    nn.summary(model, (2, 1, 28, 28))
    assert everything(model) == before
    with tl.no_grad():
        assert nn.summary(model, (2, 1, 28, 28)).multiply_adds > 0
    with pytest.raises(Exception, match="in_features"):
        nn.summary(wrong, (2, 1, 28, 28))
    assert everything(model) == before


def test_the_table_is_aligned():
    lines = str(nn.summary(lenet(), (4, 1, 28, 28))).splitlines()
    assert lines[0].split("  ")[0] == "module" and lines[0].endswith("kept for backward")
    assert set(lines[1]) == {"-"} and all(len(line) <= len(lines[1]) for line in lines[:-1])
    end = lines[0].index("parameters") + len("parameters")
    assert all(line[end : end + 1] in ("", " ") for line in lines[2:-3]) and lines[-2].startswith("total")
