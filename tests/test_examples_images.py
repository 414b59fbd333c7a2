"""The examples with images: each runs from a clean folder in its quick form and shows what it claims."""

from tests.test_examples import run
from tests.test_examples_learning import numbers, picture


def test_neocognitron_knows_moved_letters(tmp_path):
    lines = run("neocognitron.py", cwd=tmp_path).splitlines()
    pixels, strokes, pooled, letters = (numbers(line[28:]) for line in lines[1:5])
    assert max(pixels[0], strokes[0]) < 25 < 40 < pooled[0]
    assert letters[0] == 100 and letters[2] > 95
    assert picture(tmp_path, "neocognitron")


def test_noise_in_training_helps_against_noise(tmp_path):
    lines = run("noise.py", cwd=tmp_path).splitlines()
    levels, clean, noisy = map(numbers, lines[:3])
    assert len(levels) == len(clean) == len(noisy) == 11
    assert clean[0] > 0.96 and noisy[0] > 0.93
    assert all(other > one + 0.05 for one, other in zip(clean[3:], noisy[3:], strict=True))
    assert picture(tmp_path, "noise")


def test_features_of_odd_digits_help_with_even_ones(tmp_path):
    lines = run("transfer.py", "--quick", cwd=tmp_path).splitlines()
    assert numbers(lines[0])[0] > 85
    for line in lines[1:3]:
        _, transferred, scratch = numbers(line)
        assert transferred > max(scratch, 70)
    assert picture(tmp_path, "transfer")
