"""The words follow from the verdicts, and what they count is counted."""

import numpy
import pandas
import pytest

from tests.report.test_complexity import needing
from triptych.report import story
from triptych.report.report import report
from triptych.report.results import read_results
from triptych.storage.tensors import load_tensors

TWO = [{"name": "finetune", "label": "net2", "last": 96.0}, {"name": "scratch", "weights": "random", "last": 95.5}]


def plain(text: str) -> str:
    """With ordinary spaces and minus signs."""
    return text.replace("\u00a0", " ").replace("−", "-")


def against(verdict, difference=0.5, low=-0.2, high=1.2, p_value=0.2):
    return [("finetune", "scratch", difference, low, high, p_value, verdict)]


# The answer


def test_the_best_of_three_arms_is_named_with_its_lead_and_the_interval(results):
    found = results()
    headline = plain(story.headline(found))
    assert headline.startswith("finetune (net2) is the best of the 3 arms: it gets 97.0 %")
    lead = found.tables["comparisons"].query("arm_a == 'finetune' and arm_b == 'scratch'").iloc[0]
    interval = f"(95 % interval of that lead: {lead['low']:.1f} to {lead['high']:.1f})"
    assert f"6.0 points more than scratch (net1), the next best {interval}" in headline
    assert 4 < lead["low"] < 5.5 and 6.5 < lead["high"] < 8


def test_two_arms_of_which_one_is_better(results):
    headline = plain(story.headline(results(arms=TWO, comparisons=against("better", 0.5, 0.1, 0.9, 0.01))))
    assert headline.startswith("finetune (net2) is better: it gets ")
    assert "0.5 points more than scratch (95 % interval of that lead: 0.1 to 0.9)" in headline


def test_equivalent_arms_have_no_winner(results):
    found = results(arms=TWO, comparisons=against("equivalent", 0.3, -0.2, 0.8, 0.3))
    headline = plain(story.headline(found))
    assert headline.startswith("No single winner: ")
    assert "is equivalent to it, within 1 point" in headline
    assert "better" not in headline and "best" not in headline


def test_an_undecided_lead_is_not_told_as_an_order(results):
    headline = plain(story.headline(results(arms=TWO, comparisons=against("undecided"))))
    assert headline.startswith("No single winner: ")
    assert "whether it is better than scratch with 95." in headline and "is undecided" in headline


def test_a_mixture_of_verdicts_says_each(results):
    arms = [{"name": name, "last": last} for name, last in (("a", 96.0), ("b", 95.9), ("c", 95.0), ("d", 80.0))]
    pairs = {"ab": "equivalent", "ac": "undecided", "ad": "better", "bc": "undecided", "bd": "better", "cd": "better"}
    comparisons = [(*pair, 0.5, 0.1, 0.9, 0.1, verdict) for pair, verdict in pairs.items()]
    headline = plain(story.headline(results(arms=arms, comparisons=comparisons)))
    assert "b with 95." in headline and "is equivalent to it" in headline
    assert "whether it is better than c with " in headline
    assert headline.endswith("it is better than d.")


def test_behind_the_best_the_others_are_compared_by_their_own_verdict(results):
    first = [("finetune", other, 6, 4, 8, 0.001, "better") for other in ("scratch", "last_layer")]
    for verdict, expected in (
        ("better", "scratch is better than last_layer (0.6 points apart)"),
        ("equivalent", "scratch and last_layer are equivalent"),
        ("undecided", "scratch against last_layer is undecided"),
    ):
        found = results(comparisons=[*first, ("scratch", "last_layer", 0.6, -0.4, 1.6, 0.2, verdict)])
        assert plain(story.others_in_short(found)) == f"Behind it, {expected}."


def test_one_arm_is_compared_with_nothing(results):
    found = results(arms=TWO[:1], comparisons=[])
    assert "there is no other arm to compare it with" in story.headline(found)
    assert story.others_in_short(found) == ""
    assert "add a second arm" in story.advice(found)[0]


