"""Tables of numbers: reading CSV, and standardising columns."""

from __future__ import annotations

import csv
import os
import zlib
from typing import Any, NamedTuple

import numpy

from ..core.errors import DTypeError, ShapeError, StateError, describe
from .files import open_text

__all__ = ["Standardizer", "Table", "read_csv"]


class Table(NamedTuple):
    """What a CSV file holds.

    x : (n, columns) the numbers. y : (n,) the label column, None without one: int64 for whole numbers and for classes
    named by words, else as `x`. names : of the columns of x. classes : the words that y counts, in their order; empty
    if the labels are numbers.
    """

    x: numpy.ndarray
    y: numpy.ndarray | None
    names: list[str]
    classes: list[str]


def read_csv(
    path: str | os.PathLike,
    *,
    label: str | int | None = None,
    header: bool = True,
    delimiter: str = ",",
    missing: float | None = None,
    dtype: Any = "float32",
) -> Table:
    """A table of numbers from a text file with one line per example; also gzipped.

    label : the column of what is to be predicted, by name or number (from 0, or from the end below 0); it may hold
        words. header : whether the first line names the columns; otherwise they are "0", "1", ...
    missing : what an empty cell counts as, for example `numpy.nan`; an empty cell is an error if None.
    dtype : of the numbers.

    Raises StateError, with the line, for what is no number and lines of unequal length; ShapeError for a label column
    that there is not; FileNotFoundError.

    >>> with open("iris.csv", "w") as file:
    ...     _ = file.write("length,width,kind\\n5.1,3.5,setosa\\n7.0,3.2,versicolor\\n")
    >>> table = data.read_csv("iris.csv", label="kind")
    >>> table.x.shape, table.y, table.names, table.classes
    ((2, 2), array([0, 1]), ['length', 'width'], ['setosa', 'versicolor'])
    """
    where = f"read_csv: {os.fspath(path)!r}"
    rows: list[numpy.ndarray] = []
    labels: list[tuple[int, str]] = []
    names: list[str] = []
    place = None
    with open_text("read_csv", path) as file:
        lines = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for cells in lines:
                if not cells:
                    continue
                if not names:
                    names = [cell.strip() for cell in cells] if header else [str(i) for i in range(len(cells))]
                    place = None if label is None else _place(where, label, names)
                    if header:
                        _check_header(where, cells)
                        continue
                if len(cells) != len(names):
                    raise StateError(
                        f"{where}, line {lines.line_num}: {len(cells)} cells, and there are {len(names)} columns; each "
                        f"line needs a cell of each."
                    )
                if place is not None:
                    labels.append((lines.line_num, cells.pop(place).strip()))
                row = _numbers(cells, missing, dtype)
                if row is None:
                    others = [name for i, name in enumerate(names) if i != place]
                    raise StateError(f"{where}, line {lines.line_num}, {_reason(cells, others, missing)}")
                rows.append(row)
        except (csv.Error, UnicodeDecodeError, EOFError, zlib.error) as error:
            raise StateError(
                f"{where}, line {lines.line_num + 1} cannot be read ({error}); the file is not CSV in UTF-8, or is cut "
                f"off."
            ) from error
    if not rows:
        raise StateError(f"{where}: there are no lines with numbers.")
    y, classes = (None, []) if place is None else _labels(where, labels, dtype)
    if place is not None:
        names.pop(place)
    return Table(numpy.stack(rows), y, names, classes)


def _place(where: str, label: str | int, names: list[str]) -> int:
    """The number of the label column."""
    if isinstance(label, str) and names.count(label) == 1:
        return names.index(label)
    if not isinstance(label, str) and -len(names) <= label < len(names):
        return label % len(names)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise ShapeError(f"{where}: there is no single column {label!r} for the label; there are {shown}.")


