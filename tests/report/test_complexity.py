"""What the report says of the networks beside others, of what fits, and of computed beside measured memory."""

import pandas
import pytest

from tests.conftest import ROOT
from tests.fabricated import LECTURE
from triptych.report import complexity, content
from triptych.report.report import report
from triptych.report.results import Results, read_numbers, read_results
from triptych.results.schema import SIZES, TABLES

MIXED = "bfloat16"


@pytest.fixture
def found(results):
    return results(references=True)


def plain(text):
    return text.replace("\u00a0", " ")


def needing(found, **training_bytes):
    """The results where training an arm with a batch of 32 takes these bytes, 40 % of them for the batch."""
    memory = found.tables["memory"]
    for arm, needed in training_bytes.items():
        own = memory["arm"] == arm
        memory.loc[own, "training_bytes"] = needed * (0.6 + 0.0125 * memory.loc[own, "batch_size"])
    return found


def test_multiples_of_the_arms_network(found):
    said = plain(complexity.beside_others(found))
    own, other = (found.tables["architectures"].iloc[row] for row in (0, 1))
    ratios = [other[column] / own[column] for column in ("parameters", "macs", "activation_bytes")]
    assert ratios == pytest.approx([27_161_264 / 11_689_512, 152.4, 173.1], rel=1e-3)
    words = "inception_v3, 299 px, with auxiliary heads 2.32, 152.41 and 173.14"
    assert f"multiples of those of resnet18, 32 px: {words}" in said


def test_nothing_to_compare_with(results):
    found = results()
    assert "No other network is named" in complexity.beside_others(found)


def test_the_largest_batch_by_arm(found):
    table = complexity.largest_batch(found)
    assert [plain(column.title) for column in table.columns] == [
        *("network", "trains", "arms", "4 GB", "8 GB", "16 GB", "24 GB", "80 GB")
    ]
    rows = [[plain(cell) for cell in row] for row in table.rows]
    batches = found.tables["largest_batch"].groupby(["architecture", "train"])["largest_batch"]
    fits = {key: [f"{batch:,.0f}" for batch in own] for key, own in batches}
    together = ["all arms at once", "each its own"]
    assert rows[-1] == [*together, "scratch, finetune, last_layer", *fits[tuple(together)]]
    assert rows[0] == ["resnet18, 32 px", "all", "scratch, finetune", *fits["resnet18", "all"]]
    assert rows[1] == ["resnet18, 32 px", "head", "last_layer", *fits["resnet18", "head"]]
    inception = "inception_v3, 299 px, with auxiliary heads"
    assert rows[2] == [inception, "all", "–", *fits["inception_v3", "all"]]
    assert len({cell for row in rows for cell in row[3:]}) == 25


@pytest.mark.parametrize(
    ("training_bytes", "words"),
    [
        (1e9, "need 2.8 GiB together by this computation. All at once they fit into 4, 8, 16, 24 and 80 GB."),
        (5e9, "need 14.0 GiB together by this computation. All at once they fit into 16, 24 and 80 GB, but not into 4"),
        (9e10, "All at once they fit into none of these memories."),
    ],
)
def test_all_at_once(results, training_bytes, words):
    found = results(arms=[*LECTURE, {"name": "control", "role": "control"}])
    needed = dict.fromkeys(("scratch", "finetune", "last_layer"), training_bytes)
    said = plain(complexity.at_once(needing(found, **needed, control=1e15)))
    assert words in said
    assert said.startswith("To train at batch size 32, ")


def test_one_arm_alone(results):
    said = plain(complexity.at_once(needing(results(arms=[{"name": "scratch"}]), scratch=3e8)))
    assert "scratch alone needs 286 MiB by this computation. It fits into 4, 8, 16, 24 and 80 GB." in said


def test_memory_between_and_beyond_the_table_s_batch_sizes(results):
    found = needing(results(), scratch=3e8)
    for batch_size in (1, 3, 32, 100, 512):
        computed = found.bytes_at("scratch", "training_bytes", batch_size)
        assert computed == pytest.approx(3.0e8 * (0.6 + 0.0125 * batch_size))


@pytest.fixture
def folder(experiment):
    """Of arms that need 3e8 bytes for training at batch size 32, and less for evaluating at 256."""
    folder = experiment()

    def lines(memory):
        training, inference = 3e8 * (0.6 + 0.0125 * memory["batch_size"]), 4.5e7 + 1e5 * memory["batch_size"]
        return memory.assign(training_bytes=training.round().astype(int), inference_bytes=inference.astype(int))

    edit(folder, "memory", lines)
    return folder


