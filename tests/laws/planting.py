"""Means to declare operations with and without a bug, and to forget them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.samples import Sample, elementwise_arguments
from tinygrad_lite import OPS

__all__ = ["Plants", "temporary"]


@contextmanager
def temporary() -> Iterator[None]:
    """Operations declared inside are forgotten afterwards."""
    before = dict(OPS)
    try:
        yield
    finally:
        OPS.clear()
        OPS.update(before)


class Plants:
    """Laws, each with an operation that breaks it: parameters of a test."""

    def __init__(self) -> None:
        self.cases: list = []

    def planted(self, law: Any, reference: Any = None, draw: Any = None, **options: Any) -> Callable:
        """Decorator: `declare(bug)` returns an operation that obeys `law` unless `bug`."""

        def register(declare: Callable) -> Callable:
            def case(bug: bool) -> tuple:
                op = declare(bug).op
                chosen = draw or (lambda d: (d(elementwise_arguments(op)), {}))
                return op, Sample(op.name, chosen, reference=reference, **options)

            self.cases.append(pytest.param(law, case, id=declare.__name__))
            return declare

        return register


def check(law: Any, case: Callable) -> None:
    """The law passes without the bug and fails with it."""
    with temporary():
        law(*case(bug=False))
        with pytest.raises(AssertionError):
            law(*case(bug=True))
