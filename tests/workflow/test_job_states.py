"""Jobs counted and the time left, with a clock of the test's own."""

import pytest

from triptych.results.training_log import Progress, progress_line
from triptych.workflow.job_states import Job, JobStates, about, changed_at, clock, failure_of, listed, title_of


@pytest.fixture
def start(tmp_path):
    """Start a job whose log says how far it is, if it says anything."""

    def started(states, number, rule, now, progress=None):
        log = tmp_path / f"{number}.log"
        job = Job(rule, f"{rule} {number}", now, (log,), changed_at(log))
        if progress:
            log.write_text(progress_line(progress) + "\n")
        states.start(number, job)

    return started


def test_the_time_left_is_that_of_the_running_trainings_and_of_those_to_come(start):
    states = JobStates(0.0)
    states.plan({"train": 4, "report": 1, "total": 5})
    assert states.seconds_left(0.0) is None  # nothing is known about trainings
    half = Progress("a", 1, 2, seconds_left=100)
    for number in (1, 2):
        start(states, number, "train", 0.0, half)
    # two of 200 s are half done, two are to come, two run at once
    assert states.seconds_left(100.0) == (2 * 100 + 2 * 200) / 2
    for number in (1, 2):
        assert states.finish(number, 300.0).title == f"train {number}"
    assert states.seconds_left(300.0) == 2 * 300 / 2
    assert (states.done, states.total, states.running) == (2, 5, {})


def test_short_rules_take_as_long_as_others_did(start):
    states = JobStates(0.0)
    states.plan({"plot": 3, "report": 2, "all": 1})
    for number in (1, 2):
        start(states, number, "plot", 0.0)
        states.finish(number, 4.0 * number)
    assert states.seconds_left(8.0) == 1 * 6 + 3 * 6


def test_what_waits_in_the_queue_of_a_cluster_does_not_run(start):
    states = JobStates(0.0)
    states.plan({"triptych_train": 4})
    start(states, 1, "triptych_train", 0.0, Progress("a", 1, 2, seconds_left=100))
    for number in (2, 3, 4):
        start(states, number, "triptych_train", 0.0)
    assert [job.has_begun for job, _ in states.trainings(0.0)] == [True, False, False, False]
    assert states.seconds_left(100.0) == 100 + 3 * 200


def test_an_old_log_says_nothing_about_a_new_job(tmp_path):
    log = tmp_path / "log"
    log.write_text(progress_line(Progress("a", 1, 2)) + "\n")
    job = Job("train", "train a", 0.0, (log,), changed_at(log))
    assert job.progress() is None
    log.unlink()
    log.write_text(progress_line(Progress("a", 2, 2)) + "\n")
    assert job.progress().epoch == 2


def test_titles():
    assert title_of("train", {"experiment": "x", "arm": "fine", "run": "seed1"}) == "train fine seed 1"
    assert title_of("train", {"experiment": "x", "arm": "fine", "run": "seed1"}, 2) == "train x fine seed 1"
    run = {"experiment": "x", "arm": "seed5_lr", "run": "seed0_fold3"}
    assert title_of("train", run) == "train seed5_lr seed 0, fold 3"
    assert title_of("report", {"experiment": "x", "part": ""}) == "report"


def test_times_and_lists_in_words():
    assert [clock(seconds) for seconds in (0, 65, 3600 + 62)] == ["0:00", "1:05", "1:01:02"]
    assert [about(seconds) for seconds in (5, 61, 3599, 7800)] == [
        *("about a minute", "about 2 min", "about 1 h", "about 2 h 10 min")
    ]
    assert listed({"a": 1, "b": 3}) == "a, b (3)"
    assert listed(dict.fromkeys("abcdef", 1)) == "a, b, c, d, ..."


def test_why_a_command_failed(tmp_path):
    log = tmp_path / "log"
    assert failure_of([log]) == []
    log.write_text("reading\nerror: the first.\nmore\nerror: photos: 2 problems.\n  ./a.png: cut off\n\n")
    assert failure_of([log]) == ["error: photos: 2 problems.", "  ./a.png: cut off"]
    log.write_text("Traceback (most recent call last):\n  File x\nValueError: no\n")
    assert failure_of([log]) == ["ValueError: no"]
    log.write_text("".join(f"{number}\n" for number in range(9)))
    assert failure_of([log, tmp_path / "none"]) == ["4", "5", "6", "7", "8"]
