"""Whether a few numbers of each picture predict its class."""

from triptych.data.shortcut_probe import (
    CLEAR,
    FILE_NUMBERS,
    FOLDS,
    LEAST,
    LEVEL,
    NUMBERS,
    PICTURE_NUMBERS,
    Probe,
)
from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table
from triptych.report.checked_data import CheckedData

MEANINGS = {
    "width": "after orientation",
    "height": "after orientation",
    "aspect": "width divided by height, so that upright and level pictures differ",
    "bytes": "size of the file",
    "file type": "format and pixel mode",
    "brightness": "mean luminance",
    "contrast": "standard deviation of the luminance",
    "sharpness": "variance of the Laplacian of the luminance",
    "red": "mean of the channel",
    "green": "mean of the channel",
    "blue": "mean of the channel",
}


def blocks(data: CheckedData) -> list[Block]:
    probe = data.probe
    if probe is None:
        return [Paragraph("The probe needs training images: it runs when the images can be split.")]
    found: list[Block] = [Paragraph(f"{verdict(probe)} {meaning(probe)}".strip()), Paragraph(method(probe))]
    return [found[0], table(probe), found[1]] if probe.alone else found


SECTION: Section[CheckedData] = Section("shortcuts", "Shortcuts", blocks)


def notes(data: CheckedData) -> list[str]:
    """That there is a clear shortcut, if there is one: of the files, or else of the pictures."""
    probe = data.probe
    if probe is None or probe.verdict != "clear":
        return []
    if probe.of_files == "clear":
        return [
            f"Size, type and bytes of the files alone predict the class: {words.share(probe.file, 0)} balanced "
            f"accuracy; guessing reaches {words.share(probe.chance, 0)}. A network may learn these and not what the "
            "pictures show. See Shortcuts."
        ]
    files = "are not shown to do so" if probe.of_files == "nothing" else "do so slightly"
    return [f"{verdict(probe)} Size, type and bytes of the files alone {files}. See Shortcuts."]


def verdict(probe: Probe) -> str:
    """What the probe found, in one sentence."""
    if probe.verdict == "too few":
        return f"The probe needs at least two classes with {LEAST} training images each, duplicates not counted."
    reached = f"{words.share(probe.accuracy, 0)} balanced accuracy; guessing reaches {words.share(probe.chance, 0)}"
    numbers = f"{len(NUMBERS)} numbers of each picture"
    if probe.verdict == "nothing":
        return f"{numbers} are not seen to predict the class better than chance: {reached}."
    how = "clearly" if probe.verdict == "clear" else "slightly"
    return f"{numbers} alone predict the class {how} better than chance: {reached}."


def meaning(probe: Probe) -> str:
    """What follows from the verdict."""
    if probe.verdict in ("too few", "nothing"):
        return ""
    of_pictures = (
        f"Brightness, contrast, sharpness and colour alone reach {words.share(probe.picture, 0)}: they may belong to "
        "the class, as yellow to sunflowers, or to how its pictures were taken."
    )
    if probe.of_files == "nothing":
        return f"Size, type and bytes of the files alone are not seen to beat guessing. {of_pictures}"
    return (
        f"Size, type and bytes of the files alone reach {words.share(probe.file, 0)}: they say nothing about what a "
        f"picture shows, so a network that uses them may fail on other pictures. {of_pictures}"
    )


def method(probe: Probe) -> str:
    """How the probe was made, and on which images."""
    names = words.listing([*FILE_NUMBERS, *PICTURE_NUMBERS])
    if probe.verdict == "too few":
        return f"The numbers: {names}."
    some = f"{words.count(probe.images)} training images"
    if probe.images < probe.available:
        some = f"{words.count(probe.images)} of {words.count(probe.available)} training images, drawn by content"
    of_rare = f" {words.plural(probe.rare, 'class', 'classes')} with fewer than {LEAST} images left out." * bool(
        probe.rare
    )
    of_others = f" {words.plural(probe.others, 'further class', 'further classes')} left out." * bool(probe.others)
    return (
        f"The numbers: {names}. A forest of randomised trees was cross-validated in {FOLDS} folds on {some} of "
        f"{probe.classes} classes, one of each set of duplicates and of each group.{of_rare}{of_others} Compared with "
        f"the same on permuted classes: chance alone is called better than chance in {100 * LEVEL:g} % of data sets. "
        f"“Clearly”: at least {100 * CLEAR:g} % of the way from guessing to 100 %."
    )


def table(probe: Probe) -> Table:
    """What each number reaches alone."""
    columns = [
        Column("number", "", "text"),
        Column("alone", "Cross-validated balanced accuracy with this number alone (%). No single number was tested."),
        Column("is", "", "text"),
    ]
    rows = [[name, words.number(100 * accuracy, 0), MEANINGS[name]] for name, accuracy in probe.alone]
    total = ["all", words.number(100 * probe.accuracy, 0), f"guessing: {words.number(100 * probe.chance, 0)}"]
    return Table("Accuracy with one number alone (%)", columns, rows, total=total)
