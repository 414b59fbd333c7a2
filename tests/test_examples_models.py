"""The examples that train models on tables, text and pictures reach what they claim in their quick form."""

import gzip
import re

import pytest

from tests.test_examples import EXAMPLES, run


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


def test_a_convolution_over_words_understands_not_and_a_mean_does_not(tmp_path):
    out = run("sentiment.py", "--quick", cwd=tmp_path)
    mean, pairs = (numbers(rf"{name} of words: ([\d.]+)%", out)[0] for name in ("mean", "pairs"))
    assert mean < 80 and pairs > 98
    harsh = set("dull clumsy cold silly noisy boring stale flat".split())  # noqa: SIM905
    plain, turned = (set(words.split()) for words in re.findall(r"harshest: (.*);", out)[-2:])
    assert plain <= harsh and not turned & harsh
    assert (tmp_path / "runs" / "sentiment" / "words.png").exists()


def test_autoencoders_beat_principal_components(tmp_path):
    out = run("autoencoder.py", "--quick", cwd=tmp_path)
    components, plain, variational = (numbers(rf"{name} +([\d.]+)", out)[0] for name in ("components", "coder", "VAE"))
    assert components < 0.35 < plain and variational > 0.35
    assert (tmp_path / "runs" / "autoencoder" / "digits.png").exists()


def test_the_forger_finds_clouds_and_says_what_it_lost(tmp_path):
    out = run("gan.py", "--quick", cwd=tmp_path)
    served, good = numbers(r"600 steps (\d) of 8 clouds are served, (\d+)% of made", out)
    assert served >= 3 and good > 20
    assert f"lost modes: {8 - served:.0f}\n" in out
    assert (tmp_path / "runs" / "gan" / "ring.png").exists()


def test_a_linear_layer_equals_logistic_regression(tmp_path):
    out = run("tumours.py", "--quick", cwd=tmp_path)
    theirs, ours, hidden = (numbers(name + r" +([\d.]+) ", out)[0] for name in ("regression", "layer", "of 32"))
    assert abs(theirs - ours) < 0.02 and min(ours, hidden) > 0.93


@pytest.mark.parametrize(("model", "limit"), [("gpt", 3.0), ("lstm", 2.7)])
def test_shakespeare_is_guessed_better_than_by_frequency(model, limit, tmp_path):
    out = run("shakespeare.py", "--quick", "--model", model, cwd=tmp_path)
    assert numbers(r"by frequency ([\d.]+)", out)[0] == 3.347
    assert numbers(rf"{model} after 40 steps ([\d.]+)", out)[0] < limit
    assert len(out.split("training\n\n")[1]) >= 100


def test_the_text_is_the_one_that_is_described():
    with gzip.open(EXAMPLES / "data" / "tinyshakespeare.txt.gz", "rt") as file:
        text = file.read()
    assert (len(text), len(set(text))) == (1115394, 65)
    described = (EXAMPLES / "data" / "README.md").read_text()
    assert "tinyshakespeare.txt.gz" in described and "public domain" in described
