import pandas
import pytest

from triptych.report.content import cost
from triptych.report.peaks import peak_flops
from triptych.report.results import read_results


@pytest.mark.parametrize(
    ("device_name", "precision", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989e12),
        ("NVIDIA H100 PCIe", "float32", 51e12),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156e12),
        ("Tesla T4", "bfloat16", None),
        ("AMD EPYC", "float32", None),
        ("NVIDIA RTX A1000 Laptop GPU", "float32", None),
        ("NVIDIA T400 4GB", "float32", None),
    ],
)
def test_what_is_known_is_given_and_nothing_else(device_name, precision, peak):
    assert peak_flops(device_name, precision) == peak


def test_the_share_of_the_peak_that_training_reached(experiment):
    """A quarter of an A100's 19.5 teraflops: an image of 32 px takes ResNet-18 37,016,576 multiply-accumulates
    forward, and three times that where everything trains."""
    folder = experiment()
    path = folder / "tables" / "cost.csv"
    table = pandas.read_csv(path)
    a100 = table["arm"] != "scratch"
    table.loc[a100, "device_name"] = "NVIDIA A100-SXM4-80GB"
    for arm, passes in (("finetune", 3), ("last_layer", 1)):
        table.loc[table["arm"] == arm, "images_per_second"] = 19.5e12 / 4 / (2 * 37_016_576 * passes)
    table.to_csv(path, index=False)
    found = cost(read_results(folder), {arm: arm for arm in ("scratch", "finetune", "last_layer")})
    place = [column.title for column in found.columns].index("of peak")
    assert [row[place] for row in found.rows] == ["–"] * 3 + ["25.0\u00a0%"] * 6
