"""Nothing cut off, nothing on top of other text, and the same bytes whatever the machine's settings."""

import base64
import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from PIL import Image

from tests.conftest import ROOT
from tests.fabricated import LECTURE
from tests.figures.conftest import VISION_TRANSFORMER, commands, edit
from triptych.__main__ import COMMANDS
from triptych.figures import style
from triptych.figures.plot_kernels import SIGNED
from triptych.results.arm_styles import PALETTE

WORKFLOW = Path(style.__file__).parents[2]
MANY_ARMS = (
    *LECTURE,
    {"name": "lp_ft", "label": "LP-FT", "last": 88},
    {"name": "frozen_bn", "last": 86},
    {"name": "shuffled", "label": "net1b", "role": "control", "last": 84},
    {"name": "a7", "label": "seven", "last": 82},
    {"name": "a8", "label": "eight", "role": "control", "last": 80},
    {"name": "a9", "label": "nine", "last": 72.1},
    {"name": "a_very_long_name_of_an_arm_indeed", "label": "net10 with a long label", "last": 69.8},
)
ODD = (
    "x\ny",
    "rosé 玫瑰 😀",
    'a, "b" & <c>',
    "W" * 60,
    "a long name of a class, as scientists give them to subspecies",
)
SITUATIONS = {
    "after the decision": {"test": "after_decision"},
    "one run": {"arms": MANY_ARMS[1:2], "seeds": (3,), "training": {"epochs": 1}},
    "six networks": {"arms": MANY_ARMS[:6], "seeds": (0,), "networks_differ": True, "images": (300, 0)},
    "ten arms": {"arms": MANY_ARMS, "seeds": (0, 1)},
    "hundred classes": {
        "classes": [f"class_{number:02d}" for number in range(100)],
        "image_size": 32,
        "arms": LECTURE[2:],
    },
    "named classes": {
        "classes": ["airplane", "automobile", "bird", "container ship", "$truck$", *ODD],
        "arms": LECTURE[2:],
    },
    "vision transformer": {"model": VISION_TRANSFORMER, "arms": LECTURE[2:], "seeds": (0,)},
}


NETWORKS = {"resnet50": 64, "densenet121": 64, "efficientnet_b0": 64, "vit_b_16": 64}
"""Networks whose weights are hard to draw, and small inputs for them."""

OF_CLASSES = ("plot_samples", "plot_confusion")
OF_ARMS = (
    *("plot_arm_curves", "plot_curves", "plot_kernels", "plot_confusion", "plot_weight_delta", "plot_batchnorm_drift"),
    *("plot_full_run", "plot_notebook_loss", "plot_notebook_kernels", "plot_cost", "plot_memory"),
)
SHOWN = {
    "after the decision": (14, ()),
    "one run": (14, OF_ARMS),
    "six networks": (14, OF_ARMS),
    "ten arms": (14, OF_ARMS),
    "hundred classes": (2, OF_CLASSES),
    "named classes": (2, OF_CLASSES),
    "vision transformer": (14, OF_ARMS),
}
"""The figures of a situation: how many, and the commands, where others draw what they draw of the lecture's arms."""

SAVE = style.save
OF_WEIGHTS = ("plot_kernels", "plot_weight_delta", "plot_batchnorm_drift")


def draw_all(results, folder, arm=None, only=()):
    arm = arm or list(results.runs)[-1]
    for command, options in commands(results.folder, results.configuration["seeds"], folder, arm, results.mode):
        if not only or command in only:
            getattr(importlib.import_module(f"{COMMANDS[command]}.{command}"), command)(**options)


def overlaps(first, second):
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return width > 1.5 and height > 1.5


def some_slow(names, *slow):
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


@pytest.fixture
def checked(monkeypatch):
    """The figures drawn instead of saved, by name of the file: no text is cut off, small or over other text."""

    def remember(text, renderer):
        if text.get_text().strip():
            texts.append(text)
        draw(text, renderer)

    def check(figure, svg, png):
        texts.clear()
        figure.draw_without_rendering()
        boxes = [(text.get_text(), Text.get_window_extent(text)) for text in texts]
        page = figure.bbox
        for text, box in boxes:
            inside = box.x0 >= -0.5 and box.y0 >= -0.5 and box.x1 <= page.x1 + 0.5 and box.y1 <= page.y1 + 0.5
            assert inside, f"{svg.name}: {text!r} leaves the figure"
        for number, (text, box) in enumerate(boxes):
            for other, other_box in boxes[:number]:
                assert not overlaps(box, other_box), f"{svg.name}: {text!r} lies over {other!r}"
        assert min(text.get_fontsize() for text in texts) >= 7
        drawn[svg.stem] = figure

    drawn, texts, draw = {}, [], Text.draw
    monkeypatch.setattr(Text, "draw", remember)
    monkeypatch.setattr(style, "save", check)
    return drawn


