"""Nested states, such as those of optimizers and trainings, in one checksummed file each: numbers, texts and arrays."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.errors import DTypeError, StateError
from ..core.graph import unwrap
from .files import replacing

__all__ = ["load_state", "save_state"]

FORMAT = "tinygrad_lite state 1"
ARRAY = "$array"


def save_state(path: str | os.PathLike, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of numbers, texts, None, arrays and Tensors to a file.

    It is a safetensors file: the arrays by their paths (`model/0.weight`), and in its header the rest as JSON, with a
    SHA-256 checksum of everything. Floating-point numbers come back bit for bit, tuples as lists, arrays of a GPU as
    NumPy arrays. A file of that name is replaced at once when everything is on the disk, never left half-written.

    Raises DTypeError for anything else in the state, FileNotFoundError if the folder does not exist.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, numpy.ndarray] = {}
    text = json.dumps(_packed(state, "", arrays))
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save_state: there is no folder {str(path.parent)!r} to write {path.name!r} into.")
    metadata = {"format": FORMAT, "state": text, "sha256": _checksum(text, arrays)}
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata=metadata)


def load_state(path: str | os.PathLike) -> dict[str, Any]:
    """What `save_state` wrote.

    Raises FileNotFoundError; StateError for a file that is damaged, cut off, or not from `save_state`.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "state")
    >>> io.save_state(path, {"lr": 0.1, "weights": [np.zeros(2), None]})
    >>> io.load_state(path)
    {'lr': 0.1, 'weights': [array([0., 0.]), None]}
    """
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f"load_state: there is no file {name!r}.")
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no dict
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The header of a damaged file may name a dtype that NumPy does not have, or a shape that does not fit.
        raise StateError(
            f"load_state: {name!r} cannot be read ({error}); it is damaged, cut off, or not from save_state."
        ) from error
    if metadata.get("format") != FORMAT or "state" not in metadata:
        raise StateError(f"load_state: {name!r} is not from save_state, or its header is damaged.")
    if metadata.get("sha256") != _checksum(metadata["state"], arrays):
        raise StateError(f"load_state: {name!r} is damaged: its content does not have the checksum that it was given.")
    return _unpacked(json.loads(metadata["state"]), arrays)


def _packed(value: Any, path: str, arrays: dict[str, numpy.ndarray]) -> Any:
    """`value` as JSON can hold it; its arrays are put into `arrays`."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        wrong = [key for key in value if type(key) is not str or key == ARRAY]
        if wrong:
            raise DTypeError(f"save_state: {path or 'the state'} has the key {wrong[0]!r}; texts are required.")
        return {key: _packed(item, f"{path}/{key}" if path else key, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(item, f"{path}/{i}" if path else str(i), arrays) for i, item in enumerate(value)]
    value = unwrap(value)
    if hasattr(value, "shape") and hasattr(value, "dtype") and value.dtype.kind in "biufcV":
        name = path
        while name in arrays:  # {"a/b": x, "a": {"b": y}}
            name += "'"
        # safetensors writes the memory as it lies; a transposed or strided array would come back as another one.
        array: Any = numpy.asarray(_host(value), order="C")
        if array.dtype.kind != "c":
            arrays[name] = array
            return {ARRAY: name}
        arrays[name] = numpy.stack([array.real, array.imag], axis=-1)
        return {ARRAY: name, "complex": array.dtype.name}
    raise DTypeError(
        f"save_state: {path} is a {type(value).__name__}; numbers, texts, None, arrays, and lists and dicts of them "
        f"are required."
    )


def _unpacked(value: Any, arrays: Mapping[str, numpy.ndarray]) -> Any:
    if isinstance(value, dict):
        if ARRAY in value:
            array = arrays[value[ARRAY]]
            return array.view(value["complex"])[..., 0] if "complex" in value else array
        return {key: _unpacked(item, arrays) for key, item in value.items()}
    return [_unpacked(item, arrays) for item in value] if isinstance(value, list) else value


def _checksum(text: str, arrays: Mapping[str, numpy.ndarray]) -> str:
    """SHA-256 of the text, and of the names, dtypes, shapes and bytes of the arrays."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.name}\0{array.shape}\0".encode())
        digest.update(numpy.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _host(array: Any) -> numpy.ndarray:
    return numpy.asarray(array) if isinstance(array, numpy.generic) else backend_of(array).to_numpy(array)
