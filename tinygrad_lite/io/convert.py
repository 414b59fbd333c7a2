"""Weights that PyTorch saved with `torch.save`, as a safetensors file. Runs where PyTorch is installed:

    python -m tinygrad_lite.io.convert model.pt model.safetensors

PyTorch reads the file with `weights_only=True`, so that no code in it is run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import StateError
from .weights import save_weights

__all__ = ["convert", "main"]

KEYS = ("state_dict", "model_state_dict", "model")
"""Under which programs keep the weights, beside other things that they save."""


def convert(source: str | os.PathLike, target: str | os.PathLike, *, key: str | None = None) -> list[str]:
    """Write the tensors of a file from `torch.save` to a safetensors file; returns the names of what is left out.

    key : the entry of the file that holds the weights; by default the first of state_dict, model_state_dict, model that
        there is, or else the whole file. Nested dicts become paths, `encoder.weight`.

    bfloat16 becomes float32, which holds it exactly. What is no tensor is left out.
    Raises ImportError without PyTorch; FileNotFoundError; StateError for a file that PyTorch does not read, refuses
    since it holds other things than tensors and plain containers, or in which there are no tensors.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("convert: PyTorch is not installed; reading its files needs it: pip install torch") from error
    from pickle import UnpicklingError

    if not os.path.isfile(source):
        raise FileNotFoundError(f"convert: there is no file {os.fspath(source)!r}.")
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StateError(
            f"convert: PyTorch does not read {os.fspath(source)!r} as weights only ({reason}). It must be a "
            f"state_dict, torch.save(model.state_dict(), path), not a whole model."
        ) from error
    chosen = _chosen(loaded, key, source)
    arrays, left_out = {}, []
    for name, value in _flat(chosen):
        if not isinstance(value, torch.Tensor):
            left_out.append(name)
            continue
        value = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
        arrays[name] = value.resolve_conj().resolve_neg().numpy()
    if not arrays:
        raise StateError(f"convert: there are no tensors in {os.fspath(source)!r}; a state_dict is required.")
    save_weights(target, arrays)
    return left_out


def _chosen(loaded: Any, key: str | None, source: str | os.PathLike) -> Any:
    keys = [name for name in KEYS if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping)]
    if key is None:
        return loaded[keys[0]] if keys else loaded
    if not isinstance(loaded, Mapping) or key not in loaded:
        has = ", ".join(map(repr, loaded)) if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
        raise StateError(f"convert: there is no entry {key!r} in {os.fspath(source)!r}; it has {has}.")
    return loaded[key]


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from _flat(value, f"{path}.{i}" if path else str(i))
    else:
        yield path, tree


def main(arguments: list[str] | None = None) -> int:
    """The program; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tinygrad_lite.io.convert", description="Convert weights of PyTorch (.pt, .pth) to safetensors."
    )
    parser.add_argument("source", help="a file that torch.save wrote")
    parser.add_argument("target", help="the safetensors file to write")
    parser.add_argument("--key", help="the entry that holds the weights, such as state_dict")
    given = parser.parse_args(arguments)
    try:
        left_out = convert(given.source, given.target, key=given.key)
    except (ImportError, OSError, StateError) as error:
        print(error, file=sys.stderr)
        return 1
    if left_out:
        print(f"left out, since they are no tensors: {', '.join(left_out)}", file=sys.stderr)
    print(f"written: {given.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