def test_a_tie_keeps_the_order_of_the_configuration(results):
    arms = [{"name": "scratch", "last": 95.0}, {"name": "finetune", "last": 95.0}]
    tie = [("scratch", "finetune", 0.0, -0.4, 0.4, 1.0, "equivalent")]
    found = results(arms=arms, seeds=(0,), comparisons=tie)
    assert found.contestants == ["scratch", "finetune"]
    assert "finetune with 95.0 % is equivalent to it" in plain(story.headline(found))


def test_one_seed_has_an_interval_over_images_and_says_so(results):
    found = results(seeds=(7,))
    low, high = found.accuracy_interval("finetune")
    assert (low, high) == (pytest.approx(95.75, abs=0.01), pytest.approx(97.89, abs=0.01))  # Wilson, 970 of 1,000
    assert "trained once (seed 7)" in story.about_seeds(found)
    assert "over the test images only" in story.about_seeds(found)
    assert any("no interval over seeds" in limit for limit in story.limits(found))


def test_several_seeds_have_an_interval_over_seeds(results):
    text = story.about_seeds(results())
    assert "3 times (seeds 0, 1 and 2)" in text and "over the seeds" in text and "beyond" not in text


def test_an_interval_beyond_the_possible_is_explained(results):
    found = results(arms=[{"name": "finetune", "last": 99.6}])
    assert found.accuracy_interval("finetune")[1] > 100
    assert "beyond what is possible" in story.about_seeds(found)


def test_controls_stand_outside(results):
    arms = [*TWO, {"name": "frozen", "role": "control", "last": 99.0, "train": "head", "batchnorm": "frozen"}]
    found = results(arms=arms, comparisons=against("better", 0.5, 0.1, 0.9, 0.01))
    assert "frozen" not in story.headline(found) + story.first_epoch(found) + "".join(story.advice(found))
    assert story.about_controls(found).startswith("frozen is a control")


# Comparisons


def test_each_verdict_has_its_sentence(results):
    found = results(arms=TWO, comparisons=against("better"))

    def sentence(*row):
        columns = ["arm_a", "arm_b", "difference", "low", "high", "p_value", "verdict"]
        return plain(story.comparison(found, pandas.Series(row, columns)))

    assert sentence("a", "b", 2.0, 1.1, 2.9, 0.001, "better") == "a is better than b, by 2.0 points (1.1 to 2.9)."
    equivalent = sentence("a", "b", 0.2, -0.31, 0.7, 0.4, "equivalent")
    assert equivalent.startswith("a and b are equivalent") and "between -0.3 and 0.7" in equivalent
    wide = sentence("a", "b", 0.8, -0.3, 1.9, 0.2, "undecided")
    assert wide.startswith("Undecided: a is 0.8 points ahead of b") and "includes no difference at all" in wide
    corrected = sentence("a", "b", 0.8, 0.1, 1.5, 0.06, "undecided")
    assert "p = 0.06 is not evidence enough" in corrected and "includes no difference" not in corrected
    tie = sentence("a", "b", 0.0, -1.2, 1.2, 1, "undecided")
    assert tie.startswith("Undecided: a and b are right equally often, but the interval (-1.2 to 1.2) includes")
    few = sentence("a", "b", 0.0, 0.0, 0.0, 1, "undecided")
    assert "1,000 test images are too few to show a difference (0.0 to 0.0) within the margin of 1 point" in few


# Weights


def test_what_is_exactly_unchanged_is_counted(results):
    text = plain(story.frozen(results(), "last_layer"))
    assert "every parameter but fc.weight and fc.bias is bit for bit what it was: 60 of 62 tensors" in text
    # 20 BatchNorm layers, each with a mean and a variance of 3 numbers; the counters are no statistics
    assert "all 40 running statistics of BatchNorm (120 numbers) drifted" in text


