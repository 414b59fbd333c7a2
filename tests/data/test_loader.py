"""Mini-batches: complete, seeded, the same for any number of workers, resumed at any place, and threads that end."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, ShapeError, StateError

X, Y = np.arange(46.0).reshape(23, 2), np.arange(23)


class Items:
    """A dataset that only knows integers."""

    def __init__(self, bad=None):
        self.bad = bad

    def __len__(self):
        return 23

    def __getitem__(self, index):
        assert type(index) is int
        if index == self.bad:
            raise OSError("unreadable")
        return X[index], index


def noisy(inputs, rng):
    return inputs + rng.normal(inputs.shape).numpy()


def labels(loader):
    return [y.tolist() for _, y in loader]


def threads():
    """How many threads of loaders there are."""
    return sum(thread.name == "DataLoader" for thread in threading.enumerate())


def alike(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_an_epoch_is_every_example_once():
    loader = data.DataLoader((X, Y), 5, rng=0)
    for _ in range(3):
        batches = list(loader)
        assert [len(y) for _, y in batches] == [5, 5, 5, 5, 3] and len(loader) == 5
        assert sorted(np.concatenate([y for _, y in batches])) == list(range(23))
        assert all(np.array_equal(X[y], x) for x, y in batches)
    assert loader.epoch == 3 and loader.position == 5
    assert repr(loader) == "DataLoader(ArrayDataset((23, 2) float64, (23,) int64), 5 batches of 5, shuffled)"


def test_order_and_last_batch_as_asked_for():
    assert labels(data.DataLoader((X, Y), 10, shuffle=False)) == [list(range(10)), list(range(10, 20)), [20, 21, 22]]
    loader = data.DataLoader((X, Y), 10, drop_last=True, rng=1)
    assert [len(y) for y in labels(loader)] == [10, 10] and len(loader) == 2
    assert labels(data.DataLoader((X, Y), 100, shuffle=False)) == [list(range(23))]
    assert [batch[0].tolist() for batch in data.DataLoader(Y, 12, shuffle=False)][1] == list(range(12, 23))


def test_each_epoch_has_its_own_order_and_a_seed_repeats_them():
    first, second = (data.DataLoader((X, Y), 5, rng=3) for _ in range(2))
    epochs = [labels(first) for _ in range(3)]
    assert epochs == [labels(second) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert labels(data.DataLoader((X, Y), 5, rng=4)) != epochs[0]
    assert labels(data.DataLoader((X, Y), 5, rng=tl.Generator(3))) == epochs[0]


def test_without_rng_the_default_generator_decides():
    loader, orders = data.DataLoader((X, Y), 5), []
    for seed in (0, 0, 1):
        tl.manual_seed(seed)
        orders.append(labels(loader))
    assert orders[0] == orders[1] != orders[2]


def test_what_is_not_random_leaves_the_generator_alone():
    tl.manual_seed(0)
    before = tl.default_generator().state_dict()
    list(data.DataLoader((X, Y), 5, shuffle=False, transform=lambda x: x + 1))
    assert tl.default_generator().state_dict() == before
    list(data.DataLoader((X, Y), 5))
    assert tl.default_generator().state_dict() != before


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_new_arrays(shuffle, tmp_path):
    x = X.copy()
    fixed = X.copy()
    fixed.flags.writeable = False
    mapped = np.memmap(tmp_path / "x.raw", np.float64, "w+", shape=X.shape)
    for a, b, c in data.DataLoader((x, fixed, mapped), 5, shuffle=shuffle):
        a[:] = b[:] = c[:] = 7
        assert type(c) is np.ndarray
    assert np.array_equal(x, X) and np.array_equal(fixed, X) and not mapped.any()


def test_transforms_get_the_inputs_and_a_generator_if_they_take_one():
    (x, y), *_ = data.DataLoader((X, Y), 5, shuffle=False, transform=lambda x: x * 2)
    assert np.array_equal(x, 2 * X[:5]) and np.array_equal(y, Y[:5])
    assert np.array_equal(next(iter(data.DataLoader((X, Y), 5, shuffle=False, transform=np.sqrt)))[0], np.sqrt(X[:5]))
    loader = data.DataLoader((X, Y), 5, shuffle=False, rng=0, transform=noisy)
    first, second = list(loader), list(loader)
    noise = [x - X[y] for x, y in first]
    assert not np.array_equal(noise[0], noise[1]) and not alike(first, second)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("prefetch", [1, 3])
def test_workers_change_nothing(workers, prefetch):
    def paced(inputs, rng):
        time.sleep(rng.uniform().item() / 500)  # out of order
        return noisy(inputs, rng)

    plain = data.DataLoader((X, Y), 2, rng=5, transform=paced)
    ahead = data.DataLoader((X, Y), 2, rng=5, transform=paced, workers=workers, prefetch=prefetch)
    for _ in range(2):
        assert alike(list(plain), list(ahead))
    assert threads() == 0


def test_workers_stay_within_their_lead():
    made = []
    iterator = iter(
        data.DataLoader((X, Y), 1, shuffle=False, transform=lambda x: made.append(x) or x, workers=2, prefetch=3)
    )
    next(iterator)
    time.sleep(0.05)
    assert len(made) == 7  # the one that was given and 2 x 3 more
    next(iterator)
    time.sleep(0.05)
    assert len(made) == 8


def test_what_was_prepared_for_nothing_is_not_begun():
    made = []

    def slow(inputs):
        made.append(inputs)
        time.sleep(0.02)
        return inputs

    iterator = iter(data.DataLoader((X, Y), 1, transform=slow, workers=1, prefetch=10))
    next(iterator)
    iterator.close()
    assert len(made) < 5 and threads() == 0


def test_workers_work_at_the_same_time():
    together = threading.Barrier(2, timeout=5)
    loader = data.DataLoader((X, Y), 12, workers=2, transform=lambda x: together.wait() is None or x)
    assert len(list(loader)) == 2


@pytest.mark.parametrize("leave", ["break", "error", "interrupt", "close", "drop", "unfinished"])
def test_threads_end_however_the_loop_is_left(leave):
    loader = data.DataLoader((X, Y), 1, workers=3)
    raised = {"error": ValueError, "interrupt": KeyboardInterrupt}.get(leave)
    kept = None
    if leave in ("close", "drop", "unfinished"):
        iterator = iter(loader)
        if leave != "unfinished":
            next(iterator)
            assert threads() == 3
        if leave == "close":
            iterator.close()
        del iterator
    else:
        try:
            for number, _ in enumerate(loader):
                if number == 3 and raised:
                    raise raised
                if number == 3:
                    break
        except BaseException as error:
            kept = error  # the traceback, and with it this frame, is held as an interactive session holds it
            assert type(error) is raised
    assert threads() == 0 and (kept is None) == (raised is None)


PROGRAM = """
import threading, time
from tinygrad_lite import data
def slow(inputs):
    time.sleep(0.05)
    return inputs
