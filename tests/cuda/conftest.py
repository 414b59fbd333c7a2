"""The backends to test on are those of `tests/backends`."""

from tests.backends.conftest import cuda, gpu

__all__ = ["cuda", "gpu"]
