"""The site of the documentation: `python -m sphinx -W docs docs/_build`. The order of its pages is in index.md."""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from triptych.version import __version__

project = "Triptych"
version = release = __version__
copyright = "the authors of Triptych"

extensions = ["myst_parser"]
myst_heading_anchors = 3  # links to headings work as on GitHub
highlight_language = "text"
html_theme = "furo"
html_title = f"Triptych {version}"
exclude_patterns = ["_build"]


def setup(app):
    app.add_lexer("mermaid", TextLexer)  # GitHub draws these graphs, the site shows their text
