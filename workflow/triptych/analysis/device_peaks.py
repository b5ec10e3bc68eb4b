"""Peak arithmetic throughput of devices, from their makers' data sheets (dense, without sparsity)."""

import re

TERA = 1e12
PEAKS: dict[str, dict[str, float]] = {
    "H200": {"float32": 67, "tf32": 495, "bfloat16": 989, "float16": 989},
    "H100 80GB HBM3": {"float32": 67, "tf32": 495, "bfloat16": 989, "float16": 989},
    "H100 PCIe": {"float32": 51, "tf32": 378, "bfloat16": 756, "float16": 756},
    "A100": {"float32": 19.5, "tf32": 156, "bfloat16": 312, "float16": 312},
    "V100-SXM2": {"float32": 15.7, "float16": 125},
    "T4": {"float32": 8.1, "float16": 65},
}
"""Teraflops by part of the device name and by precision. Sources: NVIDIA's data sheets of the H200, H100 (SXM, PCIe),
A100, V100 and T4 Tensor Core GPUs."""


def peak_flops(device_name: str, precision: str) -> float | None:
    """Return the peak floating point operations per second of a device in a precision; None if unknown."""
    for name, peaks in PEAKS.items():
        if re.search(rf"\b{re.escape(name)}\b", device_name) and precision in peaks:
            return peaks[precision] * TERA
    return None
