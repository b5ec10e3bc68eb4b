"""The colour, marker and line of each arm, the same in all figures and in the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas

from triptych.storage.errors import InputError

# After Okabe and Ito, "Color Universal Design" (2008), without yellow. The contrast of each to its background is at
# least 3. They are distinguishable with protanopia, deuteranopia and tritanopia (tests/results/test_arm_styles.py).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#2B97F0", "#80591F", "#111111", "#CC70A8")
DARK_PALETTE = ("#2E9DF0", "#F25C1F", "#0A9C88", "#A6D4F9", "#DDA815", "#F2F1EE", "#EE72C4")
"""The colours on a dark background, in the order of PALETTE."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")

MOST_SEED_LINES = 10
"""Most seeds that are drawn line by line. More cannot be told apart, and each makes the figure larger."""

Line = Literal["-", "-.", "--", ":"] | tuple[float, tuple[float, ...]]
"""A line style: a name, or an offset and the lengths of dashes and gaps."""

ARM_LINES: tuple[Line, ...] = ("-", "-.", (0, (7, 1, 1, 1, 1, 1)))
CONTROL_LINES: tuple[Line, ...] = ("--", ":", (0, (1, 2)))


@dataclass(frozen=True)
class ArmStyle:
    """The style of an arm in all figures of an experiment.

    Attributes:
        title: the label, if there is one, and the name of the arm.
        colour, dark_colour: on a light and on a dark background, "#RRGGBB".
        marker, line: in the notation of matplotlib.
    """

    title: str
    colour: str
    dark_colour: str
    marker: str
    line: Line

    @property
    def short_title(self) -> str:
        """The title for a legend, shortened to 26 characters."""
        return self.title if len(self.title) <= 26 else self.title[:25] + "…"


def arm_styles(arms: pandas.DataFrame) -> dict[str, ArmStyle]:
    """Return the style of each arm by name, from the rows of `tables/arms.csv` (columns arm, label, role) in order.

    Neighbours differ in colour and marker, so they are distinguishable in grey too. Controls are dashed. If there are
    more arms than colours, the colours repeat with other lines and markers.
    """
    styles = {}
    for position, (name, label, role) in enumerate(zip(arms["arm"], arms["label"], arms["role"], strict=True)):
        turn, colour = divmod(position, len(PALETTE))
        lines = CONTROL_LINES if role == "control" else ARM_LINES
        styles[name] = ArmStyle(
            title=name if label in ("", name) else f"{label} · {name}",
            colour=PALETTE[colour],
            dark_colour=DARK_PALETTE[colour],
            marker=MARKERS[position % len(MARKERS)],
            line=lines[turn % len(lines)],
        )
    return styles


def style_of(styles: dict[str, ArmStyle], arm: str, source: Path) -> ArmStyle:
    """Return the style of an arm.

    Raises:
        InputError: `source` has no such arm.
    """
    if arm not in styles:
        raise InputError(f"{source}: there is no arm {arm!r}; found {', '.join(styles)}.")
    return styles[arm]
