"""Weights in safetensors files (https://huggingface.co/docs/safetensors): arrays by name, and no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
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


def load_weights(path: str | os.PathLike, model: Module | None = None, *, strict: bool = True) -> Any:
    """The arrays of a safetensors file by name; or, with `model`, their values into the model.

    strict : as in `Module.load_state_dict`, whose LoadReport is returned if there is a model.

    Raises FileNotFoundError; StateError for a file that is not safetensors or is cut off, and as `load_state_dict`.
    """
    from safetensors.numpy import load_file

    state: dict[str, Any] = _read("load_weights", path, load_file)
    if model is None:
        return state
    report: LoadReport = model.load_state_dict(state, strict=strict)
    return report


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
