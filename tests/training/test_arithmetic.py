import numpy
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


BFLOAT16 = {"precision": "bfloat16", "channels_last": True}


def one_epoch(arguments, folder, **settings):
    """The training loss of one epoch, and the file of its weights."""
    folder.mkdir()
    own = {output: folder / output for output in ("trained", "history", "predictions", "cost")}
    train(**{**arguments, "epochs": 1, **own, **settings})
    return float(read_table(own["history"], RUN_HISTORY, NUMBERS)["train_loss"].iloc[1]), own["trained"]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"channels_last": True}, id="channels_last"),
        pytest.param({"fused_optimizer": True}, id="fused"),
        pytest.param(BFLOAT16, id="bfloat16", marks=has_bfloat16),
    ],
)
def test_another_arithmetic_gives_other_bytes_twice_the_same(arguments, tmp_path, settings):
    loss, plain = one_epoch(arguments, tmp_path / "plain")
    near, first = one_epoch(arguments, tmp_path / "first", **settings)
    _, second = one_epoch(arguments, tmp_path / "second", **settings)
    assert first.read_bytes() == second.read_bytes() != plain.read_bytes()
    assert {tensor.dtype.name for tensor in load_tensors(first).values()} == {"float32", "int64"}
    if settings is not BFLOAT16:
        assert near == pytest.approx(loss, abs=0.05)


@has_bfloat16
def test_bfloat16_moves_a_loss_by_its_rounding_alone(arguments, tmp_path):
    """A loss moves by 0.024 (standard deviation of eight seeds, hardly any learning), so a mean of four by 0.012."""
    moved = []
    for seed in range(4):
        recipe = {**arguments, "seed": seed, "learning_rate": 1e-6}
        plain, _ = one_epoch(recipe, tmp_path / f"plain{seed}")
        moved.append(one_epoch(recipe, tmp_path / f"bfloat16{seed}", **BFLOAT16)[0] - plain)
    assert numpy.mean(moved) == pytest.approx(0, abs=0.05) and numpy.ptp(moved) > 0


def test_scaled_losses_change_no_bit_in_float32(arguments, tmp_path, monkeypatch):
    """As for float16, which a CPU computes too slowly for a test; the scale is a power of two."""
    found = set()
    for scaled in (False, True):
        monkeypatch.setattr(Arithmetic, "loss_scaler", lambda self, on=scaled: torch.amp.GradScaler("cpu", enabled=on))
        train(**arguments | {"epochs": 1})
        found.add(arguments["trained"].read_bytes())
    assert len(found) == 1
