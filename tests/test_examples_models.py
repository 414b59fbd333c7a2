"""The examples that train models on tables, text and pictures reach what they claim in their quick form."""

import re

from tests.test_examples import run


def numbers(pattern, text):
    """The groups of the first match, as numbers."""
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in\n{text}"
    return [float(number) for number in found.groups()]


def test_the_recommender_beats_means_and_a_penalty_helps_it(tmp_path):
    out = run("recommender.py", "--quick", cwd=tmp_path)
    column = r" +[\d.]+ +([\d.]+)"
    means, free, decayed, best = (
        numbers(name + column, out)[0] for name in ("means of viewers and films", r"L2\(0\)", r"L2\(0.0002\)", "noise")
    )
    assert best == 0.5 < decayed < free < 0.7 * means
    assert numbers(r"learned vectors: ([\d.]+)", out)[0] > 0.95
    assert (tmp_path / "runs" / "recommender" / "films.png").exists()
