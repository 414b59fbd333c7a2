"""The trainings of a cross-validation, here or in other processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy

from ..core.graph import no_grad
from ..core.threads import set_num_threads
from ..nn import Module
from ..ops.random import manual_seed
from .batches import device_of, host, moved

__all__ = ["Job", "Outcome", "in_processes", "one"]


class Outcome(NamedTuple):
    """What a training gave: scores, or the norm if it was on all examples; or what went wrong.

    error, trace : the exception's kind and message, and where it was raised, as texts; `cause` is it itself, if it was
        raised in this process.
    """

    score: float = numpy.nan
    train_score: float = numpy.nan
    norm: float = numpy.nan
    error: str | None = None
    trace: str = ""
    cause: BaseException | None = None


class Job(NamedTuple):
    """All that the trainings have in common; see `cross_validate`."""

    build: Callable[[float], Any]
    data: Any
    pairs: list[tuple[Any, Any]]
    fit: Callable[[Any, Any, Any, float], Any] | None
    score: Callable[[Any, Any, Any], float] | None
    norm: Callable[[Any], float] | bool
    seed: int

    def processes(self, asked: int | None, tasks: int) -> int:
        """How many processes to use."""
        if asked is not None:
            if asked < 1:
                raise ValueError(f"cross_validate: processes is {asked}; it must be at least 1.")
            return 1 if _interactive(self) else min(asked, tasks)
        return 1 if _interactive(self) else min(os.cpu_count() or 1, tasks)

    def pickled(self) -> bytes:
        """For other processes. TypeError, which names the argument, for what cannot be sent."""
        for name in ("build", "fit", "score", "norm", "data"):
            try:
                pickle.dumps(getattr(self, name))
            except (
                Exception
            ) as error:  # pickle raises PicklingError, AttributeError, TypeError, and what __reduce__ does
                raise TypeError(
                    f"cross_validate: {name} cannot be sent to other processes ({error}); define it at the top level "
                    f"of a module, or give processes=1."
                ) from error
        return pickle.dumps(self)

    def take(self, indices: Any) -> tuple[Any, Any]:
        """Some of the examples; `indices` is a slice or integers."""
        indices = indices if isinstance(indices, slice) else numpy.asarray(indices)
        if isinstance(self.data, (tuple, list)):
            x, y = (numpy.asarray(part)[indices] for part in self.data)
            return x, y
        x, y = self.data[indices]
        return x, y


def _interactive(job: Job) -> bool:
    """Whether a function is from a session that other processes cannot import: a prompt, a notebook, `python -c`."""
    main = sys.modules["__main__"]
    parts = (job.build, job.fit, job.score, job.norm)
    return not hasattr(main, "__file__") and any(getattr(part, "__module__", "") == "__main__" for part in parts)


def one(job: Job, strength: float, fold: int) -> Outcome:
    """One training; `fold` may be one past the last, for all examples."""
    try:
        return _trained(job, strength, fold)
    except Exception as error:
        return Outcome(error=f"{type(error).__name__}: {error}", trace=traceback.format_exc(), cause=error)


def _trained(job: Job, strength: float, fold: int) -> Outcome:
    state = numpy.random.SeedSequence([job.seed, fold]).generate_state(1, numpy.uint64)
    manual_seed(int(state[0]))
    model = job.build(strength)
    everything = fold == len(job.pairs)
    x, y = job.take(slice(None) if everything else job.pairs[fold][0])
    if job.fit is not None:
        job.fit(model, x, y, strength)
    elif hasattr(model, "fit"):
        model.fit(x, y)
    else:
        raise TypeError(
            f"build returned a {type(model).__name__}, which has no method fit; give fit=, a function of model, x, y "
            f"and strength."
        )
    if everything:
        return Outcome(norm=float(job.norm(model) if callable(job.norm) else _norm(model)))
    measure = job.score or _score
    score = float(measure(model, *job.take(job.pairs[fold][1])))
    return Outcome(score, float(measure(model, x, y)))


def _score(model: Any, x: Any, y: Any) -> float:
    """What a model says of itself; the share of right classes; or R^2, the share of y's variance that is explained."""
    if hasattr(model, "score"):
        return model.score(x, y)
    classes = numpy.issubdtype(y.dtype, numpy.integer)
    if isinstance(model, Module):
        training = model.training
        model.eval()
        with no_grad():
            predicted = host(model(moved(x, device_of(model))))
        model.train(training)
        predicted = predicted.argmax(axis=-1) if classes else predicted
    else:
        predicted = numpy.asarray(model.predict(x))
    if classes:
        return (predicted == y).mean()
    y, predicted = numpy.asarray(y, dtype=numpy.float64), predicted.reshape(y.shape)
    return 1.0 - ((y - predicted) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum()


def _norm(model: Any) -> float:
    """The root of the sum of squares of the weights; NaN if it is not known where they are."""
    if isinstance(model, Module):
        weights = [host(p) for p in model.parameters() if p.ndim >= 2]
    else:
        weights = [numpy.asarray(model.coef_)] if hasattr(model, "coef_") else []
    return sum((w.astype(numpy.float64) ** 2).sum() for w in weights) ** 0.5 if weights else numpy.nan


# Other processes. They are started anew ("spawn") on every system: a fork of a process with threads may hang.

_job: Job | None = None


def _start(pickled: bytes, threads: int) -> None:
    global _job
    set_num_threads(threads)
    _job = pickle.loads(pickled)


def _task(strength: float, fold: int) -> Outcome:
    assert _job is not None
    return one(_job, strength, fold)._replace(cause=None)  # an exception may be one that cannot be sent


@contextlib.contextmanager
def in_processes(job: Job, tasks: Sequence[tuple[float, int]], count: int) -> Iterator[Iterator[Outcome]]:
    """The outcomes of the tasks in their order.

    Raises RuntimeError if a process ends before it answers.
    """
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    threads = max(1, (os.cpu_count() or 1) // count)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(job.pickled(), threads))
    try:
        futures = [pool.submit(_task, *task) for task in tasks]
        yield (future.result() for future in futures)
    except BrokenProcessPool as error:
        raise RuntimeError(
            'cross_validate: a process ended before it answered. Scripts must call it under `if __name__ == "__main__"`'
            ", because each process imports the script; or memory was short. Else give processes=1."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
