"""Lists and discards of the procedure `latiss`: every example of its page, and every rule of lengths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latcal.builtin.procedures.latiss.frames import Frames, settle_frames
from latcal.builtin.procedures.latiss.options import LatissOptions
from latcal.errors import RecipeError


def settled(image: str, **config: Any) -> Frames:
    listed = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return settle_frames(image, LatissOptions(**listed), frozenset(config))


EXAMPLES = [
    # of the page: the image, its keys; the times that are used, and those that are discarded
    ("bias", {}, [0.0] * 20, [0.0]),
    ("dark", {}, [5.0] * 4 + [15.0] * 2 + [30.0] * 16, [5.0]),
    ("flat", {}, [5.0] * 20, [5.0]),
    ("dark", {"exp_times_dark": 20}, [20.0] * 22, [20.0]),
    ("flat", {"exp_times_flat": 30}, [30.0] * 20, [30.0]),
    ("dark", {"n_dark": 5, "exp_times_dark": [5, 10, 15, 20, 25]}, [5.0, 10.0, 15.0, 20.0, 25.0], [5.0]),
    ("flat", {"n_flat": 10, "exp_times_flat": [*range(5, 55, 5)]}, [float(t) for t in range(5, 55, 5)], [5.0]),
    ("flat", {"n_flat": 14, "exp_times_flat": [t for t in range(5, 40, 5) for _ in (1, 2)]},
     [float(t) for t in range(5, 40, 5) for _ in (1, 2)], [5.0]),
    ("dark", {"n_dark": 6, "exp_times_dark": [5, 5, 5, 10, 15, 20]}, [5.0, 5.0, 5.0, 10.0, 15.0, 20.0], [5.0]),
    ("flat", {"exp_times_flat": [1.2, 1.2]}, [1.2, 1.2], [1.2]),
    ("flat", {"exp_times_flat": [0.1, 0.1, 0.35, 0.35, 0.6, 0.6, 1, 1.5, 1.7, 2.1, 2.3]},
     [0.1, 0.1, 0.35, 0.35, 0.6, 0.6, 1.0, 1.5, 1.7, 2.1, 2.3], [0.1]),
    ("dark", {"n_dark": 3, "exp_times_dark": 15}, [15.0] * 3, [15.0]),
    # and of the rules
    ("dark", {"n_dark": 2, "exp_times_dark": [5, 10, 15]}, [10.0, 15.0], [5.0]),
    ("dark", {"n_dark": 2, "n_discard_dark": 2, "exp_times_dark": [5, 7, 10, 15]}, [10.0, 15.0], [5.0, 7.0]),
    ("dark", {"n_discard_dark": 0, "exp_times_dark": [5, 10]}, [5.0, 10.0], []),
    ("dark", {"exp_times_dark": [30] * 23}, [30.0] * 22, [30.0]),
    ("dark", {"exp_times_dark": [30] * 25}, [30.0] * 25, [30.0]),
]  # fmt: skip


@pytest.mark.parametrize(("image", "config", "used", "discarded"), EXAMPLES)
def test_an_example_takes_what_it_says(image: str, config: dict[str, Any], used: list[float], discarded: list[float]) -> None:
    frames = settled(image, **config)
    assert (list(frames.times_s), list(frames.discarded_s)) == (used, discarded)


WRONG = [
    ({"n_dark": 4, "exp_times_dark": [5] * 6}, "a list of 6 times is neither 4 (n_dark) nor 5 (with n_discard_dark)", "n_dark: 6"),
    ({"n_dark": 4, "exp_times_dark": [5] * 3}, "a list of 3 times is neither 4 (n_dark) nor 5", "write 4 times"),
    ({"n_dark": 5}, "the 23 times that are the default of exp_times_dark are neither 5 (n_dark) nor 6", "exp_times_dark: 30"),
    ({"n_discard_dark": 3}, "the 23 times that are the default of exp_times_dark are neither 22 (n_dark) nor 25", "write"),
]


@pytest.mark.parametrize(("config", "words", "hint"), WRONG)
def test_a_list_of_another_length_is_refused_naming_both_lengths(config: dict[str, Any], words: str, hint: str) -> None:
    with pytest.raises(RecipeError, match="config") as caught:
        settled("dark", **config)
    (problem,) = caught.value.problems
    assert problem.what.startswith(words)
    assert hint in problem.hint


@given(st.integers(1, 30), st.integers(0, 5), st.lists(st.sampled_from([0.5, 1.0, 5.0, 30.0]), min_size=1, max_size=40))
def test_of_every_list_what_is_used_is_the_number_or_nothing_is_taken(number: int, discard: int, times: list[float]) -> None:
    config = {"n_flat": number, "n_discard_flat": discard, "exp_times_flat": times}
    if len(times) not in (number, number + discard):
        counts = f"neither {number} .* nor {number + discard} " if discard else f"not {number} .*, and n_discard_flat is 0"
        with pytest.raises(RecipeError, match=f"a list of {len(times)} times is {counts}"):
            settled("flat", **config)
        return
    frames = settled("flat", **config)
    assert (len(frames.times_s), len(frames.discarded_s)) == (number, discard)
    whole = [*frames.discarded_s, *frames.times_s]
    assert times == (whole if len(times) == number + discard else list(frames.times_s))


@given(st.integers(0, 5), st.lists(st.sampled_from([0.5, 1.0, 5.0]), min_size=21 + 6, max_size=40))
def test_a_list_whose_number_is_not_written_sets_it(discard: int, times: list[float]) -> None:
    frames = settled("flat", n_discard_flat=discard, exp_times_flat=times)
    assert (list(frames.times_s), list(frames.discarded_s)) == (times, times[:1] * discard)


@pytest.mark.parametrize(
    ("times", "discarded", "sequence"),
    [
        ((5.0, 5.0), (5.0,), {"exposures": "2 x 5 s", "discard": 1}),
        ((5.0, 10.0, 10.0), (), {"exposures": ["1 x 5 s", "2 x 10 s"]}),
        ((10.0, 15.0), (5.0,), {"exposures": ["1 x 10 s", "1 x 15 s"], "discard": "1 x 5 s"}),
        ((10.0,), (5.0, 7.0), {"exposures": "1 x 10 s", "discard": ["1 x 5 s", "1 x 7 s"]}),
    ],
)
def test_times_are_written_as_a_recipe_has_them(
    times: tuple[float, ...], discarded: tuple[float, ...], sequence: dict[str, Any]
) -> None:
    assert Frames("dark", times, discarded).sequence == {"image": "dark", **sequence}