@pytest.mark.parametrize("situation", some_slow(SITUATIONS, "ten arms", "six networks", "vision transformer"))
def test_no_text_is_cut_off_small_or_over_other_text(situation, make_results, tmp_path, checked):
    results = make_results(**SITUATIONS[situation])
    edit(results.tables / "arms.csv", lambda arms: arms.assign(label=arms["label"].where(arms["arm"] != "frozen_bn")))
    count, only = SHOWN[situation]
    draw_all(results, tmp_path, only=only)
    assert len(checked) == count


@pytest.mark.parametrize("architecture", some_slow(NETWORKS, "densenet121", "efficientnet_b0", "vit_b_16"))
def test_figures_of_weights_are_readable_and_no_higher_for_any_network(architecture, make_results, tmp_path, checked):
    model = {"architecture": architecture, "input_size": NETWORKS[architecture]}
    results = make_results(model=model, arms=LECTURE[1:], seeds=(0,))
    draw_all(results, tmp_path, only=OF_WEIGHTS)
    assert len(checked) == 3
    assert all(figure.get_figheight() <= 2.5 * style.WIDTH for figure in checked.values())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("./a/1.jpg", "./a/1.jpg"),
        ("a\nb\rc\td\u202ee", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("玫 é e\u0301 😀", "\ufffd é é 😀"),
        ("", ""),
    ],
)
def test_a_name_is_one_line_that_the_font_can_draw(name, line):
    assert style.one_line(name) == line


def test_a_long_name_loses_its_middle():
    path = f"./{'W' * 300}/{'i' * 300}.jpg"
    shown = style.fitted(path, 1.2)
    assert shown.startswith("./W") and shown.endswith("i.jpg") and shown.count("…") == 1
    assert 1.05 < style.width_of(shown, style.SMALL) <= 1.2
    assert style.fitted("./a.jpg", 1.2) == "./a.jpg"


def test_a_long_class_is_broken_at_spaces_and_kept_whole():
    name = "a long name of a class with 1234567890123456789012345 in it"
    lines = style.broken(name, 1.2, 9)
    assert "".join(lines).replace(" ", "") == name.replace(" ", "") and lines[0] == "a long name of a"
    assert all(style.width_of(line, style.SMALL) <= 1.2 for line in lines)
    cut = style.broken("W" * 200, 1.2, 3)
    assert len(cut) == 3 and "…" in cut[-1]
    assert style.broken("short", 1.2, 3) == ["short"] and style.broken("", 1.2, 3) == []


def test_the_font_widths_are_those_that_matplotlib_draws():
    figure = Figure()
    for bold in (False, True):
        text = figure.text(0, 0, "./roses/Wi—é_01.jpg", fontsize=style.SMALL, fontweight="bold" if bold else "normal")
        figure.draw_without_rendering()
        drawn = text.get_window_extent().width / figure.dpi
        assert style.width_of(text.get_text(), style.SMALL, bold) == pytest.approx(drawn, abs=0.03)


def test_characters_without_a_glyph_are_replaced_everywhere(tmp_path):
    """A warning of matplotlib would be an error here."""
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="玫")
    axes.set_xticks([0, 1], ["瑰", "two\nlines"])
    axes.legend()
    style.title(figure, "写真 of $roses$")
    style.save(figure, tmp_path / "a.svg", tmp_path / "a.png")
    comments = re.findall(r"<!-- (.*?) -->", (tmp_path / "a.svg").read_text(), re.DOTALL)
    assert {"\ufffd", "\ufffd\ufffd of $roses$"} <= set(comments)


