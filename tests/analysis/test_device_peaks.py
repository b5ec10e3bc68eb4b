import pytest

from triptych.analysis.device_peaks import peak_flops


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