def test_frozen_batchnorm_drifts_nowhere(results):
    arms = [{"name": "probe", "train": "head", "batchnorm": "frozen"}]
    text = story.frozen(results(arms=arms, comparisons=[]), "probe")
    assert "and so are the 40 running statistics of BatchNorm" in text and "drifted" not in text


def test_one_number_that_moved_in_one_seed_is_not_called_unchanged(experiment):
    folder = experiment()
    path = folder / "tables" / "weight_delta.csv"
    table = pandas.read_csv(path)
    moved = (table["arm"] == "last_layer") & (table["seed"] == 2) & (table["tensor"] == "conv1.weight")
    table.loc[moved, "unchanged_fraction"] = 1 - 1 / 9408
    table.to_csv(path, index=False)
    found = read_results(folder)
    assert "but conv1.weight, fc.weight and fc.bias is bit for bit" in story.frozen(found, "last_layer")
    assert "exactly zero" not in story.kernels(found, "last_layer")


def test_an_arm_that_trains_everything_moves_everything(results):
    text = story.frozen(results(), "finetune")
    assert text == "In finetune all 62 parameter tensors moved, and so did all 40 running statistics of BatchNorm."


def test_kernels_tell_colour_from_brightness_or_that_nothing_moved(results):
    found = results()
    assert "is exactly zero" in story.kernels(found, "last_layer")
    text = plain(story.kernels(found, "finetune"))
    assert "moved by 5.0 % of its norm" in text and "83.0 %" in text and "17.0 %" in text


def test_grey_images_change_brightness_alone(results):
    arms = [{"name": "finetune", "colour_share": 2e-11}]
    text = plain(story.kernels(results(arms=arms, comparisons=[]), "finetune"))
    assert "All of the change is brightness, common to the three colours, as grey images allow nothing else." in text
    assert "squared change" not in text


def test_weights_that_only_meet_padding_are_named(results):
    found = results()
    assert "bit for bit" not in story.frozen(found, "finetune")
    delta, layers = found.tables["weight_delta"], found.tables["layers"]
    conv = delta["tensor"] == "conv1.weight"
    delta.loc[conv & (delta["arm"] == "finetune"), "unchanged_fraction"] = 8 / 9
    text = plain(story.frozen(found, "finetune"))
    total = delta[(delta["arm"] == "finetune") & (delta["kind"] == "parameter")].groupby("seed")["size"].sum().iloc[0]
    assert total == 9408 + 64 * 64 * 9 + 15 * 81 + 3 * 9 + 20 * 6 + 12
    assert "88.9 % of the numbers of conv1.weight are bit for bit what they were; that is 17.6 % of all" in text
    assert "padding" not in text  # its map of 16 x 16 is no reason
    layers.loc[layers["layer"] == "conv1", "output_shape"] = "64x1x1"
    text = plain(story.frozen(found, "finetune"))
    assert "at 32 pixels the feature maps of these layers have only 1 × 1 pixels" in text
    assert "only ever meet padding" in text
    assert "padding" not in story.frozen(found, "scratch") + story.frozen(found, "last_layer")


# Curves, errors, cost


def test_rising_arms_are_those_that_gained_more_than_the_margin(results):
    arms = [{"name": "flat", "first": 94.9, "last": 95.0}, {"name": "steep", "first": 20.0, "last": 80.0}]
    found = results(arms=arms, comparisons=[("flat", "steep", 15, 14, 16, 0.001, "better")])
    text = plain(story.test_accuracy_curves(found))
    rising = text.split("Still rising, by more than the margin (1 point) and two standard errors: ")[1]
    assert rising.startswith("steep 11.0 points") and "flat" not in rising
    assert "steep is not finished" in " ".join(story.advice(found))


def test_a_gain_that_few_test_images_may_show_by_chance_is_not_called_rising(results):
    arms = [{"name": "steep", "first": 20.0, "last": 80.0}]
    found = results(arms=arms, comparisons=[])
    found.sizes.loc[found.sizes["split"] == "test", "images"] = 5  # 50 images: two standard errors are 17 points
    text = story.test_accuracy_curves(found)
    assert "rising" not in text and "None gained more than the margin" in text
    assert "not finished" not in " ".join(story.advice(found))


