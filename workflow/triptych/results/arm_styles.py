"""One colour, marker and line an arm, the same in every figure and in the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas

from triptych.storage.errors import InputError

# After Okabe and Ito, "Color Universal Design" (2008), without its yellow. Each has a contrast of at least 3 to its
# ground, and they stay apart for eyes without red, green or blue cones (tests/results/test_arm_styles.py).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#2B97F0", "#80591F", "#111111", "#CC70A8")
DARK_PALETTE = ("#2E9DF0", "#F25C1F", "#0A9C88", "#A6D4F9", "#DDA815", "#F2F1EE", "#EE72C4")
"""The colours on a dark ground, in the order of PALETTE."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")

Line = Literal["-", "-.", "--", ":"] | tuple[float, tuple[float, ...]]
"""The dashes of a line: a name, or where they start and the lengths of dashes and gaps."""

ARM_LINES: tuple[Line, ...] = ("-", "-.", (0, (7, 1, 1, 1, 1, 1)))
CONTROL_LINES: tuple[Line, ...] = ("--", ":", (0, (1, 2)))


@dataclass(frozen=True)
class ArmStyle:
    """How an arm looks in every figure of an experiment.

    Attributes:
        title: its name wherever it is shown: the label, if it has one, before the arm's name.
        colour, dark_colour: on a light and on a dark ground, "#RRGGBB".
        marker, line: as matplotlib names them.
    """

    title: str
    colour: str
    dark_colour: str
    marker: str
    line: Line

    @property
    def short_title(self) -> str:
        """The title for a legend: at most 26 characters, the rest an ellipsis."""
        return self.title if len(self.title) <= 26 else self.title[:25] + "…"


def arm_styles(arms: pandas.DataFrame) -> dict[str, ArmStyle]:
    """The style of each arm by its name, from the rows of `tables/arms.csv` (columns arm, label, role) in their order.

    Neighbours differ in colour and marker, so they can be told apart in grey as well; controls are dashed. Where there
    are more arms than colours, the colours come again with other lines and markers.
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
    """The style of one arm.

    Raises:
        InputError: there is no such arm in `source`.
    """
    if arm not in styles:
        raise InputError(f"{source}: no arm {arm!r} (there are: {', '.join(styles)})")
    return styles[arm]
