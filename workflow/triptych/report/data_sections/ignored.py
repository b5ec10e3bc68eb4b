"""Files that are no images and were ignored."""

from collections import Counter

from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Details, Section, Table
from triptych.report.checked_data import CheckedData
from triptych.results.schema import IGNORED

MOST_LISTED = 1_000


def blocks(data: CheckedData) -> list[Block]:
    counts = Counter(sorted(data.ignored["reason"].tolist()))
    columns = [Column("reason", IGNORED["reason"].meaning, "prose"), Column("files", "")]
    rows = [[words.visible(reason), words.count(files)] for reason, files in counts.most_common()]
    listed = data.ignored.head(MOST_LISTED)
    names = [Column("file", IGNORED["path"].meaning, "name path"), Column("reason", IGNORED["reason"].meaning, "prose")]
    paths = [[words.visible(path), words.visible(reason)] for path, reason in listed.itertuples(index=False)]
    which = "All" if len(listed) == len(data.ignored) else f"The first {words.count(len(listed))} of"
    return [
        Table("Ignored files and folders by reason", columns, rows, total=["all", words.count(len(data.ignored))]),
        Details(
            f"{which} {words.count(len(data.ignored))}",
            [Table("Ignored files and folders", names, paths, "data/ignored.csv")],
        ),
    ]


SECTION: Section[CheckedData] = Section("ignored", "Ignored files", blocks, lambda data: len(data.ignored) > 0)
