"""The files that every run reads are found by their places."""

from triptych.report.inputs import files_of_runs


def test_the_data_and_the_weights_in_use(find):
    found = find()
    data = {"data/index.csv", *(f"data/{split}.safetensors" for split in ("test", "train", "validation"))}
    assert set(files_of_runs(found.folder, found.configuration)) == data | {"weights/resnet18.safetensors"}
    scratch = {"scratch": found.configuration["arms"]["scratch"]}
    assert set(files_of_runs(found.folder, {**found.configuration, "arms": scratch})) == data
