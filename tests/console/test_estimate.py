"""`triptych estimate`: the steps of an arm are timed in a process, and the answer says what does not fit."""

import json
import re
from dataclasses import replace

import pytest

from tests.console.conftest import configuration
from triptych.console.estimate import Estimate, misfits, spoken, table
from triptych.console.plan import Arm, Plan
from triptych.console.schedule import Job
from triptych.console.target import read_target
from triptych.console.timing import timed

ANSWER = {
    "device": "cpu", "device_name": "a CPU", "seconds": 60.0, "extraction_seconds": 0.0, "images_per_second": 40.0,
    "evaluation_seconds": 0.01, "memory_bytes": 10**9, "device_memory_bytes": 10**11, "weight_bytes": 45 * 10**6,
    "checkpoint_bytes": 135 * 10**6, "feature_bytes": 0, "measuring_seconds": 5.0,
}  # fmt: skip


@pytest.fixture
def plan(here):
    target = read_target(configuration(here, seeds=[0, 1, 2]))
    plan = Plan.of(target, "tiny", None, cores=2, gpus=0)
    plan.left(
        [
            Job("train", {"experiment": "tiny", "arm": arm, "run": f"seed{seed}"})
            for arm in ["all", "head"]
            for seed in range(3)
        ]
    )
    plan.arms = {arm: Arm(ANSWER, 3.0) for arm in plan.runs}
    return plan


def test_what_is_asked_is_what_train_is_given(plan):
    asked = plan.request("head")
    assert asked["trainable"] == "head" and asked["batchnorm"] == "train"
    assert json.loads(asked["recipe"])["batch_size"] == 32
    assert (asked["train"], asked["validation"], asked["test"], asked["side"]) == (40, 40, 0, 8)
    assert plan.side_by_side("head") == 2  # each has one thread


def test_a_run_takes_its_start_and_its_steps_and_the_answer_adds_them_up(plan):
    need = plan.needs(Job("train", {"experiment": "tiny", "arm": "all", "run": "seed0"}), 1.0)
    assert 63 <= need.seconds < 64 and need.cores == 1 and need.gpus == 0
    slow, fast = (plan.needs(Job("plot_curves", {"experiment": "tiny"}), scale).seconds for scale in (3, 1))
    assert slow > 2 * fast
    lines = table(Estimate(400, [plan], 30))
    assert [line.split()[0] for line in lines] == ["tiny", "arm", "all", "head", "all"]
    assert re.search(r"all +3  63 s +3 min +1\.0 GB +0\.1 GB +40", lines[2])
    assert "30 jobs on 2 cores: about 7 min (5 min to 8 min), without downloads; memory 2.0 GB" in lines[-1]


def test_the_disk_holds_the_weights_of_all_runs_until_the_decision(plan):
    assert plan.disk_of("all") == 3 * ANSWER["weight_bytes"]
    assert plan.disk() >= 6 * ANSWER["weight_bytes"] + 2 * 2 * ANSWER["checkpoint_bytes"]
    of_one = plan.disk()
    plan.settings = {**plan.settings, "ensemble": True}
    assert plan.disk() == of_one + 3 * ANSWER["weight_bytes"]


def test_what_does_not_fit_and_what_would(plan, monkeypatch):
    said = Estimate(400, [plan], 30)
    assert list(misfits(said)) == []
    monkeypatch.setattr("triptych.console.estimate.available", lambda: int(1.5 * 10**9))
    assert list(misfits(said)) == [
        f"does not fit: tiny, {arm}: 2 at once take 2.0 GB, and 1.5 GB are free; fewer at once would: --cores 1"
        for arm in ("all", "head")
    ]
    monkeypatch.setattr("triptych.console.estimate.free_disk", lambda: 10**6)
    assert next(misfits(said)).startswith("does not fit: the disk has 0.0 GB free and 0.8 GB are needed; ")


def test_a_batch_that_would_fit_is_computed(plan, monkeypatch):
    monkeypatch.setattr("triptych.console.estimate.available", lambda: 300 * 10**6)
    plan.arms = {"all": plan.arms["all"]}
    (line,) = misfits(Estimate(400, [plan], 30))
    assert re.search(r"; training\.batch_size: ([1-9]|1[0-6]) would$|; a smaller input_size or network would$", line)


@pytest.mark.parametrize(("seconds", "said"), [(3.2, "3 s"), (99, "99 s"), (150, "2 min"), (7_000, "1.9 h")])
def test_times_are_spoken(seconds, said):
    assert spoken(seconds) == said


@pytest.mark.slow
def test_an_arm_is_timed_and_what_cannot_run_says_why(plan):
    found = timed(plan.request("all"), 1)
    assert not found.problem and found.start_up > 0
    assert found.answer["device"] == "cpu"
    assert found.value("weight_bytes") == pytest.approx(45e6, rel=0.05)
    assert found.value("checkpoint_bytes") == pytest.approx(134e6, rel=0.1)
    assert 0 < found.value("seconds") < 100 and found.value("memory_bytes") > 2e8
    more = plan.request("all") | {"train": 400}
    assert timed(more, 1).value("seconds") > found.value("seconds")
    recipe = json.dumps(json.loads(plan.request("all")["recipe"]) | {"device": "cuda"})
    problem = timed(plan.request("all") | {"recipe": recipe}, 1).problem
    assert problem == "" or problem.startswith("training.device: cuda is not available")


def test_what_cannot_be_computed_is_named(plan):
    plan.arms = {
        arm: replace(timing, problem="training.precision: bfloat16 cannot be computed")
        for arm, timing in plan.arms.items()
    }
    assert list(misfits(Estimate(0, [plan], 1))) == [
        f"does not fit: tiny, {arm}: training.precision: bfloat16 cannot be computed" for arm in ("all", "head")
    ]
