"""Weights from PyTorch: its safetensors files as they are, its own files through the converter."""

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import io, nn
from tinygrad_lite.core.errors import StateError
from tinygrad_lite.io.convert import convert, main

torch = pytest.importorskip("torch")


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
        self.head = torch.nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.encoder(x).flatten(1))


def ours():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5))


X = np.random.default_rng(0).normal(size=(2, 1, 4, 4)).astype(np.float32)
NAMES = {"encoder": None, "encoder.0": "0", "encoder.1": "1", "head.weight": "4.weight", "head.bias": "4.bias"}


def trained():
    torch.manual_seed(0)
    model = Theirs()
    model(torch.tensor(X) + 1.0)  # so that the running statistics are not the first ones
    return model.eval()


def outputs(model):
    return model(torch.tensor(X)).detach().numpy()


@pytest.mark.parametrize("rename", [NAMES, lambda name: name.replace("encoder.", "").replace("head", "4")])
def test_safetensors_of_pytorch_load_unchanged(rename, tmp_path):
    from safetensors.torch import save_file

    theirs, model = trained(), ours().eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    assert io.load_weights(tmp_path / "model.safetensors", model, rename=rename) == ([], [])
    with tl.no_grad():
        np.testing.assert_allclose(model(X).numpy(), outputs(theirs), rtol=1e-5, atol=1e-6)


def test_bfloat16_comes_as_float32(tmp_path):
    from safetensors.torch import save_file

    values = torch.tensor([[1.5, -2.25], [float("inf"), 3e-39]]).bfloat16()
    save_file({"a": values, "b": torch.arange(3)}, tmp_path / "half.safetensors")
    loaded = io.load_weights(tmp_path / "half.safetensors")
    assert loaded["a"].dtype == np.float32 and loaded["b"].dtype == np.int64
    np.testing.assert_array_equal(loaded["a"], values.float().numpy())


@pytest.mark.parametrize("wrap", [None, "state_dict", "model_state_dict", "model"])
def test_files_of_torch_save_are_converted(wrap, tmp_path, capsys):
    theirs, model = trained(), ours().eval()
    state = theirs.state_dict()
    saved = state if wrap is None else {"epoch": 3, wrap: state, "optimizer": {"lr": 0.1}}
    torch.save(saved, tmp_path / "model.pt")
    assert main([str(tmp_path / "model.pt"), str(tmp_path / "model.safetensors")]) == 0
    assert "written: " in capsys.readouterr().out
    io.load_weights(tmp_path / "model.safetensors", model, rename=NAMES)
    with tl.no_grad():
        np.testing.assert_allclose(model(X).numpy(), outputs(theirs), rtol=1e-5, atol=1e-6)


def test_what_is_shared_transposed_or_nested(tmp_path):
    matrix = torch.arange(6.0).reshape(2, 3)
    state = {"a": matrix, "same": matrix, "turned": matrix.T, "b": {"c": [matrix.bfloat16(), 7]}, "d": torch.tensor(1j)}
    torch.save({"weights": state, "epoch": 1}, tmp_path / "model.pt")
    assert convert(tmp_path / "model.pt", tmp_path / "new", key="weights") == ["b.c.1"]
    loaded = io.load_weights(tmp_path / "new")
    assert list(sorted(loaded)) == ["a", "b.c.0", "d", "same", "turned"]
    np.testing.assert_array_equal(loaded["turned"], matrix.numpy().T)
    np.testing.assert_array_equal(loaded["b.c.0"], matrix.numpy())
    assert convert(tmp_path / "model.pt", tmp_path / "new") == ["weights.b.c.1", "epoch"]


class Exploding:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_errors(tmp_path, capsys):
    path = tmp_path / "model.pt"
    for content, message in (
        (Exploding(), "PyTorch does not read .* as weights only"),
        ({"a": Exploding()}, "PyTorch does not read .* as weights only"),
        ({"epoch": 3}, "there are no tensors in"),
    ):
        torch.save(content, path)
        with pytest.raises(StateError, match=f"convert: {message}"):
            convert(path, tmp_path / "new")
    torch.save(trained().state_dict(), path)
    with pytest.raises(StateError, match=r"convert: there is no entry 'ema' in '.*'; it has 'encoder\.0\.weight', "):
        convert(path, tmp_path / "new", key="ema")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StateError, match="convert: PyTorch does not read"):
        convert(path, tmp_path / "new")
    assert main([str(tmp_path / "nothing.pt"), str(tmp_path / "new")]) == 1
    assert capsys.readouterr().err.startswith("convert: there is no file")
    assert not (tmp_path / "new").exists()


def test_without_pytorch_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="convert: PyTorch is not installed; reading its files needs it: pip install"):
        convert(tmp_path / "a", tmp_path / "b")


def test_the_converter_is_a_program(tmp_path):
    torch.save({"a": torch.ones(2), "n": 3}, tmp_path / "a.pt")
    command = [sys.executable, "-W", "error", "-m", "tinygrad_lite.io.convert", tmp_path / "a.pt", tmp_path / "a"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "left out, since they are no tensors: n" in done.stderr
    assert io.load_weights(tmp_path / "a")["a"].tolist() == [1.0, 1.0]
