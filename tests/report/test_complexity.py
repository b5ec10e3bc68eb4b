"""What the report says of the networks beside others, of what fits, and of computed beside measured memory."""

import pandas
import pytest

from triptych.report import complexity, content
from triptych.report.report import report
from triptych.report.results import read_results


@pytest.fixture
def results(experiment):
    return read_results(experiment(references=True))


def plain(text):
    return text.replace("\u00a0", " ")


def test_multiples_of_the_arms_network(results):
    said = plain(complexity.beside_others(results))
    assert "multiples of those of resnet18, 32 px: inception_v3, 299 px, with auxiliary heads 2.00, 2.00 and 2." in said


def test_nothing_to_compare_with(experiment):
    results = read_results(experiment())
    assert "No other network is named" in complexity.beside_others(results)
    assert complexity.pictures(results) == []


def test_the_largest_batch_by_arm(results):
    table = complexity.largest_batch(results)
    assert [plain(column.title) for column in table.columns] == [
        *("network", "trains", "arms", "4 GB", "8 GB", "16 GB", "24 GB", "80 GB")
    ]
    rows = [[plain(cell) for cell in row] for row in table.rows]
    assert rows[0] == ["resnet18, 32 px", "all", "scratch, finetune", "400", "800", "1,600", "2,400", "8,000"]
    assert rows[1][:4] == ["resnet18, 32 px", "head", "last_layer", "400"]
    assert rows[2][:4] == ["inception_v3, 299 px, with auxiliary heads", "all", "–", "200"]


@pytest.mark.parametrize(
    ("training_bytes", "words"),
    [
        (1e9, "need 2.8 GiB together by this computation. All at once they fit into 4, 8, 16, 24 and 80 GB."),
        (5e9, "need 14.0 GiB together by this computation. All at once they fit into 16, 24 and 80 GB, but not into 4"),
        (9e10, "All at once they fit into none of these memories."),
    ],
)
def test_all_at_once(experiment, training_bytes, words):
    """The made-up arms need their `training_bytes` at batch size 32."""
    arms = [{"name": name, "training_bytes": training_bytes} for name in ("scratch", "finetune", "last_layer")]
    control = {"name": "control", "role": "control", "training_bytes": 1e15}
    said = plain(complexity.at_once(read_results(experiment(arms=[*arms, control]))))
    assert words in said
    assert said.startswith("To train at batch size 32, ")


def test_one_arm_alone(experiment):
    said = plain(complexity.at_once(read_results(experiment(arms=[{"name": "scratch"}], comparisons=[]))))
    assert "scratch alone needs 286 MiB by this computation. It fits into 4, 8, 16, 24 and 80 GB." in said


def test_memory_between_and_beyond_the_table_s_batch_sizes(results):
    for batch_size in (1, 3, 32, 100, 512):
        computed = complexity.bytes_at(results, "scratch", "training_bytes", batch_size)
        assert computed == pytest.approx(3.0e8 * (0.6 + 0.0125 * batch_size))


def test_computed_beside_measured_memory_on_a_gpu_only(experiment):
    folder = experiment()
    assert "computed / measured" not in [column.title for column in costs(folder).columns]
    path = folder / "tables" / "cost.csv"
    cost = pandas.read_csv(path)
    cost.loc[cost["arm"] == "finetune", ["device", "peak_memory_bytes"]] = ["cuda", 4e8]
    cost.to_csv(path, index=False)
    table = costs(folder)
    assert table.columns[-1].title == "computed / measured"
    # training at batch size 32 takes 3e8 bytes, and evaluating at 256 less
    assert [row[-1] for row in table.rows] == ["–"] * 3 + [("75\u00a0%", "286\u00a0MiB")] * 3 + ["–"] * 3


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