def _check_header(where: str, cells: list[str]) -> None:
    if all(_number(cell) is not None for cell in cells):
        raise StateError(
            f"{where}, line 1: the names of the columns are expected, and there are only numbers; if the file has no "
            f"header, say header=False."
        )


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _numbers(cells: list[str], missing: float | None, dtype: Any) -> Any:
    """The cells of a line as numbers; None if one of them is none."""
    if missing is not None:
        cells = [cell if cell.strip() else str(missing) for cell in cells]
    try:
        return numpy.array(cells, dtype="float64").astype(dtype)
    except ValueError:
        return None


def _reason(cells: list[str], names: list[str], missing: float | None) -> str:
    """Why the cells of a line are not numbers."""
    column = next(i for i, cell in enumerate(cells) if _number(cell) is None and (missing is None or cell.strip()))
    if not cells[column].strip():
        return f"column {names[column]!r}: the cell is empty; give missing=, for example numpy.nan, to read such files."
    return f"column {names[column]!r}: {cells[column]!r} is not a number; is it a label, or the delimiter another one?"


def _labels(where: str, cells: list[tuple[int, str]], dtype: Any) -> tuple[numpy.ndarray, list[str]]:
    """The label column: whole numbers, other numbers, or words, which are counted in alphabetical order."""
    for line, text in cells:
        if not text:
            raise StateError(f"{where}, line {line}: the label is empty; each example needs one.")
    texts = [text for _, text in cells]
    numbers = [_number(text) for text in texts]
    if None in numbers:
        classes = sorted(set(texts))
        return numpy.array([classes.index(text) for text in texts], numpy.int64), classes
    values = numpy.array(numbers, numpy.float64)
    whole = numpy.all(numpy.isfinite(values)) and numpy.all(values == numpy.rint(values))
    return values.astype(numpy.int64 if whole and not any("." in text for text in texts) else dtype), []


class Standardizer:
    """Columns to mean 0 and standard deviation 1: `(x - mean) / std`, both measured on the part to learn from.

    x : (n, columns) the part to learn from; columns that are constant are only centred. Call the object with any other
    part, so that what is held out stays unknown until it is tested on.

    Raises ShapeError for what has not two axes or no rows, DTypeError for what is not floating-point, ValueError for
    values that are not finite.

    >>> standardize = data.Standardizer(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> standardize(np.array([[4.0, 6.0]])), standardize.inverse(np.array([[2.0, 1.0]]))
    (array([[2., 1.]]), array([[4., 6.]]))
    """

    def __init__(self, x: numpy.ndarray) -> None:
        x = self._checked(x)
        if not len(x):
            raise ShapeError("Standardizer: x has no rows; at least one is required to measure mean and deviation.")
        bad = numpy.flatnonzero(~numpy.isfinite(x).all(axis=0))
        if len(bad):
            raise ValueError(
                f"Standardizer: column {bad[0]} has values that are not finite; replace or leave out missing ones."
            )
        self.mean = x.mean(axis=0, dtype=numpy.float64).astype(x.dtype)
        std = x.std(axis=0, dtype=numpy.float64)
        # A constant column leaves rounding errors in place of zero.
        constant = (x == x[:1]).all(axis=0) | (std == 0)
        self.std = numpy.where(constant, 1.0, std).astype(x.dtype)

    def __call__(self, x: numpy.ndarray) -> numpy.ndarray:
        """Values on the standardised scale."""
        return (self._checked(x, len(self.mean)) - self.mean) / self.std

    def inverse(self, x: numpy.ndarray) -> numpy.ndarray:
        """Values on the original scale."""
        return self._checked(x, len(self.mean)) * self.std + self.mean

    def _checked(self, x: Any, columns: int | None = None) -> numpy.ndarray:
        if not isinstance(x, numpy.ndarray) or x.dtype.kind != "f":
            raise DTypeError(f"Standardizer: x is {describe(x)}; a NumPy array of floating-point numbers is required.")
        if x.ndim != 2 or columns not in (None, x.shape[1]):
            wanted = "(n, columns)" if columns is None else f"(n, {columns})"
            raise ShapeError(f"Standardizer: x is {x.shape}; it must be {wanted}.")
        return x

    def __repr__(self) -> str:
        return f"Standardizer({len(self.mean)} columns)"
