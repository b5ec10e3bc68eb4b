"""What the tests of figures, of trainings and of graphs make."""

from tests.figures.conftest import make_results, results
from tests.training.conftest import files
from tests.workflow.conftest import finished, whole

__all__ = ["files", "finished", "make_results", "results", "whole"]