def luminance(colour):
    """Relative luminance (WCAG 2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_text_and_marks_stand_out_on_both_grounds():
    for text in (style.INK, style.MUTED):
        assert contrast(text, style.PAPER) >= 4.5
        assert contrast(style.DARK[text], style.DARK[style.PAPER]) >= 4.5
    for mark in (style.GREY, style.DARK_GREY, *map(str.lower, PALETTE)):
        assert contrast(mark, style.PAPER) >= 3
        assert contrast(style.DARK[mark], style.DARK[style.PAPER]) >= 3


def test_the_dark_ground_is_that_of_the_reports_cards():
    light, dark = re.findall(r"--card: (#\w{6});", (WORKFLOW / "triptych" / "report" / "report.css").read_text())
    assert (light, dark) == (style.PAPER, style.DARK[style.PAPER])


ON_IMAGES = {style.WHITE_ON_IMAGE, style.INK_ON_IMAGE, style.MUTED_ON_IMAGE}
ENDS_OF_COLOUR_BARS = {to_hex(SIGNED(0.0)), to_hex(SIGNED(1.0))}


@pytest.mark.slow
def test_of_the_lecture_no_text_is_cut_off_and_files_are_white_as_wide_as_all_and_without_a_date(
    results, tmp_path, checked
):
    draw_all(results, tmp_path)
    assert len(checked) == 17
    for name, figure in checked.items():
        SAVE(figure, tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
    assert len(list(tmp_path.iterdir())) == 34
    for png in tmp_path.glob("*.png"):
        pixels = imread(png)
        assert pixels.shape[1] == round(style.WIDTH * style.DOTS_PER_INCH)
        assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1], :3] == 1).all()
        svg = png.with_suffix(".svg").read_text()
        assert "<dc:date>" not in svg
        assert "<text" not in svg  # text is outlines
        _, _, sheet = svg.partition("@media screen and (prefers-color-scheme: dark)")
        rules = set(re.findall(r'\[style\*="((?:fill|stroke): #\w+)"\] {(?:fill|stroke): #\w+ !important}', sheet))
        colours = {f"{what}: {colour}" for what, colour in style.VECTOR_COLOUR.findall(sheet.partition("</style>")[2])}
        left = {colour for colour in colours - rules if colour.split(": ")[1] not in ON_IMAGES | ENDS_OF_COLOUR_BARS}
        assert rules and not left, png.name
        assert "#000000" not in svg  # matplotlib leaves out a fill that is black, and no rule would find it


def test_a_png_keeps_its_frequent_colours_and_has_one_byte_a_pixel():
    levels = numpy.arange(200, dtype=numpy.uint8)
    pixels = numpy.stack([levels, levels, levels[::-1]], axis=1)[None].repeat(5, axis=0)
    edges = pixels[:1].copy()
    edges[..., 1] ^= 1  # 200 colours more, each once and next to a frequent one
    both = numpy.concatenate([pixels, edges])
    small = style.with_few_colours(Image.fromarray(both))
    assert small.mode == "P"
    shown = numpy.asarray(small.convert("RGB")).astype(int)
    assert numpy.array_equal(shown[:5], pixels)
    assert abs(shown[5:] - edges).max() == 1


def test_photographs_keep_all_their_colours():
    pixels = numpy.random.default_rng(0).integers(0, 256, (110, 100, 3), dtype=numpy.uint8)
    image = Image.fromarray(pixels)
    assert style.with_few_colours(image) is image


DRAW_ALL = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.figures.conftest import commands
from triptych.__main__ import COMMANDS
for command, options in commands(Path(sys.argv[2]), (0, 1, 2), Path(sys.argv[3]), "finetune"):
    getattr(importlib.import_module(f"{COMMANDS[command]}.{command}"), command)(**options)
assert "torch" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""


@pytest.mark.slow
def test_the_same_bytes_in_two_processes_with_other_settings(results, tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 19\naxes.facecolor: red\nsvg.fonttype: none\n")
    settings = {
        "plain": {},
        "other": {
            "LANG": "de_DE.UTF-8",
            "LC_ALL": "de_DE.UTF-8",
            "TZ": "Pacific/Auckland",
            "PYTHONHASHSEED": "7",
            "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
            "SOURCE_DATE_EPOCH": "1000000000",
            "MPLBACKEND": "pdf",
        },
    }
    for name, setting in settings.items():
        environment = {**os.environ, **setting, "PYTHONPATH": str(WORKFLOW)}
        (tmp_path / name).mkdir()
        subprocess.run(
            [sys.executable, "-c", DRAW_ALL, str(ROOT), str(results.folder), str(tmp_path / name)],
            env=environment,
            check=True,
            capture_output=True,
        )
    names = sorted(path.name for path in (tmp_path / "plain").iterdir())
    assert len(names) == 34
    for name in names:
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels_of(png):
    return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"))


def test_embedded_images_get_smaller_and_stay_the_same():
    random = numpy.random.default_rng(0)
    colours = random.integers(0, 256, (200, 4), numpy.uint8)
    colours[:, 3] = 255
    pixels = colours[random.integers(0, 200, (90, 70))]
    small = style.with_palette(png_of(pixels))
    assert len(small) < 0.5 * len(png_of(pixels))
    assert numpy.array_equal(pixels_of(small), pixels)


def test_embedded_images_that_a_palette_cannot_hold_are_left_alone():
    pixels = numpy.random.default_rng(0).integers(0, 256, (90, 70, 4), numpy.uint8)
    pixels[..., 3] = 255
    assert style.with_palette(png_of(pixels)) == png_of(pixels)
    pixels[:] = (1, 2, 3, 100)
    assert style.with_palette(png_of(pixels)) == png_of(pixels)


def test_from_the_command_line(results, tmp_path):
    options = ["--memory", results.tables / "memory.csv", "--arms", results.tables / "arms.csv"]
    files = ["--svg", tmp_path / "memory.svg", "--png", tmp_path / "memory.png"]
    done = subprocess.run(
        [sys.executable, "-m", "triptych", "plot-memory", *map(str, options + files)],
        env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "memory.svg").is_file() and (tmp_path / "memory.png").is_file()
    options[1] = tmp_path / "arms.csv"
    options[1].write_text("arm,label\nscratch,net1\n")
    done = subprocess.run(
        [sys.executable, "-m", "triptych", "plot-memory", *map(str, options + files)],
        env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
