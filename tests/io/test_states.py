"""Nested states in files: bit for bit back, and nothing but what was written."""

import math
import os
import pickle

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_lite as tl
from tinygrad_lite.core.errors import DTypeError, StateError
from tinygrad_lite.io import load_state, load_weights, save_state, save_weights

STATE = {
    "numbers": [1, 10**30, 0.1, -0.0, math.inf, -math.inf, 5e-324, True, None, "text\n\u00e9"],
    "pair": (1, 2),
    "nested": {"a/b": {"": []}, "a": {"b": {}}},
    "arrays": [
        np.arange(6.0).reshape(2, 3).T, np.arange(6, dtype="int32")[::-2], np.zeros((0, 3), "int8"),
        np.array(7, "uint64"), np.array([True, False]), np.array([np.nan, -0.0], "float16"), np.array([[1 + 2j]]),
        np.complex64([3 - 1j]),
    ],
    "tensor": tl.tensor([1.5, 2.5]),
    "scalar": np.float32(0.1),
}  # fmt: skip


def test_everything_comes_back(tmp_path):
    path = tmp_path / "state"
    assert save_state(path, STATE) is None
    back = load_state(str(path))
    assert list(back) == list(STATE)
    assert list(map(repr, back["numbers"])) == list(map(repr, STATE["numbers"]))
    assert back["pair"] == [1, 2] and back["nested"] == STATE["nested"]
    given = [*STATE["arrays"], STATE["tensor"].data, np.asarray(STATE["scalar"])]
    for array, expected in zip([*back["arrays"], back["tensor"], back["scalar"]], given, strict=True):
        assert array.dtype == expected.dtype and array.shape == expected.shape
        assert array.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_arrays_whose_paths_look_alike(tmp_path):
    save_state(tmp_path / "state", {"a/b": np.zeros(1), "a": {"b": np.ones(1)}})
    back = load_state(tmp_path / "state")
    assert back["a/b"] == 0.0 and back["a"]["b"] == 1.0


def test_the_arrays_are_there_for_other_programs(tmp_path):
    save_state(tmp_path / "state", {"model": {"0.weight": np.ones((2, 2))}})
    assert list(safetensors.numpy.load_file(tmp_path / "state")) == ["model/0.weight"]
    assert load_weights(tmp_path / "state")["model/0.weight"].sum() == 4.0


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"a": [{"f": print}]},
            r"save_state: a/0/f is a builtin_function_or_method; numbers, texts, None, arrays, and",
        ),
        ({"a": np.array(["x"])}, r"save_state: a is a ndarray; numbers"),
        ({"a": np.array([None])}, r"save_state: a is a ndarray; numbers"),
        ({"a": {1: 2}}, r"save_state: a has the key 1; texts are required"),
        ({"$array": 2}, r"save_state: the state has the key '\$array'; texts are required"),
    ],
)
def test_what_cannot_be_kept_is_refused(state, message, tmp_path):
    with pytest.raises(DTypeError, match=message):
        save_state(tmp_path / "state", state)
    assert os.listdir(tmp_path) == []


def test_a_folder_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"save_state: there is no folder '.*missing' to write 'a' into"):
        save_state(tmp_path / "missing" / "a", {})
    with pytest.raises(FileNotFoundError, match=r"load_state: there is no file '.*nothing'"):
        load_state(tmp_path / "nothing")


def test_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "state"
    save_state(path, {"lr": 0.1, "w": np.arange(3.0), "n": [None, np.array([1, 2], "int8")]})
    content = path.read_bytes()
    flips = np.random.default_rng(0).integers(0, 8, len(content))
    for place, bit in enumerate(flips):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(bit)
        path.write_bytes(damaged)
        with pytest.raises(
            StateError, match=r"load_state: '.*state' (cannot be read|is not from save_state|is damaged)"
        ):
            load_state(path)
    path.write_bytes(content)
    assert load_state(path)["lr"] == 0.1


def test_every_truncated_file_is_refused(tmp_path):
    path = tmp_path / "state"
    save_state(path, {"w": np.arange(20.0)})
    content = path.read_bytes()
    for length in [*range(0, len(content), 7), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(StateError, match="cannot be read"):
            load_state(path)
    path.write_bytes(content + b"x")
    with pytest.raises(StateError, match="cannot be read"):
        load_state(path)


class Exploding:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_foreign_files_are_refused_and_never_unpickled(tmp_path):
    path = tmp_path / "state"
    save_weights(path, {"a": np.ones(2)})
    with pytest.raises(StateError, match="is not from save_state"):
        load_state(path)
    np.savez(tmp_path / "archive.npz", a=np.ones(2))
    np.save(tmp_path / "objects.npy", np.array([Exploding()]), allow_pickle=True)
    for content in (
        pickle.dumps(Exploding()),
        (tmp_path / "archive.npz").read_bytes(),
        (tmp_path / "objects.npy").read_bytes(),
        b"\x80\x02" * 40,
        b"{}",
        b"",
    ):
        path.write_bytes(content)
        with pytest.raises(StateError, match="cannot be read"):
            load_state(path)
