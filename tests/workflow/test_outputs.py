"""The files of declared tables and figures, and how Snakemake's report shows them."""

from triptych.workflow.outputs import figures_by, tables_for, tables_of


def mark(file, caption, category, **labels):
    return file, caption, category, labels


def test_tables_with_a_category_are_shown():
    tables = tables_of(mark, "prepare_dataset")
    assert tables["sizes"] == ("<results>/{experiment}/data/sizes.csv", "tables", "Data", {"table": "sizes"})
    assert all(isinstance(table, tuple) for table in tables_of(mark, "collect_results").values())


def test_only_what_needs_runs_is_in_a_partial_report():
    assert tables_of(mark, "collect_validation")["arms"][0] == "<results>/{experiment}/{part}tables/arms.csv"
    assert tables_of(mark, "check_claims")["claims"][0] == "<results>/{experiment}/tables/claims.csv"
    assert tables_for("plot_cost")["cost"] == "<results>/{experiment}/{part}tables/cost.csv"


def test_several_figures_of_one_job_have_names_of_their_own():
    one, two = (figures_by(mark, command) for command in ("plot_cost", "plot_arm_curves"))
    assert one.keys() == {"svg", "png"}
    assert one["svg"][0] == "<results>/{experiment}/{part}figures/cost_accuracy.svg"
    assert two.keys() == {"loss_svg", "loss_png", "accuracy_svg", "accuracy_png"}
    assert two["loss_png"] == "<results>/{experiment}/{part}figures/loss_{arm}.png"
