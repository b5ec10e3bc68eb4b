import ast
import builtins
import gc
import importlib
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from triptych.__main__ import COMMANDS, imported, main
from triptych.storage.code_digest import PACKAGE_FOLDER, modules_of
from triptych.version import __version__

# Torch takes seconds to import: it belongs to what computes with it.
WITH_TORCH = {
    "compare_architectures",
    "convert_weights",
    "describe_model",
    "document_architectures",
    "evaluate",
    "export",
    "extract_features",
    "extract_weight_delta",
    "initialise_model",
    "open_test",
    "predict",
    "pretrain_weights",
    "time_backward",
    "train",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_the_function_of_its_name_in_the_module_of_its_name(name):
    module = importlib.import_module(f"{COMMANDS[name]}.{name}")
    assert getattr(module, name).__doc__


@pytest.mark.parametrize("name", COMMANDS)
def test_torch_is_imported_by_the_commands_that_compute_with_it_and_by_no_other(name):
    imported = set()
    for module in modules_of(f"{COMMANDS[name]}.{name}"):
        path = PACKAGE_FOLDER.parent.joinpath(*module.split("."))
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        for node in ast.walk(ast.parse(Path(file).read_bytes())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    assert bool({"torch", "torchvision"} & imported) is (name in WITH_TORCH)


@pytest.mark.slow
def test_what_handles_no_table_starts_without_pandas():
    names = "copy_model", "extract_features", "initialise_model", "open_test", "prepare_letters", "write_configuration"
    modules = ", ".join(f"{COMMANDS[name]}.{name}" for name in names)
    code = f"import sys, {modules}; assert 'pandas' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("end", ["", "raise ValueError"])
def test_garbage_is_collected_again_after_the_import(end, tmp_path, monkeypatch):
    (tmp_path / "imported_alone.py").write_text(f"import gc, builtins\nbuiltins.collected = gc.isenabled()\n{end}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.collected", None, raising=False)
    with pytest.raises(ValueError) if end else nullcontext():
        imported("imported_alone")
    assert (builtins.collected, gc.isenabled()) == (False, True)
    sys.modules.pop("imported_alone", None)


def test_what_triton_has_made_is_collected_at_the_end(monkeypatch):
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    assert main(["train", "--help"]) == 0
    assert gc.get_freeze_count() > 0
    monkeypatch.setitem(sys.modules, "triton", sys)
    assert main(["train", "--help"]) == 0
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_help_exits_well(name, capsys):
    assert main([name.replace("_", "-"), "--help"]) == 0
    assert f"triptych {name.replace('_', '-')}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (
            ["collect_results"],
            "No such command 'collect_results'. Did you mean 'collect-results', 'collect-predictions'?",
        ),
        (["no-such-thing"], "No such command 'no-such-thing'."),
        (["--verison"], "No such option: --verison (Possible options: --version)"),
        (["verify"], "Missing argument 'folder'."),
        (["verify", "--fast", "results"], "No such option: --fast"),
        (["train", "--sede", "1"], "No such option: --sede (Possible options: --seed)"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_wrong(call, said, capsys):
    assert main(call) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    usage, hint, blank, *message = printed.err.splitlines()
    assert usage.startswith("Usage: python -m triptych ")
    assert hint.endswith(" --help' for help.")
    assert not blank
    assert message == [f"Error: {said}"]


def test_without_a_command_it_lists_them_all(capsys):
    assert main([]) == 2
    listed = capsys.readouterr().err
    for call in (["--help"], ["-h"]):
        assert main(call) == 0
        assert capsys.readouterr().out == listed
    assert re.findall(r"^  ([a-z-]+)$", listed, re.M) == [name.replace("_", "-") for name in COMMANDS]


def test_help_waits_for_no_large_library():
    code = (
        "import sys; from triptych.__main__ import main; status = main(['--help']);"
        "assert not {'torch', 'matplotlib', 'pandas', 'numpy'} & set(sys.modules); sys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


def test_no_way_to_name_a_command_does_nothing(capsys):
    """The application knows most commands by name alone."""
    assert main(["--", "verify"]) == 2
    assert "Missing argument 'folder'" in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"triptych {__version__}\n"


def test_bad_input_is_one_message_without_a_traceback(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    call = [sys.executable, "-m", "triptych", "extract-weight-delta"]
    call += ["--trained", tmp_path / "broken.safetensors"]
    for option in ("weight-delta", "kernels", "kernel-change", "weights"):
        call += [f"--{option}", tmp_path / "output" / option]
    result = subprocess.run(call, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "broken.safetensors" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "output").exists()
