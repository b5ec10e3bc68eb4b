"""The report in a real browser: it loads whole, says nothing on the console, fits a phone, is legible in the dark."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from triptych.report.report import report

selenium = pytest.importorskip("selenium", reason="selenium is not installed (envs/requirements-dev.txt)")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.options import Options  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER),
        reason="no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)",
    ),
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module", params=["made up", "default experiment"])
def page(request, tmp_path_factory, shelf) -> Path:
    """The report to look at: of made-up results, and of the default experiment where it has been run here."""
    if request.param == "default experiment":
        real = ROOT / "results" / "digits" / "report.html"
        if not real.is_file():
            pytest.skip("the default experiment has not been run in this checkout")
        return real
    folder = shelf().copy(tmp_path_factory.mktemp("browser") / "digits", without=("runs",)).folder
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = Options()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser, page):
    """Show the page at a width, in light or dark; return the browser."""
    return lambda *look, **options: show(browser, page, *look, **options)


def set_width(browser, width: int):
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def resize(browser, width: int):
    """Show the page that is loaded at another width."""
    set_width(browser, width)
    there = f"return matchMedia('(width: {width}px)').matches"
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script(there))


def show(browser, page: Path, width: int = 1200, scheme: str = "light", media: str = "screen"):
    browser.get_log("browser")
    browser.get_log("performance")
    set_width(browser, width)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get(page.as_uri())
    return browser


def test_nothing_is_said_on_the_console(shown):
    assert shown().get_log("browser") == []


def test_nothing_is_requested_but_the_page(shown, page):
    messages = "\n".join(entry["message"] for entry in shown().get_log("performance"))
    assert page.as_uri() in messages
    for scheme in ("http:", "https:", "ws:", "wss:"):
        assert f'"url":"{scheme}' not in messages


def test_every_image_loads(shown):
    browser = shown()
    script = "return [...document.images].map(image => [image.alt, image.complete && image.naturalWidth > 0])"
    images = browser.execute_script(script)
    assert images
    assert [alt for alt, loaded in images if not loaded] == []


def test_the_page_never_scrolls_sideways(shown):
    browser = shown(320)
    browser.execute_script("document.querySelectorAll('details').forEach(details => details.open = true)")
    for width in (320, 390, 768, 1200):
        resize(browser, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        wide = browser.execute_script(
            """
            const inside = element => element.closest('.scroll, pre');
            return [...document.querySelectorAll('main *')]
                .filter(element => !inside(element) && element.getBoundingClientRect().right > arguments[0] + 1)
                .map(element => element.outerHTML.slice(0, 80));
            """,
            width,
        )
        assert wide == [], width


def test_the_summary_needs_no_scrolling_on_a_phone(shown):
    widths = widths_of(shown(390), ".stacks")
    assert widths and all(content <= room for content, room in widths)


def test_arms_with_long_names_hide_no_column(browser, find, tmp_path):
    """As many and as long as those of config/lecture45.yaml, beside another network."""
    named = yaml.safe_load((ROOT / "config" / "lecture45.yaml").read_text())["experiments"]["lecture45"]["arms"]
    arms = [
        {"name": name, "label": arm["label"], "last": 90.0 - place} for place, (name, arm) in enumerate(named.items())
    ]
    folder = find(arms, references=True).copy(tmp_path / "digits", without=("runs",)).folder
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    show(browser, folder / "report.html")
    browser.execute_script("document.querySelectorAll('details').forEach(details => details.open = true)")
    for width in (1200, 1000, 900, 768, 710, 390):
        resize(browser, width)
        widths = widths_of(browser, ".scroll")
        assert len(widths) > 8 and all(content <= room for content, room in widths), width


def test_a_heading_breaks_no_name_at_its_hyphen(browser, experiment):
    folder = experiment(question=f"Is it enough to train the last layer of {'ResNet-18 or ResNet-50 or ' * 8}none?")
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    show(browser, folder / "report.html", 390)
    script = "return [...document.querySelectorAll('h1 .whole')].map(name => name.getBoundingClientRect().height)"
    heights = browser.execute_script(script)
    assert len(heights) == 16 and len(set(heights)) == 1


CAPTIONS = """
    return [...document.querySelectorAll('figure')].map(figure => {
        const [image, caption] = figure.children;
        return [figure.className, caption.getBoundingClientRect().left >= image.getBoundingClientRect().right];
    });
