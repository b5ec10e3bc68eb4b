import pytest
import torch

from tests.training.conftest import train
from triptych.results.schema import RUN_HISTORY
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors
from triptych.training.arithmetic import PRECISIONS, Arithmetic, check_precision, cpu_has_bfloat16

CPU = torch.device("cpu")
NUMBERS = ["epoch", "train_loss", "test_loss", "test_accuracy"]

has_bfloat16 = pytest.mark.skipif(not cpu_has_bfloat16(), reason="this CPU cannot compute in bfloat16")


@pytest.mark.parametrize("precision", ["tf32", "float16"])
def test_what_the_cpu_cannot_is_refused_with_what_it_can(precision):
    with pytest.raises(
        InputError, match=f"training.precision: {precision} cannot be .* this CPU; allowed here: float32"
    ):
        check_precision(Arithmetic(CPU, precision))


UNITS = ("avx512_bf16", "amx_bf16")


@pytest.mark.parametrize(
    ("architecture", "units", "onednn", "allowed"),
    [
        ("x86_64", [], True, False),  # oneDNN emulates it with AVX-512
        ("x86_64", ["avx512_bf16"], True, True),
        ("x86_64", ["amx_bf16"], True, True),
        ("x86_64", ["avx512_bf16"], False, False),
        ("arm64", None, True, True),
        ("arm64", None, False, False),
    ],
)
def test_bfloat16_on_a_cpu_needs_units_for_it(monkeypatch, architecture, units, onednn, allowed):
    capabilities = {"architecture": architecture}
    if units is not None:  # an ARM CPU's have other names
        capabilities |= {"avx512_f": True} | {name: name in units for name in UNITS}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    if allowed:
        check_precision(Arithmetic(CPU, "bfloat16"))
        return
    with pytest.raises(InputError) as error:
        check_precision(Arithmetic(CPU, "bfloat16"))
    assert str(error.value) == "training.precision: bfloat16 cannot be computed on this CPU; allowed here: float32"


def test_this_cpu_tells_what_is_asked_of_it():
    found = torch.cpu.get_capabilities()
    if found["architecture"].startswith("x86"):
        assert {type(found[name]) for name in UNITS} == {bool}
    else:
        assert "arm" in found["architecture"]


@pytest.mark.parametrize(
    ("capability", "allowed"),
    [((7, 5), {"float32", "float16"}), ((8, 0), set(PRECISIONS)), ((9, 0), set(PRECISIONS))],
)
def test_a_gpu_is_asked_for_its_compute_capability(monkeypatch, capability, allowed):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    refused = set()
    for precision in PRECISIONS:
        try:
            check_precision(Arithmetic(torch.device("cuda"), precision))
        except InputError as error:
            assert "a GPU (compute capability" in str(error)
            refused.add(precision)
    assert set(PRECISIONS) - refused == allowed


@has_bfloat16
def test_within_autocast_products_are_taken_in_bfloat16():
    factors = torch.full((2, 2), 1.001)
    for precision, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with Arithmetic(CPU, precision).autocast():
            assert (factors @ factors).dtype == kind


def test_only_float16_scales_losses():
    assert [Arithmetic(CPU, precision).loss_scaler().is_enabled() for precision in PRECISIONS] == [
        precision == "float16" for precision in PRECISIONS
    ]


@pytest.mark.parametrize(
    ("settings", "near"),  # over eight seeds the loss moves by 0.009 (sd) with channels_last, by 0.04 in bfloat16
    [
        pytest.param({"channels_last": True}, 0.05, id="channels_last"),
        pytest.param({"fused_optimizer": True}, 0.05, id="fused"),
        pytest.param({"precision": "bfloat16", "channels_last": True}, 0.2, id="bfloat16", marks=has_bfloat16),
    ],
)
def test_another_arithmetic_gives_nearly_the_same_history_twice_the_same(arguments, tmp_path, settings, near):
    outputs = ("trained", "history", "predictions", "cost")

    def run(name, **settings):
        (tmp_path / name).mkdir()
        own = {output: tmp_path / name / output for output in outputs}
        train(**{**arguments, "epochs": 1, **own, **settings})
        table = read_table(tmp_path / name / "history", RUN_HISTORY, NUMBERS)
        return table, load_tensors(tmp_path / name / "trained"), (tmp_path / name / "trained").read_bytes()

    plain, _, plain_bytes = run("plain")
    first, tensors, first_bytes = run("first", **settings)
    _, _, second_bytes = run("second", **settings)
    assert first_bytes == second_bytes != plain_bytes
    assert {tensor.dtype.name for tensor in tensors.values()} == {"float32", "int64"}
    assert first["train_loss"].iloc[1:].to_numpy() == pytest.approx(plain["train_loss"].iloc[1:].to_numpy(), abs=near)


def test_scaled_losses_change_no_bit_in_float32(arguments, tmp_path, monkeypatch):
    """As for float16, which a CPU computes too slowly for a test; the scale is a power of two."""
    found = set()
    for scaled in (False, True):
        monkeypatch.setattr(Arithmetic, "loss_scaler", lambda self, on=scaled: torch.amp.GradScaler("cpu", enabled=on))
        train(**arguments | {"epochs": 1})
        found.add(arguments["trained"].read_bytes())
    assert len(found) == 1