@pytest.mark.parametrize(
    "arm",
    [
        {"training": {"epochs": 1}},  # it has no last third
        {"training": {"patience": 1, "keep": "best"}, "ran": (4,), "kept": (3,), "first": 20.0, "last": 80.0},
    ],
    ids=["one epoch", "ended by patience"],
)
def test_nothing_is_said_of_the_last_third_where_no_arm_has_one(results, arm):
    found = results(arms=[{"name": "finetune", **arm}], comparisons=[], seeds=(0,))
    assert "last third" not in story.test_accuracy_curves(found)


def test_a_test_loss_that_rises_again_is_found(experiment):
    folder = experiment()
    path = folder / "tables" / "history.csv"
    table = pandas.read_csv(path)
    table.loc[(table["arm"] == "scratch") & (table["epoch"] > 6), "test_loss"] = 0.9
    table.to_csv(path, index=False)
    found = read_results(folder)
    text = story.test_loss_curves(found)
    assert text.startswith("Lowest at the end: finetune") and "scratch (from 0.68 in epoch 6 to 0.90" in text
    assert "lowest in epoch 6" in story.arm_loss(found, "scratch")
    assert "lowest" not in story.arm_loss(found, "finetune")


def with_test_losses(folder, arm, change):
    """The results with other test losses of one arm after epoch 6: `change` is called with seed and epoch."""
    path = folder / "tables" / "history.csv"
    table = pandas.read_csv(path)
    for row in table.index[(table["arm"] == arm) & (table["epoch"] >= 6)]:
        table.loc[row, "test_loss"] = change(table.loc[row, "seed"], table.loc[row, "epoch"])
    table.to_csv(path, index=False)
    return story.test_loss_curves(read_results(folder))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.32, 0.32, 0.32), "scratch is about level since epoch 6 (0.32 at the end)"),  # a rise of 7 %
        ((0.6, 0.6, 0.29), "scratch is about level since epoch 6 (0.50 at the end, though its seeds disagree)"),
        ((0.34, 0.34, 0.34), "a sign of over-fitting: scratch (from 0.30 in epoch 6 to 0.34 at the end)"),
    ],
)
def test_over_fitting_needs_every_seed_and_a_tenth(experiment, ends, expected):
    text = with_test_losses(experiment(), "scratch", lambda seed, epoch: 0.3 if epoch == 6 else ends[seed])
    assert expected in text
    assert ("over-fitting" in text) == ("over-fitting" in expected)


def test_a_loss_that_was_never_below_that_before_training_is_no_over_fitting(experiment):
    text = with_test_losses(experiment(), "scratch", lambda seed, epoch: 9.0)
    history = pandas.read_csv(experiment() / "tables" / "history.csv")
    assert "over-fitting: scratch" in text and history["epoch"].min() == 0
    folder = experiment()
    history.loc[(history["arm"] == "scratch") & (history["epoch"] > 0), "test_loss"] = 9.0
    history.to_csv(folder / "tables" / "history.csv", index=False)
    text = story.test_loss_curves(read_results(folder))
    assert "Never below its value before training: scratch" in text and "over-fitting" not in text


def test_a_lower_train_loss_is_no_order_unless_every_seed_has_it(results):
    found = results()
    history = found.tables["history"]
    first = (history["arm"] == "last_layer") & (history["epoch"] == 1)
    history.loc[first, "train_loss"] = 0.01
    history.loc[first & (history["seed"] == history["seed"].iloc[0]), "train_loss"] = 9.0
    assert "no better network" not in story.train_loss_curves(found)


