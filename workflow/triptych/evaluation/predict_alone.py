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
FILES = [f"model-{run}.safetensors" for run in MODEL.get("members", [])] or ["model.safetensors"]
OF_EACH = MODEL["normalisation"], MODEL["digests"]["weights"]  # an ensemble has lists of both
SCALES, DIGESTS = OF_EACH if "members" in MODEL else ([one] for one in OF_EACH)
STORE, NAME, SIZE, BATCH = (MODEL[key] for key in ("store", "architecture", "input_size", "evaluation_batch_size"))
RULE = DecodingRule(tuple(STORE["background"]), round(STORE["largest_megapixels"] * 1e6), 30_000, STORE["value_range"])
SIDE = min(STORE["size"], max(SIZE, STORE["size"] * 7 // 8)) if STORE["crop"] else STORE["size"]
SEEN = slice((STORE["size"] - SIDE) // 2, (STORE["size"] - SIDE) // 2 + SIDE)
OWN = {"vit": {"image_size": SIZE}, "maxvit": {"input_size": (SIZE, SIZE)}}.get(NAME.partition("_")[0], {})
if NAME in ("googlenet", "inception_v3"):
    OWN = {"aux_logits": False, "init_weights": False, "transform_input": MODEL["transform_input"]}
torch.set_grad_enabled(False)
torch.set_num_threads(MODEL["num_threads"])
networks, wrong = [], 0
for name, scale, digest in zip(FILES, SCALES, DIGESTS, strict=True):
    weights = Path(__file__).with_name(name).read_bytes()
    if hashlib.sha256(weights).hexdigest() != digest:
        sys.exit(f"{name}: these are not the weights that model.json describes")
    network = get_model(NAME, weights=None, num_classes=len(MODEL["classes"]), **OWN).eval()
    state = network.state_dict()  # has the versions of its modules, which a file lacks
    state.update(load(weights))
    network.load_state_dict(state)
    networks.append((network, *(torch.tensor(scale[key]).view(1, 3, 1, 1) for key in ("mean", "std"))))
for first in range(1, len(sys.argv), BATCH):
    read = {}
    for file in sys.argv[first : first + BATCH]:
        try:
            image = decode(Path(file).read_bytes(), RULE, STORE["size"]).image
            read[file] = torch.from_numpy(fitted(image, STORE["size"], STORE["fit"], RULE.background))
        except (OSError, Undecodable) as error:
            print(f"{file}: {error}", file=sys.stderr)
            wrong = 1
    blank = torch.zeros(STORE["size"], STORE["size"], 3, dtype=torch.uint8)
    rows = [*read.values(), *[blank] * (BATCH - len(read))]  # padded, as in the experiment
    x = torch.stack(rows)[:, SEEN, SEEN].permute(0, 3, 1, 2).float().contiguous()
    x = torch.nn.functional.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=SIDE > SIZE) / 255
    of_each = [network((x - mean) / std).double().log_softmax(1) for network, mean, std in networks]
    for file, row in zip(read, torch.stack(of_each).logsumexp(0), strict=False):  # of the mean probability
        probability, number = row.softmax(0).max(0)
        calibrated = (row / (MODEL["temperature"] or 1)).softmax(0).max().item()
        unsure = "  unsure" * (round(calibrated, 4) < (MODEL["unsure_below"] or 0))
        print(f"{file}  {MODEL['classes'][number]}  {probability:.4f}  {calibrated:.4f}{unsure}")
sys.exit(wrong)
