"""What is wrong with a file that is no YAML: the line, and what to write there."""

import re
from collections.abc import Iterator

import yaml

BLANK = re.compile(r"\s*(#.*)?$")
KEY_WITHOUT_SPACE = re.compile(r"\s*(?:- )?([\w-]+):([^\s:/].*)$")
KEY_WITH_EQUALS = re.compile(r"\s*(?:- )?([\w-]+)\s*=\s*(.*)$")
CLOSING = {"[": "]", "{": "}"}
FIRST_LETTERS = {"found undefined alias": "*", "could not determine a constructor": "!"}
"""What PyYAML says of a plain text that begins with a letter of YAML's own."""


def explain_yaml_error(text: str, error: yaml.YAMLError) -> str:
    """Return the line of a mistake in a YAML text, what is wrong there, and what to write.

    Args:
        error: what `yaml.compose` or `yaml.safe_load` raised for the text.
    """
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position)
        return f"line {line + 1}: the character #x{ord(text[error.position]):04x} cannot be printed; remove it"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{error}".replace("\n", " ")
    where, advice = next(_explanations(text.splitlines(), text, error))
    return f"line {where + 1}: {advice}"


def _explanations(lines: list[str], text: str, error: yaml.MarkedYAMLError) -> Iterator[tuple[int, str]]:
    """Yield lines, counted from 0, each with an explanation; the first fits best."""
    problem, mark, start = error.problem or "", error.problem_mark, error.context_mark
    assert mark is not None
    line, column = mark.line, mark.column
    letter = text[mark.index : mark.index + 1]
    if "cannot start any token" in problem:
        if letter == "\t":
            yield line, "a tab is not allowed here; write spaces"
        yield line, f"a value cannot begin with {letter}; put it in quotation marks"
    for said, first in FIRST_LETTERS.items():
        if problem.startswith(said):
            yield line, f"a text that begins with {first} has a meaning of its own in YAML; put it in quotation marks"
    if problem == "mapping values are not allowed here":
        yield _unexpected_colon(lines, line, column)
    if problem == "could not find expected ':'" and start:
        yield start.line, _without_colon(lines[start.line])
    if problem == "sequence entries are not allowed here":
        yield line, "a list begins behind a key; begin it in the next line, or write [first, second]"
    if start and problem.startswith("expected ',' or"):
        yield _unclosed(lines[start.line][start.column], start.line, line, letter)
    if problem == "expected the node content, but found '<stream end>'" and (opened := _opened(text)):
        yield _unclosed(text[opened.index], opened.line, line, "")
    if start and problem == "found unexpected end of stream":
        quote = lines[start.line][start.column]
        yield start.line, f"the {quote} that opens here is not closed; write {quote} at the end of the text"
    if problem.startswith("found unknown escape character"):
        yield line, "a backslash between \" and \" has a meaning of its own; put the text between ' and '"
    if "'<block mapping start>'" in problem or "'<block sequence start>'" in problem:
        yield line, _wrong_indentation(lines, line)
    if problem == "expected <block end>, but found '<scalar>'":
        yield _text_after_quote(text, line, mark.index)
    if problem in ("expected <block end>, but found '}'", "expected <block end>, but found ']'"):
        yield line, f"nothing is open that this {letter} closes; remove it"
    if problem == "expected <block end>, but found '?'":
        yield line, "a key follows the entries of a list; indent it as the key above the list, or begin it with '- '"
    if problem == "but found another document":
        yield line, "--- begins a second document, and a configuration is one; remove the line, or write two files"
    yield line, f"{problem}; check indentation, colons, brackets and quotation marks in this line and the one above"


def _unexpected_colon(lines: list[str], line: int, column: int) -> tuple[int, str]:
    """A second colon in one line, a line that is indented too far, or a colon that is missing in the line above."""
    key, colon, value = lines[line].partition(": ")
    if colon and len(key) < column:
        quote = "'" if '"' in value else '"'
        return line, f"a second ': ' is not allowed; write {key.strip()}: {quote}{value.strip()}{quote}"
    above = _line_above(lines, line)
    if above is None or re.search(r":(\s|$)", lines[above]):
        return line, _wrong_indentation(lines, line)
    return above, _without_colon(lines[above])


def _line_above(lines: list[str], line: int) -> int | None:
    return next((number for number in range(line - 1, -1, -1) if not BLANK.match(lines[number])), None)


def _without_colon(line: str) -> str:
    """What to write in a line that has no colon, or none with a space after it."""
    if match := KEY_WITHOUT_SPACE.match(line):
        return f"a space is missing after the colon; write {match[1]}: {match[2]}"
    if match := KEY_WITH_EQUALS.match(line):
        return f"a key and its value are parted by a colon; write {match[1]}: {match[2]}"
    if match := re.match(r"\s*-(\w.*)$", line):
        return f"a space is missing after the dash; write - {match[1]}"
    return f"a colon is missing; write {line.strip()}:"


def _wrong_indentation(lines: list[str], line: int) -> str:
    """How far a line is indented, and how far it may be."""
    own = _indentation(lines[line])
    levels: list[int] = []
    for other in lines[:line]:
        if not BLANK.match(other):
            levels = [level for level in levels if level < _indentation(other)] + [_indentation(other)]
    fitting = [level for level in levels if level < own][-1:] + [level for level in levels if level > own][:1]
    return (
        f"{_spaces(own)} before {lines[line].strip()[:40]!r} fit no line above; write {' or '.join(map(str, fitting))}"
    )


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _spaces(count: int) -> str:
    return "1 space" if count == 1 else f"{count} spaces"


def _unclosed(opening: str, start: int, line: int, found: str) -> tuple[int, str]:
    """A bracket that is not closed, or closed by another one."""
    closing = CLOSING[opening]
    if found and found in "]}":
        return line, f"this {found} is to close the {opening} of line {start + 1}; write {closing}"
    if found and line == start:
        return line, f"a comma is missing between two entries, or a {closing} at their end"
    return start, f"the {opening} that opens here is not closed; write {closing} at its end"


def _opened(text: str) -> yaml.Mark | None:
    """Where the last bracket opens that is not closed."""
    opened: list[yaml.Mark] = []
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)):
            opened.append(token.start_mark)
        elif isinstance(token, (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)) and opened:
            opened.pop()
    return opened[-1] if opened else None


def _text_after_quote(text: str, line: int, index: int) -> tuple[int, str]:
    """Text that follows a closing quotation mark, which may be one that was to open the next text."""
    quoted = None
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.end_mark.index > index:
                break
            quoted = token if isinstance(token, yaml.ScalarToken) and token.style in ('"', "'") else None
    except yaml.YAMLError:  # a later mistake, which does not matter here
        pass
    if quoted and quoted.start_mark.line < line:
        return quoted.start_mark.line, (
            f"the {quoted.style} that opens here is closed in line {line + 1}; write {quoted.style} at the end of "
            "the text"
        )
    return line, (
        "text follows a closing quotation mark; put all of it between \" and \" (between ' and ', an apostrophe is "
        "written '')"
    )
