"""Every section of the report, in its order. A new section is one line here; a wing declares its own."""

from triptych.configuration.claims import WINGS, part_of
from triptych.report.sections import (
    answer,
    calibration,
    comparisons,
    cost,
    curves,
    decision,
    errors,
    files,
    labels,
    leaks,
    limits,
    networks,
    setup,
    weights,
)

SECTIONS = (
    answer.SECTION,
    leaks.SECTION,
    decision.SECTION,
    comparisons.SECTION,
    *(section for wing in WINGS for section in part_of(wing, "sections").SECTIONS),
    curves.SECTION,
    weights.SECTION,
    errors.SECTION,
    calibration.SECTION,
    labels.SECTION,
    cost.SECTION,
    networks.SECTION,
    setup.SECTION,
    limits.SECTION,
    files.SECTION,
)
