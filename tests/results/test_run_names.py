"""Names of runs, which are the names of their folders."""

import pytest

from triptych.results.run_names import (
    folds_of,
    has_no_test,
    run_in_words,
    run_name,
    runs_of,
    seed_and_fold,
    seeds_in_words,
)

FOLDED = {"folds": 2, "repeats": 2, "test": 0}


def test_a_run_without_folds_keeps_its_folder():
    assert run_name(7) == "seed7" and runs_of([3, 1], {"source": "digits"}) == ["seed3", "seed1"]
    assert folds_of({}) == [None] and not has_no_test({"test": 0.15})


def test_with_folds_a_seed_has_a_run_for_each_of_every_repeat():
    assert runs_of([0, 5], FOLDED)[2:6] == ["seed0_fold2", "seed0_fold3", "seed5_fold0", "seed5_fold1"]
    assert has_no_test(FOLDED) and not has_no_test({**FOLDED, "test": 0.1})


@pytest.mark.parametrize(("seed", "fold"), [(0, None), (12, 0), (3, 17)])
def test_a_name_is_read_back(seed, fold):
    assert seed_and_fold(run_name(seed, fold)) == (seed, fold)


@pytest.mark.parametrize("name", ["seed", "seed1_fold", "seed-1", "fold1", "seed1_fold2_", "Seed1"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="is no name of a run"):
        seed_and_fold(name)


def test_in_words():
    assert run_in_words("seed4") == "seed 4" and run_in_words("seed4_fold2") == "seed 4, fold 2"
    assert seeds_in_words(["seed4"]) == "one seed" and seeds_in_words(["seed1", "seed2"]) == "2 seeds"
    assert seeds_in_words(["seed1_fold0", "seed1_fold1"]) == "one seed, 2 networks of folds"