"""


def test_only_tall_figures_have_their_captions_beside_them(shown):
    browser = shown(390)
    for width in (390, 768, 930, 1200):
        resize(browser, width)
        found = browser.execute_script(CAPTIONS)
        assert len(found) > 8
        assert {beside for kind, beside in found if kind == "leads"} == {width > 390}
        assert not any(beside for kind, beside in found if kind == "")


def widths_of(browser, selector: str) -> list[list[int]]:
    """The width of the content and of the room of each element, in pixels."""
    script = "return [...document.querySelectorAll(arguments[0])].map(box => [box.scrollWidth, box.clientWidth])"
    return browser.execute_script(script, selector)


POSITIONS = """
    return ['h1', '.answer', '.stacks', '#validation_accuracy', '#answer .bullets', 'nav'].map(
        selector => {
            const box = document.querySelector(selector).getBoundingClientRect();
            return [box.left, box.top, box.right, box.bottom];
        });
"""


def test_the_answer_needs_a_screen_and_a_half(shown):
    """Question, answer, summary, main curve and what to do; the last two side by side."""
    *above, curve, advice, contents = shown(1200).execute_script(POSITIONS)
    assert [box[1] for box in above] == sorted(box[1] for box in above)
    assert curve[1] >= above[-1][3] and advice[0] >= curve[2]
    assert max(curve[3], advice[3]) <= 1.5 * 844
    assert contents[1] >= max(curve[3], advice[3])


def test_on_a_phone_one_follows_the_other(shown):
    boxes = shown(390).execute_script(POSITIONS)
    assert all(above[3] <= below[1] for above, below in pairwise(boxes))


def test_a_table_is_saved_from_the_page(shown, page, tmp_path):
    """The policy of the page allows it, and the browser saves the very bytes."""
    browser = shown()
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.execute_script("document.querySelectorAll('details').forEach(details => details.open = true)")
    browser.find_element("css selector", 'a[download="summary.csv"]').click()
    saved = tmp_path / "summary.csv"
    WebDriverWait(browser, 20).until(lambda _: saved.is_file())
    assert saved.read_bytes() == (page.parent / "tables" / "summary.csv").read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(shown, scheme):
    browser = shown(scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(details => details.open = true)")
    # every element with text of its own: its colour, and the first ground under it that is not transparent
    pairs = browser.execute_script(
        """
        const ground = element => {
            for (let at = element; at; at = at.parentElement) {
                const colour = getComputedStyle(at).backgroundColor;
                if (colour !== 'rgba(0, 0, 0, 0)') return colour;
            }
        };
        const texts = [...document.querySelectorAll('body *')].filter(
            element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
        const pairs = texts.map(element => getComputedStyle(element).color + ' on ' + ground(element));
        return [...new Set(pairs)];
        """
    )
    assert len(pairs) > 3
    for pair in pairs:
        ink, paper = (luminance(colour) for colour in pair.split(" on "))
        light, dark = max(ink, paper), min(ink, paper)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pair  # WCAG 2, level AA
    page = luminance(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert page < 0.05 if scheme == "dark" else page > 0.8


def test_print_is_dark_on_white_even_in_a_dark_room(shown):
    browser = shown(scheme="dark", media="print")
    assert luminance(browser.execute_script("return getComputedStyle(document.body).backgroundColor")) == 1
    assert luminance(browser.execute_script("return getComputedStyle(document.body).color")) < 0.05
    assert browser.execute_script("return getComputedStyle(document.querySelector('nav')).display") == "none"


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)` (WCAG 2)."""
    channels = [int(channel) / 255 for channel in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