def test_a_lower_train_loss_is_not_told_from_accuracies_that_chance_may_order(results):
    arms = [{"name": "finetune", "first": 80.0}, {"name": "scratch", "first": 81.0}]
    found = results(arms=arms, comparisons=against("equivalent"), seeds=(0,))
    history = found.tables["history"]
    history.loc[(history["arm"] == "finetune") & (history["epoch"] == 1), "train_loss"] = 0.01
    assert "no better network" not in story.train_loss_curves(found)


def test_a_lower_train_loss_is_not_told_from_accuracies_near_chance(results):
    found = results()
    history, summary = found.tables["history"], found.tables["summary"]
    history.loc[(history["arm"] == "last_layer") & (history["epoch"] == 1), "train_loss"] = 0.01
    assert "A lower train loss is no better network: in the first epoch last_layer" in story.train_loss_curves(found)
    summary.loc[summary["arm"] == "last_layer", "first_epoch_accuracy_mean"] = 14.9
    assert "no better network" not in story.train_loss_curves(found)


def test_the_worst_confusion_is_named(find, results):
    made = find()
    files = [made.run("finetune", seed) / "predictions.safetensors" for seed in (0, 1, 2)]
    of_eights = [load_tensors(file)["test_logits"].argmax(axis=1)[made.labels == 8] for file in files]
    wrong = 100 * numpy.mean([own == 9 for own in of_eights])
    assert wrong == pytest.approx(100 * numpy.mean([own != 8 for own in of_eights])) and wrong > 8
    text = plain(story.confusion(results(), "finetune"))
    assert f"takes 8 for 9: {wrong:.1f} % of the images of 8" in text
    assert f"knows 8 least ({100 - wrong:.1f} % found)" in text


def test_an_arm_without_a_mistake(results):
    arms = [{"name": "perfect", "last": 100.0}]
    found = results(arms=arms, comparisons=[])
    confusion = found.tables["confusion"]
    confusion["share"] = (confusion["true_class"] == confusion["predicted_class"]).astype(float)
    assert story.confusion(found, "perfect") == "perfect makes no mistake on the test images."


def test_times_on_different_devices_are_not_compared(results):
    found = results()
    assert "do not compare" not in story.cost(found)
    found.tables["cost"].loc[0, "device_name"] = "A GPU"
    assert "do not compare" in story.cost(found)


# Advice


def test_of_equivalent_arms_the_one_with_least_computed_work_is_advised_whatever_the_times(results):
    arms = [
        {"name": "finetune", "last": 96.0, "seconds": 10},
        {"name": "scratch", "last": 95.8, "seconds": 40, "train": "head"},
    ]
    advice = plain(story.advice(results(arms=arms, comparisons=against("equivalent", 0.2, -0.4, 0.8)))[0])
    assert advice.startswith("Take scratch: finetune and scratch are equivalent here")
    # 37,016,576 MACs x 300 images x 10 epochs, one forward pass each
    assert "the least computed work (111 GMAC a run; measured: 20 s of training)" in advice


@pytest.mark.parametrize("verdict", ["equivalent", "undecided"])
def test_arms_of_the_same_arithmetic_are_never_ranked_by_time(results, verdict):
    arms = [{"name": "finetune", "last": 96.0, "seconds": 40}, {"name": "scratch", "last": 95.8, "seconds": 10}]
    found = results(arms=arms, comparisons=against(verdict, 0.2, -0.4, 0.8))
    said = plain(" ".join([*story.advice(found), story.cost(found)]))
    assert "333 GMAC" in said  # three forward passes
    assert not any(word in said for word in ("cheapest", "times as long", "least", "Short of", "quick"))
    assert (
        "finetune and scratch do the same arithmetic" in said and "difference of their times is the machine’s" in said
    )


def test_arms_with_other_work_are_not_called_the_same(results):
    found = results()
    assert story.same_work(found) == [["scratch", "finetune"]]
    found.tables["runs"].loc[found.tables["runs"]["arm"] == "scratch", "epochs_run"] = 20
    assert story.same_work(found) == []
    assert story.work(found, "scratch") == 2 * story.work(found, "finetune") == 6 * story.work(found, "last_layer")
    assert "same arithmetic" not in story.cost(found)


