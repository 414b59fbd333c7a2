"""Weights in safetensors files (https://huggingface.co/docs/safetensors): arrays by name, and no code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.errors import DTypeError, StateError
from ..core.graph import unwrap
from ..nn import LoadReport, Module
from .files import replacing

__all__ = ["load_metadata", "load_weights", "save_weights"]


def save_weights(
    path: str | os.PathLike, source: Module | Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write the state of a module, or arrays and Tensors by name, to a safetensors file.

    metadata : strings by name, to be kept in the file's header; see `load_metadata`.
    A file of that name is replaced at once when everything is written, never left half-written.

    Raises DTypeError for metadata that are not strings, FileNotFoundError if the folder does not exist.
    """
    from safetensors.numpy import save_file

    state = source.state_dict() if isinstance(source, Module) else source
    # safetensors writes the memory as it lies; a transposed or strided array would come back as another one.
    arrays = {name: numpy.asarray(_host(unwrap(value)), order="C") for name, value in state.items()}
    wrong = [name for name, text in (metadata or {}).items() if not isinstance(name, str) or not isinstance(text, str)]
    if wrong:
        names = ", ".join(map(repr, wrong))
        raise DTypeError(f"save_weights: metadata {names} must be strings; convert them, for example with str().")
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save_weights: there is no folder {str(path.parent)!r} to write {path.name!r} into.")
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata=dict(metadata) if metadata else None)


def load_weights(
    path: str | os.PathLike,
    model: Module | None = None,
    *,
    strict: bool = True,
    rename: Mapping[str, str | None] | Callable[[str], str | None] | None = None,
) -> Any:
    """The arrays of a safetensors file by name; or, with `model`, their values into the model.

    strict : as in `Module.load_state_dict`, whose LoadReport is returned if there is a model: it lists the names that
        are missing in the file and those that the model does not have.
    rename : the model's names for those in the file: a dict of the names that differ, or a function; None leaves an
        array out. A dict may also name the beginnings of paths: `{"encoder.conv": "layers.0"}`.

    Files that PyTorch made fit models with its names and layouts; bfloat16 comes as float32, which holds it exactly.

    Raises FileNotFoundError; StateError for a file that is not safetensors or is cut off, for names that `rename` does
    not find or makes equal, for transposed arrays, and as `load_state_dict`.
    """
    state: dict[str, Any] = _renamed(_read("load_weights", path, _arrays), rename)
    if model is None:
        return state
    _refuse_transposed(state, model)
    report: LoadReport = model.load_state_dict(state, strict=strict)
    return report


def _arrays(path: str) -> dict[str, numpy.ndarray]:
    from safetensors import deserialize, safe_open

    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        if all(file.get_slice(name).get_dtype() != "BF16" for name in names):
            return {name: file.get_tensor(name) for name in names}
    found: dict[Any, Any] = {}
    for name, entry in deserialize(Path(path).read_bytes()):
        if entry["dtype"] == "BF16":  # the upper half of a float32
            words = numpy.frombuffer(entry["data"], "<u2").astype(numpy.uint32) << 16
            found[name] = words.view(numpy.float32).reshape(entry["shape"])
    with safe_open(path, framework="numpy") as file:
        return {name: found[name] if name in found else file.get_tensor(name) for name in names}


def _renamed(state: dict[str, Any], rename: Any) -> dict[str, Any]:
    if rename is None:
        return state
    unused = [] if callable(rename) else [old for old in rename if not any(_within(name, old) for name in state)]
    if unused:
        raise StateError(
            f"load_weights: rename has {', '.join(map(repr, unused))}; the file has {', '.join(map(repr, state))}."
        )
    found: dict[str, Any] = {}
    for old, array in state.items():
        new = rename(old) if callable(rename) else _mapped(old, rename)
        if new in found:
            raise StateError(
                f"load_weights: rename makes two arrays {new!r}, {old!r} is the second; names must differ."
            )
        if new is not None:
            found[new] = array
    return found


def _within(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(beginning + ".")


def _mapped(name: str, rename: Mapping[str, str | None]) -> str | None:
    """The new name, by the longest entry that is the name or a beginning of its path."""
    entries = [old for old in rename if _within(name, old)]
    if not entries:
        return name
    old = max(entries, key=len)
    new = rename[old]
    return None if new is None else new + name[len(old) :]


def _refuse_transposed(state: Mapping[str, Any], model: Module) -> None:
    own = {name: tuple(array.shape) for name, array in model.state_dict().items()}
    shapes = {name: tuple(array.shape) for name, array in state.items()}
    turned = [
        f"{name} is {shape} and must be {own[name]}"
        for name, shape in shapes.items()
        if name in own and shape != own[name] and sorted(shape) == sorted(own[name])
    ]
    if turned:
        raise StateError(
            f"load_weights: {', '.join(turned)}: the axes are in another order. Weights here are (out, in) and "
            f"(out, in, height, width), as PyTorch's. Read the arrays with load_weights(path), put their axes in order "
            f"with numpy.transpose, and give them to model.load_state_dict; square matrices need it as well."
        )


def load_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The metadata of a safetensors file; empty if it has none. Raises as `load_weights`."""
    from safetensors import safe_open

    def read(name: str) -> dict[str, str]:
        with safe_open(name, framework="numpy") as file:
            return file.metadata() or {}

    return _read("load_metadata", path, read)


def _host(array: Any) -> numpy.ndarray:
    return backend_of(array).to_numpy(array)


def _read(function: str, path: str | os.PathLike, read: Any) -> Any:
    from safetensors import SafetensorError

    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f"{function}: there is no file {name!r}.")
    try:
        return read(name)
    except SafetensorError as error:
        raise StateError(
            f"{function}: {name!r} cannot be read ({error}); it is not a safetensors file, or a part of it is missing. "
            f"Copy or download it again."
        ) from error
