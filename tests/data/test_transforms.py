"""Transforms of batches of images: each image by itself, seeded, inputs left alone, dtype kept."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, ShapeError
from tinygrad_lite.data import transforms as tf

RANDOM = [
    tf.RandomShift(2), tf.RandomShift((0, 1), fill=0.5), tf.RandomCrop(5), tf.RandomCrop((8, 3), padding=2),
    tf.RandomHorizontalFlip(), tf.RandomVerticalFlip(), tf.RandomRotation(30), tf.RandomRotation((10, 20), fill=1.0),
    tf.GaussianNoise(), tf.Compose([tf.RandomShift(1), tf.RandomHorizontalFlip()]),
]  # fmt: skip
ALL = [*RANDOM, tf.CenterCrop(3), tf.Normalize(0.5, [0.5, 1.0, 2.0])]


def images(n=40, dtype="float32"):
    return np.random.default_rng(0).uniform(0.1, 0.9, (n, 3, 8, 6)).astype(dtype)


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_inputs_are_left_alone_and_results_are_new(transform):
    for dtype in ("float32", "float64"):
        x = images(dtype=dtype)
        x.flags.writeable = False
        before = x.copy()
        made = transform(x)
        assert made.dtype == dtype and made.ndim == 4 and made.shape[:2] == x.shape[:2]
        assert np.array_equal(x, before) and made.flags.writeable and not np.shares_memory(made, x)
        assert transform(x[:0]).shape == (0, *made.shape[1:])


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_seeds_repeat_and_images_differ(transform):
    x = np.repeat(images(1), 30, axis=0)
    made = transform(x, rng=1)
    assert np.array_equal(made, transform(x, rng=tl.Generator(1))) and not np.array_equal(made, transform(x, rng=2))
    assert not all(np.array_equal(made[0], image) for image in made)
    tl.manual_seed(1)
    assert np.array_equal(made, transform(x))


@pytest.mark.parametrize("transform", [t for t in RANDOM if "Noise" not in repr(t)], ids=repr)
def test_channels_go_together(transform):
    x = images()
    x[:] = x[:, :1]
    made = transform(x, rng=0)
    assert np.array_equal(made[:, 0], made[:, 1]) and np.array_equal(made[:, 0], made[:, 2])


def test_shifts_are_whole_images_moved():
    x = images(200)
    made, seen = tf.RandomShift((2, 1), fill=7.0)(x, rng=0), set()
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)), constant_values=7.0)
    for i in range(200):
        places = [
            (a, b) for a in range(5) for b in range(3) if np.array_equal(padded[i, :, a : a + 8, b : b + 6], made[i])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 15  # every shift comes up
    assert np.array_equal(tf.RandomShift(0)(x), x)


def test_crops_are_parts_of_the_images():
    x = images(100)
    made, seen = tf.RandomCrop((5, 6))(x, rng=0), set()
    for i in range(100):
        places = [a for a in range(4) if np.array_equal(x[i, :, a : a + 5], made[i])]
        assert len(places) == 1
        seen.add(places[0])
    assert seen == {0, 1, 2, 3}
    assert tf.RandomCrop(10, padding=2)(x).shape == (100, 3, 10, 10)
    assert np.array_equal(tf.CenterCrop((4, 3))(x), x[:, :, 2:6, 1:4])
    assert np.array_equal(tf.RandomCrop((8, 6))(x), x)


@pytest.mark.parametrize(("flip", "axis"), [(tf.RandomHorizontalFlip, 3), (tf.RandomVerticalFlip, 2)])
def test_flips_are_as_often_as_asked_for(flip, axis):
    x = images(400)
    made = flip(0.25)(x, rng=0)
    same = np.array([np.array_equal(a, b) for a, b in zip(made, x, strict=True)])
    flipped = np.array([np.array_equal(a, b) for a, b in zip(made, np.flip(x, axis), strict=True)])
    assert np.all(same ^ flipped) and 70 < flipped.sum() < 130
    assert np.array_equal(flip(1.0)(x), np.flip(x, axis)) and np.array_equal(flip(0.0)(x), x)


@pytest.mark.parametrize("shape", [(7, 7), (8, 6), (1, 5), (4, 9)])
@pytest.mark.parametrize("degrees", [0.0, 17.0, -42.5, 90.0, 180.0])
def test_rotations_equal_scipys(shape, degrees):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = np.random.default_rng(1).uniform(size=(2, 2, *shape))
    made = tf.RandomRotation((degrees, degrees), fill=0.25)(x)
    expected = ndimage.rotate(x, degrees, axes=(3, 2), reshape=False, order=1, mode="grid-constant", cval=0.25)
    np.testing.assert_allclose(made, expected, atol=1e-9)
    single = tf.RandomRotation((degrees, degrees), fill=0.25)(x.astype(np.float32))
    np.testing.assert_allclose(single, expected, atol=1e-5)
    if degrees == 0:
        assert np.array_equal(made, x)


def test_rotations_turn_counter_clockwise_and_angles_fill_their_range():
    bar = np.zeros((1, 1, 5, 5))
    bar[..., 2, 2:] = 1.0  # to the right
    turned = tf.RandomRotation((90, 90))(bar).round(9)
    assert turned[0, 0, :3, 2].tolist() == [1.0, 1.0, 1.0] and turned.sum() == 3  # upwards
    dot = np.zeros((300, 1, 201, 201), np.float32)
    dot[:, :, 99:102, 150:153] = 1.0
    y, x = np.indices((201, 201)) - 100
    made = tf.RandomRotation(60)(dot, rng=0)[:, 0]
    angles = np.degrees(np.arctan2(-(made * y).sum((1, 2)), (made * x).sum((1, 2))))
    assert angles.min() < -55 and angles.max() > 55 and abs(angles).max() < 60.1 and abs(angles.mean()) < 6


def test_images_of_integers_keep_their_dtype():
    x = (images() * 255).astype(np.uint8)
    for transform in (tf.RandomShift(1, fill=9), tf.RandomCrop(4), tf.RandomHorizontalFlip(), tf.RandomRotation(20)):
        assert transform(x).dtype == np.uint8
    assert np.array_equal(tf.RandomRotation((180, 180))(x), x[:, :, ::-1, ::-1])
    for transform in (tf.GaussianNoise(), tf.Normalize(0, 1)):
        with pytest.raises(DTypeError, match=r"images are uint8; floating-point ones are required: images.astype"):
            transform(x)


def test_normalising_and_noise():
    x = images(500, "float64")
    mean, std = x.mean((0, 2, 3)), x.std((0, 2, 3))
    made = tf.Normalize(mean, std)(x)
    np.testing.assert_allclose(made.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(made.std((0, 2, 3)), 1)
    noise = tf.GaussianNoise(mean=0.3, sigma=0.2, clip=False)(x, rng=0) - x
    assert abs(noise.mean() - 0.3) < 0.003 and abs(noise.std() - 0.2) < 0.003
    clipped = tf.GaussianNoise(sigma=1.0)(x, rng=0)
    assert clipped.min() == 0 and clipped.max() == 1


def test_a_composition_is_one_after_the_other_and_random_if_a_part_is():
    x = images()
    both = tf.Compose([tf.RandomShift(1), lambda images: images * 2, tf.RandomHorizontalFlip()])
    rng = tl.Generator(3)
    assert np.array_equal(both(x, rng=3), tf.RandomHorizontalFlip()(tf.RandomShift(1)(x, rng=rng) * 2, rng=rng))
    tl.manual_seed(0)
    before = tl.default_generator().state_dict()
    list(data.DataLoader(x, 5, shuffle=False, transform=tf.Compose([tf.CenterCrop(3), tf.Compose([np.sqrt])])))
    assert tl.default_generator().state_dict() == before
    list(data.DataLoader(x, 5, shuffle=False, transform=tf.Compose([tf.CenterCrop(3), both])))
    assert tl.default_generator().state_dict() != before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tf.RandomShift(-1), ShapeError, "RandomShift: pixels is -1; an integer from 0 up, or two"),
        (lambda: tf.RandomShift((1, 2, 3)), ShapeError, r"pixels is \(1, 2, 3\); an integer from 0 up, or two"),
        (lambda: tf.RandomCrop(0), ShapeError, "RandomCrop: size is 0; an integer from 1 up"),
        (lambda: tf.RandomCrop(3, padding=-1), ShapeError, "RandomCrop: padding is -1; an integer from 0 up"),
        (lambda: tf.CenterCrop(2.5), ShapeError, "CenterCrop: size is 2.5; an integer from 1 up"),
        (lambda: tf.RandomCrop(9)(images()), ShapeError, "RandomCrop: images are 8 x 6 and the part is 9 x 9; it must"),
        (lambda: tf.CenterCrop((2, 7))(images()), ShapeError, "CenterCrop: images are 8 x 6 and the part is 2 x 7"),
        (lambda: tf.RandomHorizontalFlip(1.5), ShapeError, "RandomHorizontalFlip: p is 1.5; a probability from 0 to 1"),
        (lambda: tf.RandomVerticalFlip(-0.5), ShapeError, "RandomVerticalFlip: p is -0.5; a probability"),
        (lambda: tf.RandomRotation(-3), ShapeError, r"RandomRotation: degrees are -3; a number from 0 up, or \(least"),
        (lambda: tf.Normalize(0, 0), ShapeError, "Normalize: std is 0; positive numbers are required"),
        (
            lambda: tf.Normalize([1, 2], 1)(images()), ShapeError,
            r"Normalize: mean has shape \(2,\) and the images have 3 channels; a number, or one for each channel",
        ),
        (lambda: tf.GaussianNoise(sigma=-1), ShapeError, "GaussianNoise: sigma is -1; a number from 0 up"),
        (
            lambda: tf.RandomShift(1)(np.zeros((5, 8, 8))), ShapeError,
            r"RandomShift: images are \(5, 8, 8\) float64; a NumPy array \(n, channels, height, width\) is required; "
            r"images\[:, None\] adds the axis of channels",
        ),
        (lambda: tf.RandomRotation(1)([[1.0]]), ShapeError, r"images are \[\[1.0\]\]; a NumPy array \(n, channels"),
        (lambda: tf.Compose([3]), DTypeError, "Compose: 3 is no transform; each must be callable with a batch"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()