try:
    for number, _ in enumerate(data.DataLoader((list(range(1000)),), 1, transform=slow, workers=3)):
        if not number:
            print("begun", flush=True)
except KeyboardInterrupt:
    print("left", threading.active_count())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a process")
def test_control_c_ends_the_threads():
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    assert process.communicate(timeout=30)[0] == "left 1\n" and process.returncode == 0
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_name_batch_and_example(workers):
    loader = data.DataLoader(Items(bad=17), 5, shuffle=False, collate=data.default_collate, workers=workers)
    seen = []
    with pytest.raises(OSError, match="unreadable") as caught:
        for _, y in loader:
            seen.append(y.tolist())
    assert seen == [list(range(5)), list(range(5, 10)), list(range(10, 15))]
    assert caught.value.__notes__ == [
        "DataLoader: in example 17.",
        "DataLoader: in batch 3 of epoch 1, examples 15 to 19.",
    ]
    assert threads() == 0
    loader = data.DataLoader((X, Y), 20, rng=0, workers=workers, transform=lambda x: x @ np.ones(3))
    with pytest.raises(ValueError) as caught:
        list(loader)
    order = [int(n) for n in caught.value.__notes__[0].partition("examples ")[2].partition(" and")[0].split(", ")]
    assert order == np.concatenate(labels(data.DataLoader((X, Y), 20, rng=0))).tolist()[:8]
    assert caught.value.__notes__[0].startswith("DataLoader: in batch 0 of epoch 1, examples ")
    assert caught.value.__notes__[0].endswith(" and 12 more.")
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):  # and no early end
        list(data.DataLoader((X, Y), 20, workers=workers, transform=lambda x: next(iter([]))))
    with pytest.raises(DTypeError, match="transform returned None; it must return the inputs to learn from"):
        list(data.DataLoader((X, Y), 20, workers=workers, transform=lambda x: x.sort()))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [0, 1, 4, 5, 8, 10, 12])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_loader_goes_on_with_the_very_next_batch(taken, workers, shuffle):
    def loader(seed):
        return data.DataLoader((X, Y), 5, shuffle, rng=seed, transform=noisy, workers=workers)

    original = loader(1)
    stream = (batch for _ in range(4) for batch in original)
    for _ in range(taken):
        next(stream)
    state = json.loads(json.dumps(original.state_dict()))
    resumed = loader(2)
    next(iter(resumed))  # as if it had been used for something else
    resumed.load_state_dict(state)
    assert (resumed.epoch, resumed.position) == (original.epoch, original.position)
    rest = list(stream)
    again = (batch for _ in range(4) for batch in resumed)
    assert len(rest) == 20 - taken
    assert alike(rest, [next(again) for _ in rest])
    assert (resumed.epoch, resumed.position) == (original.epoch, original.position) == (4, 5)


def test_an_epoch_that_has_begun_without_a_batch_is_gone_on_with():
    original, resumed = (data.DataLoader((X, Y), 5, rng=seed) for seed in (1, 2))
    iterator = iter(original)
    resumed.load_state_dict(original.state_dict())
    assert labels(resumed) == labels(iterator)
    assert resumed.epoch == 1


