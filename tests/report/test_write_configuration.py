"""The effective configuration of an experiment as a file."""

import json

import pytest
import yaml

from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.report.write_configuration import write_configuration
from triptych.storage.errors import InputError

RAW = {
    "experiments": {
        "mine": {
            "question": "Größer, or: not?",
            "weights": {"source": "letters"},
            "training": {"learning_rate": "1e-5"},
            "seeds": [3, 1],
            "arms": {
                "zebra": {"weights": "pretrained", "train": "head"},
                "010": {"label": "yes", "training": {"train_images": 20}},
            },
        }
    }
}


@pytest.fixture
def in_effect():
    return effective(load_configuration(RAW))["experiments"]["mine"]


def test_the_file_holds_everything_and_gives_the_same_experiment_again(tmp_path, in_effect):
    file = tmp_path / "config.yaml"
    write_configuration(experiment="mine", configuration=json.dumps(in_effect), output=file)
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert read == {"experiments": {"mine": in_effect}}
    assert list(read["experiments"]["mine"]["arms"]) == ["zebra", "010"]
    assert effective(load_configuration(read))["experiments"]["mine"] == in_effect


def test_the_order_of_the_keys_is_the_one_of_the_documentation(tmp_path, in_effect):
    texts = []
    for name, sort_keys in (("a", False), ("b", True)):
        one_arm = {**in_effect, "arms": {"zebra": in_effect["arms"]["zebra"]}}
        configuration = json.dumps(one_arm, sort_keys=sort_keys)
        write_configuration(experiment="mine", configuration=configuration, output=tmp_path / name)
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    keys = list(yaml.safe_load(texts[0])["experiments"]["mine"])
    assert keys == [
        *(
            "question",
            "dataset",
            "model",
            "weights",
            "training",
            "test",
            "comparison",
            "reference_models",
            "report",
            "seeds",
            "claims",
            "arms",
        )
    ]


def test_the_header_says_what_it_is(tmp_path, in_effect):
    file = tmp_path / "config.yaml"
    write_configuration(experiment="mine", configuration=json.dumps(in_effect), output=file)
    assert file.read_text(encoding="utf-8").startswith("# What was in effect for the experiment mine,")
    assert "Größer" in file.read_text(encoding="utf-8")


def test_what_is_not_an_experiment_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match=r"experiments\.mine\.arms: nothing"):
        write_configuration(experiment="mine", configuration='{"arms": null}', output=tmp_path / "config.yaml")
    assert not any(tmp_path.iterdir())
