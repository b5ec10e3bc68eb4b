"""A small run, made from the stored tables of the full run, is compared with the full run."""

import shutil

import pandas
import pytest

from tests.lecture45 import stored
from triptych.lecture45.compare_full_run import FULL_RUN, compare_full_run, verdicts_by_rules
from triptych.lecture45.options import FULL_RUN_READ
from triptych.lecture45.sections import MOVES
from triptych.lecture45.verdicts import RULES_DATE
from triptych.storage.errors import InputError


@pytest.fixture
def small(tmp_path):
    """The tables of a run on 1,000 + 200 images for two epochs, in float32."""
    for name in ("arms", "history", "cost", "sizes"):
        shutil.copy(FULL_RUN / f"{name}.csv", tmp_path)
    edit(tmp_path / "arms.csv", lambda arms: arms.assign(train_images=1000, epochs=2, precision="float32"))
    edit(tmp_path / "history.csv", lambda history: history[history["epoch"] <= 2])
    edit(tmp_path / "sizes.csv", lambda sizes: sizes.assign(images=sizes["split"].map({"train": 100, "test": 20})))
    edit(tmp_path / "cost.csv", lambda cost: cost.assign(device_name="a processor"))
    return tmp_path


def edit(path, change):
    change(pandas.read_csv(path)).to_csv(path, index=False)


def compared(tables, official=True):
    files = {"curves": "full_run", "settings": "full_run_settings", "verdicts": "full_run_verdicts"}
    out = {option: tables / "out" / f"{name}.csv" for option, name in files.items()}
    sources = {"dataset": "cifar10", "weights": "torchvision"}
    sources |= {"official_dataset": official, "official_weights": official}
    compare_full_run(tables=tables, sizes=tables / "sizes.csv", **sources, **out)
    settings = pandas.read_csv(out["settings"], dtype=str).set_index("setting")
    return pandas.read_csv(out["curves"]), settings


def test_both_runs_are_counted_in_images_seen(small):
    curves, _ = compared(small)
    assert set(curves["arm"]) == {"scratch", "finetune", "last_layer"}  # no controls
    here, full = (curves[(curves["run"] == run) & (curves["arm"] == "finetune")] for run in ("this run", "full run"))
    assert list(here["images_seen"]) == [0, 1000, 2000]
    assert list(full["images_seen"]) == [50_000 * epoch for epoch in range(11)]
    history = pandas.read_csv(FULL_RUN / "history.csv")
    assert list(full["test_accuracy"]) == list(history[history["arm"] == "finetune"]["test_accuracy"])


def test_settings_of_both_runs_are_listed(small):
    _, settings = compared(small)
    assert tuple(settings.loc["training images"]) == ("1000", "50000")
    assert tuple(settings.loc["test images"]) == ("200", "10000")
    assert tuple(settings.loc["epochs"]) == ("2", "10")
    assert tuple(settings.loc["precision"]) == ("float32", "bfloat16")
    assert tuple(settings.loc["device"]) == ("a processor", "NVIDIA H200")
    assert settings.loc["learning rate", "this_run"] == settings.loc["learning rate", "full_run"] == "0.0001"


def test_unofficial_files_are_named(small):
    _, settings = compared(small)
    assert list(settings["this_run"][["images", "pretrained weights"]]) == ["cifar10", "torchvision"]
    _, settings = compared(small, official=False)
    assert settings.loc["images", "this_run"] == "cifar10, but not the official file"
    assert settings.loc["pretrained weights", "this_run"] == "torchvision, but not the official file"


def test_a_setting_that_differs_between_nets_is_listed_by_net(small):
    edit(
        small / "arms.csv",
        lambda arms: arms.assign(learning_rate=arms["learning_rate"].where(arms["arm"] != "last_layer", 0.001)),
    )
    _, settings = compared(small)
    assert settings.loc["learning rate", "this_run"] == "net1 0.0001, net2 0.0001, net3 0.001"


def test_verdicts_on_the_full_run_are_those_of_earlier_rules_and_of_todays(small):
    compared(small)
    verdicts = pandas.read_csv(small / "out" / "full_run_verdicts.csv")
    counts = verdicts.groupby("rules")["verdict"].value_counts().unstack(fill_value=0)
    assert list(counts.loc["2026-11-25", ["agrees", "disagrees", "not tested here"]]) == [11, 3, 1]
    assert list(counts.loc["2026-11-26", ["agrees", "disagrees", "not tested here"]]) == [10, 0, 7]
    assert list(counts.index) == ["2026-11-25", "2026-11-26", RULES_DATE]
    now = verdicts[verdicts["rules"] == RULES_DATE]
    stored = pandas.read_csv(FULL_RUN / "claims.csv")
    assert list(now["verdict"]) == list(stored["verdict"])
    last = counts.loc[RULES_DATE, ["agrees", "disagrees", "undecided", "not tested here"]]
    assert f"| {RULES_DATE} | {' | '.join(map(str, last))} |" in (FULL_RUN / "README.md").read_text()


def test_todays_verdicts_follow_from_the_stored_tables(small):
    """A curve of another full run changes its verdicts, so they are computed and not copied."""
    other = small / "other"
    shutil.copytree(FULL_RUN, other)
    edit(
        other / "history.csv",
        lambda history: history.assign(
            test_accuracy=history["test_accuracy"].where(
                (history["arm"] != "last_layer") | (history["epoch"] != 9), 60.0
            )
        ),
    )
    before, after = (verdicts_by_rules(folder).query("rules == @RULES_DATE") for folder in (FULL_RUN, other))
    rising = "net3 is still rising, much below 80 %"
    assert before.set_index("claim")["verdict"][rising] == "agrees"
    assert after.set_index("claim")["verdict"][rising] == "disagrees"


def test_what_is_stored_with_the_full_run_is_what_its_tables_give(tmp_path):
    stored.write(tmp_path)
    for name in ("comparisons.csv", "claims.csv", "faults.csv"):
        assert (tmp_path / name).read_text() == (FULL_RUN / name).read_text(), "run python -m tests.lecture45.stored"
    assert "the last epochs 62.10, 62.54, 62.97, 63.00 %" in (tmp_path / "claims.csv").read_text()  # they rise


def test_which_rules_say_how_often_noise_would_pass():
    """`settled` and the rule on two epochs give no rate."""
    named = "what has settled (16:11, 22:22) and on two epochs (17:02) do not."
    for text in (MOVES, " ".join((FULL_RUN / "README.md").read_text().split())):
        assert named in text and "each" not in text[text.index(named) - 160 : text.index(named)]


def test_every_stored_file_that_is_read_is_declared():
    """The rule runs again when one of them changes."""
    unread = {"README.md", "claims.csv", "faults.csv", "confusion.csv", "cost_backward.csv", "per_class.csv"}
    assert {path.name for path in FULL_RUN.iterdir()} - unread == set(FULL_RUN_READ)


def test_without_an_arm_of_the_lecture_it_stops(small):
    edit(small / "arms.csv", lambda arms: arms[arms["arm"] != "finetune"])
    with pytest.raises(InputError, match=r"arms\.csv: no arm finetune"):
        compared(small)
