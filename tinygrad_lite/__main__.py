"""`python -m tinygrad_lite`: train a classifier on handwritten digits. `--help` lists what can be chosen."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy

from .core.errors import BackendError
from .tensor import Tensor
from .train.digits import EPOCHS, MODELS, Settings, run


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line; the usage is one `--help` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _number(convert: Callable, accepts: Callable[[float], bool], what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and accepts(value)):
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return value

    return parse


def _device(name: str) -> str:
    try:
        Tensor([0.0], device=name)
    except BackendError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def _directory(name: str) -> Path:
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name} cannot be written: {error.strerror}") from None
    return path


def _parser() -> argparse.ArgumentParser:
    count = _number(int, lambda n: n >= 1, "a whole number of at least 1")
    natural = _number(int, lambda n: n >= 0, "a whole number of at least 0")
    positive = _number(float, lambda n: n > 0, "a number above 0")
    nonnegative = _number(float, lambda n: n >= 0, "a number of at least 0")
    parser = _Parser(
        prog="python -m tinygrad_lite",
        description="Train a classifier on the 1,797 handwritten digits that the package carries, a quarter held out.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(**Settings()._asdict() | {"out": str(Settings().out)})
    own = ", ".join(f"{name} {epochs}" for name, epochs in EPOCHS.items())
    add = parser.add_argument
    add("--model", choices=sorted(MODELS), help="network to train")
    # SUPPRESS: the help shows each model's own number instead of None.
    add("--epochs", type=count, metavar="N", default=argparse.SUPPRESS, help=f"passes over the images (default: {own})")
    add("--batch-size", type=count, metavar="N", help="images per step")
    add("--lr", type=positive, metavar="X", help="learning rate at the start; it falls to 0")
    add("--weight-decay", type=nonnegative, metavar="X", help="strength of decoupled L2 on the weights")
    add("--seed", type=natural, metavar="N", help="the same seed gives the same numbers")
    add("--device", type=_device, help="cpu, cuda or cuda:N")
    add("--out", type=_directory, metavar="DIR", help="where weights and figure go")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the job with command-line arguments; returns the exit status."""
    settings = Settings(**vars(_parser().parse_args(arguments)))
    try:
        with numpy.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite is reported as such
            return run(settings)
    except FloatingPointError as error:
        print(f"python -m tinygrad_lite: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"python -m tinygrad_lite: {settings.out} could not be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing more is saved", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
