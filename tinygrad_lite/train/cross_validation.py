"""Choosing the strength of a penalty by cross-validation."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from ..data import kfold
from ..ops.random import default_generator
from .folds import Job, Outcome, in_processes, one

__all__ = ["CrossValidation", "FoldError", "cross_validate"]


class FoldError(RuntimeError):
    """A model of a cross-validation could not be trained or measured; the message names fold and strength."""


class CrossValidation:
    """What `cross_validate` found: k strengths, each scored on every fold.

    strengths : (k,), in ascending order.
    scores, train_scores : (k, folds), on the examples left out of the training, and on those learned from.
    norms : (k,) the norm of the weights learned from all examples; None if it was not asked for.
    """

    def __init__(
        self, strengths: numpy.ndarray, scores: numpy.ndarray, train_scores: numpy.ndarray, norms: numpy.ndarray | None
    ) -> None:
        self.strengths, self.scores, self.train_scores, self.norms = strengths, scores, train_scores, norms

    @property
    def mean(self) -> numpy.ndarray:
        """(k,) the mean of the scores over the folds."""
        return self.scores.mean(axis=1)

    @property
    def standard_error(self) -> numpy.ndarray:
        """(k,) the standard error of `mean`: the folds' standard deviation over the root of their number."""
        return self.scores.std(axis=1, ddof=1) / math.sqrt(self.scores.shape[1])

    @property
    def best(self) -> float:
        """The strength with the highest mean; the largest of several. One whose score is not a number is never best."""
        return float(self.strengths[self._best])

    @property
    def _best(self) -> int:
        mean = numpy.where(numpy.isnan(self.mean), -math.inf, self.mean)
        if mean.max() == -math.inf:
            raise ValueError("CrossValidation: no strength has a finite score; look at `scores`.")
        return int(numpy.flatnonzero(mean == mean.max())[-1])

    @property
    def one_standard_error(self) -> float:
        """The largest strength whose mean is at most one standard error below the best.

        Source: L. Breiman et al., Classification and regression trees, 1984: the simplest model that is as good as the
        best as far as one can tell.
        """
        least = self.mean[self._best] - self.standard_error[self._best]
        return float(self.strengths[numpy.flatnonzero(self.mean >= least)[-1]])

    def plot(self, **options: Any) -> Any:
        """The curve with its spread, the two choices and the norms, a matplotlib Figure; see `plots.weight_decay`."""
        from ..plots import weight_decay

        return weight_decay(self, **options)

    def __repr__(self) -> str:
        return (
            f"CrossValidation({len(self.strengths)} strengths, {self.scores.shape[1]} folds, best={self.best:g}, "
            f"one_standard_error={self.one_standard_error:g})"
        )

    def __str__(self) -> str:
        head = "  strength     score  +- error  training" + ("" if self.norms is None else "      norm")
        columns = [self.strengths, self.mean, self.standard_error, self.train_scores.mean(axis=1)]
        columns += [] if self.norms is None else [self.norms]
        rows = ["".join(f"{value:10.4g}" for value in row) for row in zip(*columns, strict=True)]
        return "\n".join([head, *rows])


