"""Classify image files with the model in this folder: python predict.py FILE... (exit status 1 if one cannot be used).

Needs torch, torchvision, numpy, pillow, safetensors and decode.py. Prints class, probability, calibrated probability.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load
from torchvision.models import get_model

sys.dont_write_bytecode = True  # the folder stays as it is
from decode import DecodingRule, Undecodable, decode, fitted  # type: ignore[import-not-found]  # noqa: E402

MODEL = json.loads(Path(__file__).with_name("model.json").read_text(encoding="utf-8"))
WEIGHTS = Path(__file__).with_name("model.safetensors").read_bytes()
STORE, NAME, SIZE, BATCH = (MODEL[key] for key in ("store", "architecture", "input_size", "evaluation_batch_size"))
RULE = DecodingRule(tuple(STORE["background"]), round(STORE["largest_megapixels"] * 1e6), 30_000, STORE["value_range"])
OWN = {"vit": {"image_size": SIZE}, "maxvit": {"input_size": (SIZE, SIZE)}}.get(NAME.partition("_")[0], {})
if NAME in ("googlenet", "inception_v3"):
    OWN = {"aux_logits": False, "init_weights": False, "transform_input": MODEL["transform_input"]}


def inputs(images: list[torch.Tensor]) -> torch.Tensor:
    batch = torch.stack(images + [torch.zeros_like(images[0])] * (BATCH - len(images)))  # padded, as in the experiment
    side = min(STORE["size"], max(SIZE, STORE["size"] * 7 // 8)) if STORE["crop"] else STORE["size"]
    edge = (STORE["size"] - side) // 2
    seen = batch[:, edge : edge + side, edge : edge + side].permute(0, 3, 1, 2).float().contiguous()
    seen = torch.nn.functional.interpolate(seen, (SIZE, SIZE), mode="bilinear", antialias=side > SIZE)
    mean, std = (torch.tensor(MODEL["normalisation"][key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    return (seen / 255 - mean) / std


if hashlib.sha256(WEIGHTS).hexdigest() != MODEL["digests"]["weights"]:
    sys.exit("model.safetensors: these are not the weights that model.json describes")
torch.set_grad_enabled(False)
torch.set_num_threads(MODEL["num_threads"])
network = get_model(NAME, weights=None, num_classes=len(MODEL["classes"]), **OWN).eval()
state = network.state_dict()  # has the versions of its modules, which a file lacks
state.update(load(WEIGHTS))
network.load_state_dict(state)
wrong = 0
for first in range(1, len(sys.argv), BATCH):
    read = {}
    for file in sys.argv[first : first + BATCH]:
        try:
            image = decode(Path(file).read_bytes(), RULE, STORE["size"]).image
            read[file] = torch.from_numpy(fitted(image, STORE["size"], STORE["fit"], RULE.background))
        except (OSError, Undecodable) as error:
            print(f"{file}: {error}", file=sys.stderr)
            wrong = 1
    for file, row in zip(read, network(inputs(list(read.values()))).double() if read else (), strict=False):
        probability, number = row.softmax(0).max(0)
        calibrated = (row / (MODEL["temperature"] or 1)).softmax(0).max().item()
        unsure = "  unsure" * (round(calibrated, 4) < (MODEL["unsure_below"] or 0))
        print(f"{file}  {MODEL['classes'][number]}  {probability:.4f}  {calibrated:.4f}{unsure}")
sys.exit(wrong)