def test_times_are_said_to_be_shared(results):
    found = results()
    for said in (story.cost(found), " ".join(story.limits(found))):
        assert "wall times, measured while other jobs of the workflow may have run on the same cores" in said


def test_the_table_of_costs_says_what_its_times_are(experiment):
    folder = experiment()
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    beside = page[page.index("<summary>Every run</summary>") :].partition("<table")[0]
    assert "other jobs of the workflow may have run on the same cores" in beside and "same arithmetic" in beside


def test_between_equal_work_the_memory_decides(results):
    arms = [{"name": "finetune", "last": 96.0}, {"name": "scratch", "last": 95.8}]
    found = results(arms=arms, comparisons=against("equivalent", 0.2, -0.4, 0.8))
    advice = plain(story.advice(needing(found, finetune=3e8, scratch=1e8))[0])
    assert advice.startswith("Take scratch") and "of the same computed work but needs the least memory" in advice


def test_an_undecided_pair_asks_for_more_evidence(results):
    advice = plain(story.advice(results(arms=TWO, comparisons=against("undecided")))[0])
    assert advice.startswith("Between finetune and scratch these runs do not decide. More seeds or more test images")


@pytest.mark.parametrize(("low", "high"), [(2.0, 15.0), (-20.0, 15.0)])
def test_what_is_undecided_is_not_advised_for_its_price(results, low, high):
    arms = [{"name": "finetune", "last": 92.0}, {"name": "last_layer", "train": "head", "last": 84.0}]
    found = results(arms=arms, comparisons=[("finetune", "last_layer", 8.0, low, high, 0.059, "undecided")])
    advice = plain(story.advice(found)[0])
    assert "finetune is the safe choice. last_layer is the one with the least computed work" in advice
    assert f"may be as good or worse by up to {high} points (in these runs by 8.0 points)" in advice


def test_of_undecided_arms_the_best_is_advised_if_none_costs_less(results):
    arms = [{"name": "last_layer", "train": "head", "last": 92.0}, {"name": "finetune", "last": 91.0}]
    found = results(arms=arms, comparisons=[("last_layer", "finetune", 1.0, -1.0, 3.0, 0.3, "undecided")])
    assert (
        "last_layer is the reasonable choice: ahead in these runs, and no other costs less." in story.advice(found)[0]
    )


def test_computed_memory_is_that_of_the_recipes_own_batches(results):
    arms = [TWO[0], {**TWO[1], "training": {"batch_size": 1024}}]
    found = results(arms=arms, comparisons=against("better"))
    needed = {arm: story.training_memory(found, arm) for arm in ("finetune", "scratch")}
    # a straight line through the table's own points
    memory = found.of("memory", "finetune").set_index("batch_size")["training_bytes"]
    slope = (memory[256] - memory[32]) / 224
    assert needed["finetune"] == pytest.approx(memory[32])
    assert needed["scratch"] == pytest.approx(memory[256] + 768 * slope)
    assert "at batch size 32 training needs finetune" in plain(story.memory(found))
    assert "at batch size 1,024 training needs scratch" in plain(story.memory(found))


def test_the_price_of_saving_memory_is_named(results):
    advice = plain(" ".join(story.advice(needing(results(), scratch=3e8, finetune=3e8, last_layer=1.2e8))))
    assert advice.startswith("Take finetune (net2) if its cost can be had")
    assert "333 GMAC of computed work (measured: 10 s of training)" in advice
    assert "Short of memory or time? last_layer (net3) needs" in advice
    assert "40 % of the computed memory of finetune, and 33 % of its computed work" in advice
    assert "points of accuracy" in advice