def cross_validate(
    build: Callable[[float], Any],
    data: Any,
    strengths: Sequence[float],
    folds: int | Sequence[tuple[Any, Any]] = 5,
    *,
    fit: Callable[[Any, Any, Any, float], Any] | None = None,
    score: Callable[[Any, Any, Any], float] | None = None,
    norm: Callable[[Any], float] | bool = True,
    seed: int = 0,
    processes: int | None = None,
    progress: bool = True,
) -> CrossValidation:
    """Train a model with every strength on every fold's training examples, and score it on the examples left out.

    build : `build(strength)` returns a new model. One with `fit(x, y)`, as scikit-learn's, is trained by that.
    data : a pair of arrays x, y of n examples each, or a Dataset whose items are such pairs.
    strengths : what to choose from, in any order.
    folds : how many, drawn at random by `seed`; or pairs of indices to learn from and to test on, such as
        `data.stratified_kfold(y)`.
    fit : `fit(model, x, y, strength)` trains a model that has no `fit`, such as a Module.
    score : `score(model, x, y)`, higher is better. By default what `model.score` says; without one the share of right
        classes where y are integers, and R^2 where they are not.
    norm : the size of a model trained on all examples; by default the root of the sum of squares of `coef_`, or of a
        Module's parameters with two or more axes. False leaves this out, and the training for it.
    seed : for the folds, and for the default generator at the start of each training: the same for all strengths.
        Results do not depend on `processes`.
    processes : how many models are trained at the same time; by default as many as there are processors. 1 trains here,
        one after the other, as does an interactive session, whose functions no other process could import.
    progress : show a bar on a terminal.

    The strength of `L2` and scikit-learn's `alpha` differ in what they are weighed against. `Ridge(alpha)` minimises
    sum (y - x w)^2 + alpha * sum w^2. With a mean of squares, `mse(x w, y) + L2(s)`, it is s = 2 * alpha / n; with
    half their sum, s = alpha.

    Raises FoldError if a training fails, TypeError for functions that another process cannot import.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(40, 10))
    >>> y = x[:, 0] + x[:, 1] + rng.normal(size=40)
    >>> class Ridge:
    ...     def __init__(self, strength):
    ...         self.strength = strength
    ...     def fit(self, x, y):
    ...         self.coef_ = np.linalg.solve(x.T @ x + self.strength * np.eye(10), x.T @ y)
    ...     def predict(self, x):
    ...         return x @ self.coef_
    >>> found = train.cross_validate(Ridge, (x, y), [0.0, 1.0, 10.0, 100.0], processes=1)
    >>> found.best
    10.0
    """
    ordered = numpy.sort(numpy.asarray(strengths, dtype=numpy.float64))
    if ordered.ndim != 1 or not ordered.size:
        raise ValueError(f"cross_validate: strengths are {strengths!r}; a list of at least one number is required.")
    pairs = kfold(len(_first(data)), folds, rng=seed) if isinstance(folds, int) else list(folds)
    if len(pairs) < 2:
        raise ValueError(f"cross_validate: there are {len(pairs)} folds; at least two are required.")
    job = Job(build, data, pairs, fit, score, norm, seed)
    whole = [] if norm is False else [len(pairs)]
    tasks = [(i, fold) for i in range(len(ordered)) for fold in [*range(len(pairs)), *whole]]
    asked = [(float(ordered[i]), fold) for i, fold in tasks]

    scores, learned = (numpy.full((len(ordered), len(pairs)), numpy.nan) for _ in range(2))
    norms = numpy.full(len(ordered), numpy.nan) if whole else None
    with _bar(len(tasks), progress) as advance, _here_or_there(job, asked, processes) as outcomes:
        for (i, fold), outcome in zip(tasks, outcomes, strict=True):
            if outcome.error is not None:
                where = "all examples" if fold == len(pairs) else f"fold {fold + 1} of {len(pairs)}"
                raise FoldError(
                    f"cross_validate: {where}, strength {ordered[i]:g}: {outcome.error}\n{outcome.trace}"
                ) from outcome.cause
            if fold == len(pairs):
                norms[i] = outcome.norm  # pyright: ignore[reportOptionalSubscript]
            else:
                scores[i, fold], learned[i, fold] = outcome.score, outcome.train_score
            advance()
    return CrossValidation(ordered, scores, learned, norms)


def _first(data: Any) -> Any:
    return data[0] if isinstance(data, (tuple, list)) else data


@contextlib.contextmanager
def _here_or_there(job: Job, tasks: Sequence[tuple[float, int]], processes: int | None) -> Iterator[Iterator[Outcome]]:
    """The outcomes of the tasks in their order, from other processes or from here."""
    count = job.processes(processes, len(tasks))
    if count > 1:
        with in_processes(job, tasks, count) as outcomes:
            yield outcomes
        return
    generator = default_generator()
    before = generator.state_dict()
    try:
        yield (one(job, *task) for task in tasks)
    finally:
        generator.load_state_dict(before)


@contextlib.contextmanager
def _bar(count: int, shown: bool) -> Iterator[Callable[[], Any]]:
    if not (shown and sys.stderr.isatty()):
        yield lambda: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda: None
        return
    with tqdm(total=count, unit=" models", dynamic_ncols=True) as bar:
        yield bar.update
