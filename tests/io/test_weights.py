"""Weights in safetensors files: round trips, atomic writing, and files that cannot be read."""

import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import DTypeError, StateError
from tinygrad_lite.io import load_metadata, load_weights, save_weights


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_a_module_round_trips_bit_for_bit(tmp_path):
    path = tmp_path / "model.safetensors"
    first, second = model(), model()
    first(np.ones((2, 3), np.float32))
    assert save_weights(path, first) is None
    assert load_weights(str(path), second) == ([], [])
    for name, array in first.state_dict().items():
        assert array.tobytes() == second.state_dict()[name].tobytes()
        assert array.dtype == second.state_dict()[name].dtype and array.shape == second.state_dict()[name].shape


def test_arrays_and_tensors_by_name(tmp_path):
    path = tmp_path / "weights"
    state = {
        "tensor": tl.tensor([1.0, 2.0]),
        "leaf": nn.Parameter([3.0]),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "strided": np.arange(6, dtype="int32")[::-2],
        "scalar": np.array(5, dtype="int64"),
        "half": np.ones((2, 0), "float16"),
        "flags": np.array([True, False]),
    }
    save_weights(path, state)
    loaded = load_weights(path)
    assert set(loaded) == set(state)
    for name, value in state.items():
        expected = value.data if isinstance(value, tl.Tensor) else value
        assert loaded[name].dtype == expected.dtype
        np.testing.assert_array_equal(loaded[name], expected)


def test_the_file_is_plain_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"a": np.ones(2)}, metadata={"epoch": "3"})
    np.testing.assert_array_equal(safetensors.numpy.load_file(path)["a"], [1.0, 1.0])
    assert load_metadata(path) == {"epoch": "3"}
    save_weights(path, {"a": np.zeros(2)})
    assert load_metadata(path) == {}
    np.testing.assert_array_equal(load_weights(path)["a"], [0.0, 0.0])


def test_strictness_is_the_modules(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"0.weight": np.zeros((4, 3)), "extra": np.zeros(1)})
    with pytest.raises(StateError, match=r"missing: 0\.bias, 1\.weight, .*; unexpected: extra"):
        load_weights(path, model())
    report = load_weights(path, model(), strict=False)
    assert report.unexpected == ["extra"] and "0.bias" in report.missing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"a": np.ones(2)})

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        save_weights(path, {"a": np.zeros(2)})
    monkeypatch.undo()
    assert load_weights(path)["a"].tolist() == [1.0, 1.0]
    assert os.listdir(tmp_path) == ["weights.safetensors"]


def test_wrong_arguments(tmp_path):
    with pytest.raises(DTypeError, match=r"save_weights: metadata 'epoch' must be strings; convert them"):
        save_weights(tmp_path / "a", {"a": np.ones(1)}, metadata={"epoch": 3})
    with pytest.raises(FileNotFoundError, match=r"save_weights: there is no folder '.*missing' to write 'a' into"):
        save_weights(tmp_path / "missing" / "a", {"a": np.ones(1)})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("load", [load_weights, load_metadata])
def test_files_that_cannot_be_read(tmp_path, load):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(FileNotFoundError, match=rf"{load.__name__}: there is no file '.*weights.safetensors'"):
        load(path)
    save_weights(path, model())
    content = path.read_bytes()
    flipped = bytes([content[0] ^ 0xFF]) + content[1:]
    for broken in (
        b"",
        b"\x00",
        content[:5],
        content[:60],
        content[:-1],
        b"not safetensors" * 20,
        flipped,
        content + b"x",
    ):
        path.write_bytes(broken)
        with pytest.raises(
            StateError, match=rf"{load.__name__}: '.*' cannot be read \(.*\); it is not a safetensors file"
        ):
            load(path)


def test_importing_the_package_does_not_import_safetensors():
    code = "import sys, tinygrad_lite, tinygrad_lite.io; print('safetensors' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_names_are_mapped(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(
        path, {"net.a.weight": np.ones((4, 3)), "net.a.bias": np.ones(4), "net.ab.c": np.ones(1), "step": np.ones(1)}
    )
    assert set(load_weights(path, rename={"net.a": "0", "step": None})) == {"0.weight", "0.bias", "net.ab.c"}
    assert set(load_weights(path, rename={"net": "n", "net.a": "0", "step": "net"})) == {
        "0.weight", "0.bias", "n.ab.c", "net",
    }  # fmt: skip
    layer = nn.Sequential(nn.Linear(3, 4))
    report = load_weights(path, layer, rename=lambda name: name.replace("net.a.", "0."), strict=False)
    assert report == ([], ["net.ab.c", "step"]) and layer[0].bias.sum().item() == 4.0
    with pytest.raises(StateError, match=r"load_weights: rename has 'net\.b', 'ste'; the file has '"):
        load_weights(path, rename={"net.b": "x", "ste": None, "step": "y"})
    with pytest.raises(StateError, match="load_weights: rename makes two arrays 'x', '.*' is the second"):
        load_weights(path, rename=lambda name: "x")


def test_transposed_arrays_are_refused_with_a_hint(tmp_path):
    path = tmp_path / "weights.safetensors"
    convolution = nn.Conv2d(2, 5, 3)
    for layer, turned, axes in ((nn.Linear(3, 4), (3, 4), (1, 0)), (convolution, (3, 3, 2, 5), (3, 2, 0, 1))):
        state = layer.state_dict()
        given = np.ones(turned)
        save_weights(path, state | {"weight": given})
        with pytest.raises(
            StateError, match=r"load_weights: weight is \(3, .*the axes are in another order.*transpose"
        ):
            load_weights(path, layer)
        assert layer.state_dict()["weight"].tobytes() == state["weight"].tobytes()
        layer.load_state_dict(load_weights(path) | {"weight": given.transpose(axes)})
    save_weights(path, {"weight": np.ones((7, 3)), "bias": np.ones(4)})
    with pytest.raises(StateError, match=r"misshapen: weight is \(7, 3\) and must be \(4, 3\)"):
        load_weights(path, nn.Linear(3, 4))


def test_bfloat16_models_are_saved_and_loaded_bit_for_bit(tmp_path):
    pytest.importorskip("ml_dtypes")
    made, other = (nn.Linear(3, 2).to("bfloat16") for _ in range(2))
    save_weights(tmp_path / "weights", made)
    assert {array.dtype for array in load_weights(tmp_path / "weights").values()} == {np.dtype("float32")}
    load_weights(tmp_path / "weights", other)
    assert other.weight.dtype == made.weight.dtype and str(made.weight.dtype) == "bfloat16"
    np.testing.assert_array_equal(other.weight.data, made.weight.data)