def resident(folder):
    """The bytes of all images."""
    return sum(path.stat().st_size for path in (folder / "data").glob("*.safetensors"))


def test_computed_beside_measured_memory_on_a_gpu_only(folder):
    assert "computed / measured" not in [column.title for column in costs(folder).columns]
    path = folder / "tables" / "cost.csv"
    cost = pandas.read_csv(path)
    cost.loc[cost["arm"] == "finetune", ["device", "peak_memory_bytes"]] = ["cuda", 4e8]
    cost.to_csv(path, index=False)
    table = costs(folder)
    assert table.columns[-1].title == "computed / measured"
    assert [row[-1] for row in table.rows] == ["–"] * 3 + [("75\u00a0%", "286\u00a0MiB")] * 3 + ["–"] * 3


def test_in_a_mixed_precision_activations_count_half_and_images_do_not(folder):
    edit(folder, "cost", lambda cost: cost.assign(device="cuda", peak_memory_bytes=4e8))
    edit(folder, "arms", lambda arms: arms.assign(precision=arms["precision"].where(arms["arm"] != "finetune", MIXED)))
    results = read_results(folder)
    images = 32 * 3 * 32 * 32 * 4
    activations = 3e8 * 0.0125 * 32
    expected = 3e8 * 0.6 + (activations - images) / 2 + images * 1.5 + resident(folder)
    assert complexity.computed_peak(results, "finetune") == pytest.approx(expected, rel=1e-6)
    assert [row[-1][0] for row in costs(folder).rows[:6:3]] == ["75\u00a0%", "60\u00a0%"]


def test_evaluation_keeps_gradients_and_moments(folder):
    edit(folder, "arms", lambda arms: arms.assign(evaluation_batch_size=10_000))
    computed = complexity.computed_peak(read_results(folder), "scratch")
    assert computed == pytest.approx(3e8 * 0.6 + 1e5 * 10_000 + resident(folder), rel=1e-6)


@pytest.mark.parametrize(("residency", "there"), [("auto", True), ("device", True), ("host", False), ("mapped", False)])
def test_images_on_the_gpu_count_as_far_as_they_are_used(folder, residency, there):
    for split in ("validation", "test"):
        (folder / "data" / f"{split}.safetensors").write_bytes(b"")
    (folder / "data" / "train.safetensors").write_bytes(bytes(300_000))  # of 300 images
    edit(folder, "arms", lambda arms: arms.assign(train_images=100))
    results = read_results(folder)
    results.configuration["arms"]["scratch"]["training"]["residency"] = residency
    assert complexity.resident_bytes(results, "scratch") == (100_000 if there else 0)


def test_the_memory_of_the_fullest_run_is_foretold_within_thirty_percent(tmp_path):
    """In bfloat16 on a GPU, 60,000 images of 32 px on it: computed beside what was measured."""
    full = ROOT / "benchmarks" / "lecture45"
    tables = {name: read_numbers(full / f"{name}.csv", TABLES[name]) for name in ("memory", "cost")}
    measured = list(pandas.read_csv(full / "arms.csv"))  # fewer than today's tables have
    tables["arms"] = read_numbers(full / "arms.csv", TABLES["arms"], measured)
    (tmp_path / "data").mkdir()
    for split, images in (("train", 50_000), ("test", 10_000)):
        with (tmp_path / "data" / f"{split}.safetensors").open("wb") as file:
            file.truncate(images * (32 * 32 * 3 + 8))  # with its labels
    results = Results(
        folder=tmp_path,
        place=tmp_path,
        configuration={"arms": {arm: {"training": {}} for arm in tables["arms"]["arm"]}},
        tables=tables,
        sizes=read_numbers(full / "sizes.csv", SIZES),
        printouts={},
    )
    assert set(results.arms["precision"]) == {MIXED}
    shares = {
        arm: complexity.computed_peak(results, arm) / results.mean("cost", arm, "peak_memory_bytes")
        for arm in ("scratch", "finetune", "last_layer")
    }
    assert all(0.7 < share < 1 for share in shares.values()), shares


def edit(folder, name, change):
    path = folder / "tables" / f"{name}.csv"
    change(pandas.read_csv(path)).to_csv(path, index=False)


def costs(folder):
    results = read_results(folder)
    arms = {arm: arm for arm in results.arms["arm"]}
    return complexity.with_prediction(content.cost(results, arms), results)


def test_the_page_shows_the_figure_where_there_are_references(experiment):
    for references in (True, False):
        folder = experiment(references=references)
        report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
        text = (folder / "report.html").read_text()
        assert ('<figure id="architectures"' in text) == references
        assert "The largest batch that fits" in text
