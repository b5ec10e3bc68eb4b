"""The settings that the images were checked and split with."""

from triptych.data.source import setting
from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Section
from triptych.report.checked_data import CheckedData

KEYS = ("fit", "background", "value_range", "largest_megapixels", "validation", "test", "seed", "policy")


def blocks(data: CheckedData) -> list[Block]:
    settings = {key: setting(data.settings, key) for key in KEYS}
    side = words.count(data.store_size)
    fits = {
        "crop": f"shorter side resized to {side} px, then the centre is kept",
        "squash": f"resized to {side} x {side} px, whatever the aspect",
        "pad": f"longer side resized to {side} px, the rest filled with the background",
    }
    limits = settings["value_range"]
    ranged = (
        "is not set: images of float or 12 bits are problems" if limits is None else f"is {limits[0]} to {limits[1]}"
    )
    return [
        Bullets(
            [
                f"fit: {settings['fit']} ({fits.get(settings['fit'], '')}).",
                f"background: {settings['background']}, behind transparent pixels and for pad.",
                f"value_range {ranged}.",
                f"largest_megapixels: {settings['largest_megapixels']:g}.",
                f"validation: {settings['validation']:g}, test: {settings['test']:g}, where they are not given; seed: "
                f"{settings['seed']}.",
                *folds(data),
                *([f"group: {words.visible(data.settings['group'])}."] if data.settings.get("group") else []),
                f"policy: {settings['policy']}.",
            ]
        )
    ]


def folds(data: CheckedData) -> list[str]:
    """How the training images are dealt; nothing without folds."""
    if not data.settings.get("folds"):
        return []
    return [f"folds: {data.settings['folds']}, in place of a validation part; repeats: {data.settings['repeats']}."]


SECTION: Section[CheckedData] = Section("settings", "Settings", blocks)
