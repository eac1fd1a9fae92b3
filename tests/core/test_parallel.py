import os
import pickle
import time
from contextlib import nullcontext

import numpy as np
import pytest
from joblib import parallel_config

from handful.core import parallel
from handful.core.budget import TimeIsUp
from handful.core.errors import HandfulError, JobError, UsageError
from handful.core.parallel import side_by_side
from handful.core.progress import Progress
from handful.core.rng import stream

PIECES = [(seed, "piece") for seed in range(6)]


def drawn(generator):
    return generator.random(3)


class Heard(Progress):
    """Remembers how much of what was said to be done."""

    def __init__(self):
        self.told = []

    def track(self, label, total):
        self.told.append((label, total))
        return self

    def __enter__(self):
        return self.told.append

    def __exit__(self, *_):
        return None


def test_results_stand_in_the_order_of_the_pieces_whoever_worked():
    """`stream` is a function that other processes can import, as tests cannot be."""
    expected = [drawn(stream(*piece)) for piece in PIECES]
    for jobs in (1, 2, None):
        found = [drawn(each) for each in side_by_side(stream, PIECES, jobs)]
        np.testing.assert_array_equal(found, expected)


def test_with_one_job_nothing_leaves_this_process():
    assert side_by_side(os.getpid, [()] * 3, jobs=1) == [os.getpid()] * 3
    assert os.getpid() not in side_by_side(os.getpid, [()] * 3, jobs=2)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_nothing_to_do_is_done_at_once(engine, monkeypatch):
    monkeypatch.setattr(parallel, "_engine", lambda _: nullcontext())
    assert side_by_side(stream, [], engine=engine) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_piece_is_reported_once_it_is_done(jobs):
    heard = Heard()
    side_by_side(stream, PIECES, jobs, "drawing", heard)
    assert heard.told == [("drawing", 6), *[1] * 6]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_goes_wrong_in_one_piece_is_said_as_it_is(jobs):
    with pytest.raises(ValueError, match="invalid literal for int"):
        side_by_side(int, [("1",), ("one",)], jobs)


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="there is no engine 'steam'; engine; use local or ray"):
        side_by_side(stream, PIECES, engine="steam")


def test_an_engine_that_is_not_installed_is_named_with_its_extra():
    try:
        import ray  # noqa: F401
    except ImportError:
        with pytest.raises(HandfulError, match="ray"):
            side_by_side(stream, PIECES, 2, engine="ray")
    else:
        pytest.skip("ray is installed")


def test_processes_that_take_too_long_are_stopped():
    began = time.monotonic()
    with pytest.raises(TimeIsUp, match="the time was up before it was done"):
        side_by_side(time.sleep, [(120,), (120,)], jobs=2, seconds=1)
    assert time.monotonic() - began < 60  # of 120
    assert side_by_side(time.sleep, [(0,), (0,)], jobs=2, seconds=60) == [None, None]  # others work afterwards


@pytest.mark.parametrize("lasting", [(0.1, 120, 120), (120, 0.1, 0.1)])
def test_what_was_done_before_gives_the_others_no_more_time(lasting):
    began = time.monotonic()
    with pytest.raises(TimeIsUp):
        side_by_side(time.sleep, [(seconds,) for seconds in lasting], jobs=2, seconds=2)
    assert time.monotonic() - began < 60


def test_in_this_process_a_piece_that_was_begun_is_finished_and_no_other_is_begun():
    begun = []

    def work(piece):
        begun.append(piece)
        time.sleep(0.2)

    assert side_by_side(work, [(0,)], jobs=1, seconds=0.1) == [None]
    with pytest.raises(TimeIsUp):
        side_by_side(work, [(1,), (2,)], jobs=1, seconds=0.1)
    with pytest.raises(TimeIsUp):
        side_by_side(work, [(3,)], jobs=1, seconds=-1)
    assert begun == [0, 1]


def test_inside_other_parallel_work_nothing_is_warned_of(recwarn):
    """joblib then works one after the other, where no timeout is supported."""
    with parallel_config(backend="sequential"):
        assert side_by_side(max, [(1, 2), (3, 4)], jobs=2, seconds=60) == [2, 4]
    assert not [str(each.message) for each in recwarn if "timeout" in str(each.message)]


def test_that_time_is_up_can_be_told_by_another_process():
    told = pickle.loads(pickle.dumps(TimeIsUp()))  # noqa: S301 - our own
    assert str(told) == str(TimeIsUp())


def die(_):
    os._exit(1)


def test_a_worker_that_is_killed_is_a_failed_job():
    with pytest.raises(JobError, match="a worker process ended"):
        side_by_side(die, [(0,), (1,)], jobs=2)
