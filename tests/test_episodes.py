"""Episodes depend on (seed, k) alone, and are what few-shot learning means by them."""

import numpy as np
import pytest

from bilevel_core.errors import InputError
from problems.episodes import Sizes, draw, pick

SIZES = Sizes(tasks=6, ways=5, shots=2, queries=3)


def test_a_step_has_its_episodes_whatever_came_before():
    alone = draw(3, 7, 20, 9, SIZES)
    for k in range(5):
        draw(3, k, 20, 9, SIZES)
    for part, again in zip(alone, draw(3, 7, 20, 9, SIZES), strict=True):
        np.testing.assert_array_equal(part, again)


@pytest.mark.parametrize(("seed", "k"), [(3, 8), (4, 7), (7, 3)])
def test_other_steps_and_seeds_differ(seed, k):
    assert not np.array_equal(draw(3, 7, 20, 9, SIZES).classes, draw(seed, k, 20, 9, SIZES).classes)


def test_no_class_comes_twice_and_no_query_is_a_support_image():
    for k in range(20):
        episode = draw(0, k, 6, 5, SIZES)
        assert episode.classes.shape == (6, 5)
        assert episode.support.shape == (6, 5, 2)
        assert episode.query.shape == (6, 5, 3)
        assert all(len(set(row)) == 5 for row in episode.classes.tolist())
        both = np.concatenate((episode.support, episode.query), axis=2)
        np.testing.assert_array_equal(
            np.sort(both, axis=2), np.broadcast_to(np.arange(5), both.shape)
        )


def test_every_class_and_drawing_comes_equally_often():
    drawn = [draw(1, k, 10, 6, Sizes(10, 5, 1, 1)) for k in range(200)]
    classes = np.bincount(np.concatenate([e.classes.ravel() for e in drawn]), minlength=10)
    drawings = np.bincount(np.concatenate([e.support.ravel() for e in drawn]), minlength=6)
    # 10,000 draws; four standard deviations of a count, at most
    assert np.abs(classes - 1000).max() < 4 * 1000**0.5
    assert np.abs(drawings - 10_000 / 6).max() < 4 * (10_000 / 6) ** 0.5


def test_the_images_picked_are_those():
    images = np.arange(20 * 9).reshape(20, 9, 1)
    episode = draw(0, 0, 20, 9, SIZES)
    support, query = pick(images, episode)
    assert support[2, 3, 1, 0] == 9 * episode.classes[2, 3] + episode.support[2, 3, 1]
    assert query[2, 3, 1, 0] == 9 * episode.classes[2, 3] + episode.query[2, 3, 1]


@pytest.mark.parametrize(
    ("classes", "drawings", "message"),
    [
        (4, 9, "ways: expected at most 4, the classes there are, got 5"),
        (20, 4, r"shots \+ queries: expected at most 4, the images of a class, got 5"),
    ],
)
def test_sizes_that_do_not_fit_are_named(classes, drawings, message):
    with pytest.raises(InputError, match=message):
        draw(0, 0, classes, drawings, SIZES)
