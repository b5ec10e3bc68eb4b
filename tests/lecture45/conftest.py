"""What the tests of figures, of trainings, of reports and of graphs make."""

from tests.figures.conftest import make_results, results
from tests.report.conftest import experiment, find
from tests.training.conftest import files
from tests.workflow.conftest import finished, whole

__all__ = ["experiment", "files", "find", "finished", "make_results", "results", "whole"]
