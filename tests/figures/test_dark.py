"""Figures in a real browser: dark where the reader prefers that, with the same images."""

import io

import numpy
import pytest
from PIL import Image

from tests.figures.test_style import draw_all
from tests.report.test_browser import browser, pytestmark  # noqa: F401  (a fixture, and what it needs)
from triptych.figures import style


@pytest.fixture
def pixels_in(browser, tmp_path):  # noqa: F811
    """A function that shows an SVG in a page, as the report does, and returns its pixels."""

    def pixels(svg, scheme):
        page = tmp_path / "page.html"
        page.write_text(f'<style>:root {{color-scheme: light dark}} body {{margin: 0}}</style><img src="{svg}">')
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
        screen = {"width": 520, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get(page.as_uri())
        shown = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
        return numpy.asarray(shown)

    return pixels


def test_grounds_and_text_follow_the_reader_and_images_are_dimmed(results, tmp_path, pixels_in):
    draw_all(results, tmp_path, "finetune", only=("plot_confusion",))
    svg = (tmp_path / "confusion_finetune.svg").as_uri()
    light, dark = pixels_in(svg, "light"), pixels_in(svg, "dark")
    assert light[0, 0].tobytes().hex() == style.PAPER.removeprefix("#")
    assert dark[0, 0].tobytes().hex() == style.DARK[style.PAPER].removeprefix("#")
    title = (slice(0, 30), slice(0, 300))
    assert light[title].min() < 80 and dark[title].max() > 200
    matrix = (slice(100, 450), slice(100, 480))
    dimmed = abs(dark[matrix] - style.DIMMED * light[matrix]).max(axis=-1) < 3
    assert dimmed.mean() > 0.9 and dark[matrix].max() <= light[matrix].max()