def test_the_place_is_the_latest_epochs():
    loader = data.DataLoader((X, Y), 5, rng=0)
    older = iter(loader)
    next(older), next(older)
    newer = iter(loader)
    next(newer), next(older)
    assert (loader.epoch, loader.position) == (2, 1)
    pairs = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    assert len(pairs) == 5 and pairs[0][0] != pairs[0][1]


def test_states_that_do_not_fit_are_refused():
    state = data.DataLoader((X, Y), 5).state_dict()
    for options, ours in (
        ({"batch_size": 6}, "23 examples in batches of 6, shuffled"),
        ({"batch_size": 5, "shuffle": False}, "23 examples in batches of 5, in order"),
    ):
        with pytest.raises(StateError, match=f"of 23 examples in batches of 5, shuffled, and this loader has {ours}"):
            data.DataLoader((X, Y), **options).load_state_dict(state)
    with pytest.raises(StateError, match="the state lacks epoch, key; it must come from state_dict"):
        data.DataLoader((X, Y), 5).load_state_dict({k: v for k, v in state.items() if k not in ("epoch", "key")})


@pytest.mark.parametrize(
    ("dataset", "options", "error", "message"),
    [
        ((X, Y), {"batch_size": 0}, ShapeError, "DataLoader: batch_size is 0; an integer from 1 up is required"),
        ((X, Y), {"batch_size": -3}, ShapeError, "batch_size is -3; an integer from 1 up"),
        ((X, Y), {"batch_size": 2.0}, ShapeError, "batch_size is 2.0; an integer from 1 up"),
        ((X, Y), {"workers": -1}, ShapeError, "workers is -1; an integer from 0 up"),
        ((X, Y), {"batch_size": np.array([1, 2])}, ShapeError, r"batch_size is array\(\[1, 2\]\); an integer from 1"),
        ((X, Y), {"transform": 3}, DTypeError, "DataLoader: transform is 3; a function is required"),
        ((X, Y), {"collate": "stack"}, DTypeError, "DataLoader: collate is 'stack'; a function is required"),
        ([X, Y], {}, DTypeError, "a list cannot be indexed by an array of indices; give data.ArrayDataset"),
        ({"x": X}, {}, DTypeError, "DataLoader: dataset is a dict; something with __len__"),
        ((X, Y), {"prefetch": 0}, ShapeError, "prefetch is 0; an integer from 1 up"),
        ((X, Y), {"batch_size": True}, ShapeError, "batch_size is True; an integer from 1 up"),
        ((X, Y[:3]), {}, ShapeError, "ArrayDataset: the arrays have 23 and 3 rows"),
        ((X[:0], Y[:0]), {}, ShapeError, "DataLoader: the dataset has no examples; at least one is required"),
        (
            (X, Y), {"batch_size": 24, "drop_last": True}, ShapeError,
            "batch_size is 24 and there are 23 examples; with drop_last an epoch would have no batch",
        ),
        ((x for x in X), {}, DTypeError, "DataLoader: dataset is a generator; something with __len__ and __getitem__"),
        (None, {}, DTypeError, "DataLoader: dataset is a NoneType; something with __len__"),
        ((X, Y), {"rng": -1}, DTypeError, "Generator: seed is -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded(dataset, options, error, message):
    with pytest.raises(error, match=message):
        data.DataLoader(dataset, **options)


def test_collating_single_examples():
    assert labels(data.DataLoader(Items(), 12, shuffle=False, collate=data.default_collate)) == [
        list(range(12)), list(range(12, 23)),
    ]  # fmt: skip
    x, (y, z) = data.default_collate([(np.float32([1, 2]), (1, 2.0)), (np.float32([3, 4]), (5, 6.0))])
    assert x.dtype == np.float32 and x.shape == (2, 2) and y.tolist() == [1, 5] and z.tolist() == [2.0, 6.0]
    longest = data.DataLoader(Items(), 2, shuffle=False, collate=lambda examples: [len(examples), "kept as it is"])
    assert next(iter(longest)) == (2, "kept as it is")
    with pytest.raises(ShapeError, match="default_collate: there are no examples; a batch has at least one"):
        data.default_collate([])
    with pytest.raises(ShapeError, match="the examples have 1 and 2 entries; all must have the same number"):
        data.default_collate([(1, 2), (1,)])
    with pytest.raises(
        ShapeError, match=r"examples are \(2,\) float64, \(3,\) float64; a batch needs one shape. Pad or crop them"
    ):
        data.default_collate([np.zeros(2), np.zeros(3), np.zeros(2)])
    with pytest.raises(DTypeError, match="examples are str; numbers, arrays and tuples of them are stacked"):
        data.default_collate(["a", "b"])


def test_batches_for_the_cpu_are_the_same():
    options = {"batch_size": 5, "rng": 0, "workers": 2}
    assert alike(list(data.DataLoader((X, Y), device="cpu", **options)), list(data.DataLoader((X, Y), **options)))
    assert all(type(x) is np.ndarray for x, _ in data.DataLoader((X, Y), device="cpu", **options))
