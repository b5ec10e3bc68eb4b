"""Every section of the report, in its order. A new section is one line here."""

from triptych.report.sections import (
    answer,
    comparisons,
    cost,
    curves,
    errors,
    files,
    lecture,
    limits,
    networks,
    setup,
    weights,
)

SECTIONS = (
    answer.SECTION,
    comparisons.SECTION,
    lecture.CLAIMS,
    lecture.FAULTS,
    curves.SECTION,
    weights.SECTION,
    errors.SECTION,
    cost.SECTION,
    networks.SECTION,
    setup.SECTION,
    limits.SECTION,
    files.SECTION,
)