def test_computed_and_measured_memory_are_told_apart(results):
    found = needing(results(), scratch=3e8, finetune=3e8, last_layer=1.2e8)
    paragraphs = [plain(text) for text in story.advice(found)[:2]]
    for paragraph, computed in zip(paragraphs, ("286 MiB", "114 MiB"), strict=True):
        assert f"{computed} computed for weights, gradients, optimiser and activations" in paragraph
        assert "(the process itself took 582 MiB at its peak)" in paragraph
    found.tables["cost"]["device"] = "cuda"
    assert "torch’s allocations on the GPU reached 582 MiB" in plain(story.advice(found)[0])


def test_an_arm_that_fits_its_images_fully_needs_no_larger_learning_rate(results):
    arms = [{"name": "finetune", "first": 84, "last": 97}, {"name": "scratch", "first": 10, "last": 91}]
    found = results(arms=arms, comparisons=against("better"))
    runs = found.tables["runs"]
    runs.loc[runs["arm"] == "scratch", "fit_accuracy"] = 99.5
    runs.loc[runs["arm"] == "finetune", "fit_accuracy"] = 98.0
    said = {text.split()[0]: text for text in story.advice(found) if "is not finished" in text}
    assert "its test accuracy still rises although it fits its training images fully" in said["scratch"]
    assert "learning rate" not in said["scratch"] and "larger learning rate" in said["finetune"]


# Limits


def test_one_recipe_or_different_ones_are_told_apart(results):
    assert any(limit.startswith("One recipe for all arms (learning rate 0.0001") for limit in story.limits(results()))


def test_different_recipes_are_named(results):
    arms = [TWO[0], {**TWO[1], "training": {"learning_rate": 1e-3, "epochs": 20}}]
    limits = " ".join(story.limits(results(arms=arms, comparisons=against("better"))))
    assert "epochs and learning rate differ" in limits


def test_arms_that_compute_otherwise_do_not_have_one_recipe(results):
    arms = [TWO[0], {**TWO[1], "training": {"precision": "bfloat16"}}]
    limits = " ".join(story.limits(results(arms=arms, comparisons=against("better"))))
    assert "The arms do not have one recipe: precision differs." in limits and "One recipe" not in limits


@pytest.mark.parametrize(("seeds", "few", "one_in_ten"), [(3, True, True), (6, True, False), (12, False, False)])
def test_how_few_the_seeds_are(results, seeds, few, one_in_ten):
    limits = plain(" ".join(story.limits(results(arms=TWO, seeds=tuple(range(seeds))))))
    assert (f"{seeds} seeds are few" in limits, "one case of ten" in limits) == (few, one_in_ten)
    assert "pretrained weights are the same for every seed" in limits


def test_without_validation_images_choices_are_made_on_the_test_set(results):
    assert "should be made on the 200 validation images" in " ".join(story.limits(results()))


def test_no_validation_images(results):
    assert "There are no validation images" in " ".join(story.limits(results(images=(300, 0))))


def test_running_statistics_that_lag_are_told(results):
    # 300 images in batches of 32: 10 steps, 0.9 ** 10 = 35 %
    said = plain(" ".join(story.limits(results())))
    assert "In scratch, finetune and last_layer an epoch has only 10 steps" in said
    assert "after the first epoch these still hold 35 % of their initial values" in said
    assert "lag behind" in said


def test_a_smaller_momentum_lags_longer(results):
    found = results()
    found.printouts["resnet18_32"] = "(bn1): BatchNorm2d(64, eps=1e-05, momentum=0.01, affine=True)"
    said = plain(" ".join(story.limits(found)))
    assert "each replaces 1 % of BatchNorm’s running statistics" in said and "still hold 90 %" in said


@pytest.mark.parametrize("change", [{"batchnorm": "frozen"}, {"training": {"batch_size": 12}}])
def test_no_lag_with_frozen_statistics_or_many_steps(results, change):
    found = results(arms=[{"name": "finetune", **change}], comparisons=[])
    assert "lag behind" not in " ".join(story.limits(found))
