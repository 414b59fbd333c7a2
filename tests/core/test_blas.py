"""The number of threads of NumPy's matrix products."""

import threading

import pytest

from tinygrad_lite.core.blas import one_blas_thread

pytestmark = pytest.mark.numpy_only("the processor's BLAS")


@pytest.fixture
def number():
    with one_blas_thread():
        pass
    if one_blas_thread._functions is None:
        pytest.skip("NumPy's matrix products are not OpenBLAS's here")
    get, put = one_blas_thread._functions
    before = get()
    put(2)
    yield get
    put(before)


def test_one_thread_inside_and_as_many_as_before_outside(number):
    if number() != 2:
        pytest.skip("OpenBLAS has one thread only")
    with one_blas_thread():
        assert number() == 1
        with one_blas_thread():
            assert number() == 1
        assert number() == 1
    assert number() == 2
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert number() == 2


def test_blocks_of_two_threads_that_overlap(number):
    outside = number()
    first, last = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            first.set()
            last.wait()

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        first.wait()
    assert number() == 1
    last.set()
    thread.join()
    assert number() == outside
