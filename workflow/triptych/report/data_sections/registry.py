"""Every section of the data report, in its order. A new section is one line here."""

from triptych.report.data_sections import (
    answer,
    classes,
    conversions,
    duplicates,
    extremes,
    groups,
    ignored,
    precision,
    problems,
    settings,
    shortcuts,
    sizes,
)

SECTIONS = (
    answer.SECTION,
    problems.SECTION,
    classes.SECTION,
    precision.SECTION,
    shortcuts.SECTION,
    duplicates.SECTION,
    groups.SECTION,
    sizes.SECTION,
    conversions.SECTION,
    extremes.SECTION,
    ignored.SECTION,
    settings.SECTION,
)
