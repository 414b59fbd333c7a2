"""Text as numbers and back, and windows of it."""

import numpy as np
import pytest

from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, IndexingError, ShapeError

STRANGE = "żółć 🎈\r\n\t\x00 a\u0301 \ud800 z"


@pytest.mark.parametrize("text", ["to be or not", "a", STRANGE])
def test_text_comes_back(text):
    made = data.CharacterText(text)
    assert made.vocabulary == "".join(sorted(set(text))) and len(made) == len(text)
    assert made.codes.dtype == np.int64 and made.codes.max() == len(made.vocabulary) - 1
    assert made.decode(made.codes) == text == made.decode(made.encode(text))
    assert [made.vocabulary[code] for code in made.encode(text)] == list(text)
    assert made.decode([]) == "" and made.encode("").shape == (0,)
    assert made.decode(made.codes[0]) == text[0]


def test_a_given_vocabulary_keeps_its_order():
    made = data.CharacterText("abba", vocabulary="zbxa")
    assert made.vocabulary == "zbxa" and made.codes.tolist() == [3, 1, 1, 3] and made.decode([2, 0]) == "xz"
    whole = data.CharacterText("hello world")
    assert np.array_equal(data.CharacterText("world", vocabulary=whole.vocabulary).codes, whole.codes[6:])
    assert repr(made) == "CharacterText(4 characters, 4 distinct)"


@pytest.mark.parametrize(("length", "step"), [(3, 1), (3, 3), (1, 2), (9, 1), (2, 50)])
def test_targets_are_the_next_characters(length, step):
    codes = data.CharacterText("0123456789").codes
    windows = data.TextWindows(codes, length, step)
    starts = range(0, 10 - length, step)
    assert len(windows) == len(starts) and isinstance(windows, data.Dataset)
    for i, start in enumerate(starts):
        x, y = windows[i]
        assert x.tolist() == list(range(start, start + length)) and y.tolist() == [n + 1 for n in x]
    x, y = windows[np.arange(len(windows))[::-1]]
    assert x.shape == y.shape == (len(windows), length)
    assert np.array_equal(x[0], windows[-1][0]) and np.array_equal(x + 1, y)


def test_windows_go_through_a_loader():
    text = data.CharacterText("the cat sat on the mat")
    windows = text.windows(5)
    assert repr(windows) == "TextWindows(17 of 5 characters)"
    seen = [
        (text.decode(a), text.decode(b))
        for x, y in data.DataLoader(windows, 4, rng=0)
        for a, b in zip(x, y, strict=True)
    ]
    assert sorted(seen) == sorted((t[:5], t[1:]) for t in ("the cat sat on the mat"[i : i + 6] for i in range(17)))


def test_errors_say_what_is_wrong():
    text = data.CharacterText("abc")
    with pytest.raises(IndexingError, match="encode: 'xyz' not in the vocabulary, which is 'abc'"):
        text.encode("axyzy")
    with pytest.raises(IndexingError, match="CharacterText: 'a' not in the vocabulary, which is ''"):
        data.CharacterText("a", vocabulary="")
    with pytest.raises(ShapeError, match="CharacterText: the text is empty"):
        data.CharacterText("")
    with pytest.raises(ShapeError, match="the vocabulary 'aba' has a character twice"):
        data.CharacterText("ab", vocabulary="aba")
    with pytest.raises(DTypeError, match="CharacterText: the text is a bytes; a str is required"):
        data.CharacterText(b"abc")
    for code in (3, -1):
        with pytest.raises(IndexingError, match=f"decode: there is no character {code}; there are 3, from 0"):
            text.decode([0, code])
    with pytest.raises(DTypeError, match=r"decode: codes are \(1,\) float64; integers are required"):
        text.decode([0.5])
    with pytest.raises(ShapeError, match=r"decode: codes are \(1, 2\); one axis is required"):
        text.decode([[0, 1]])
    with pytest.raises(ShapeError, match=r"codes are \(3,\) and length is 3; one axis of at least length \+ 1 = 4"):
        text.windows(3)
    with pytest.raises(ShapeError, match="TextWindows: length is 0; an integer from 1 up"):
        text.windows(0)
    with pytest.raises(ShapeError, match="TextWindows: step is -1; an integer from 1 up"):
        text.windows(1, step=-1)
