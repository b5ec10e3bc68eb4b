"""Slips in YAML are explained: the line, and what to write there."""

import pytest
import yaml

from triptych.configuration.yaml_errors import explain_yaml_error

SLIPS = {
    "a tab": ("a:\n\tb: 1\n", "line 2: a tab is not allowed here; write spaces"),
    "a tab after a value": ("a: 1\nb: 1\t# one\n", "line 2: a tab is not allowed here; write spaces"),
    "a line between two levels": (
        "a:\n  b:\n    c: [0]\n   d: {}\n",
        "line 4: 3 spaces before 'd: {}' fit no line above; write 2 or 4",
    ),
    "a line too far right, after a list": (
        "a:\n  b: [0]\n     # note\n\n      c: {}\n",
        "line 5: 6 spaces before 'c: {}' fit no line above; write 2",
    ),
    "a line too far right, after a text": (
        "a:\n b: text\n  c: {}\n",
        "line 3: 2 spaces before 'c: {}' fit no line above; write 1",
    ),
    "a brace": ("a:\n  b: {c: 1\n  d: 2\n", "line 2: the { that opens here is not closed; write } at its end"),
    "a brace in the last line": ("a: {c: 1\n", "line 1: the { that opens here is not closed; write } at its end"),
    "a bracket": ("a: [0, 1\nb: 2\n", "line 1: the [ that opens here is not closed; write ] at its end"),
    "a bracket before nothing": ("a: 1\nb: [\n", "line 2: the [ that opens here is not closed; write ] at its end"),
    "a bracket closed by a brace": ("a: [0,\n  1}\n", "line 2: this } is to close the [ of line 1; write ]"),
    "a brace too many": ("a: {b: 1}}\n", "line 1: nothing is open that this } closes; remove it"),
    "a comma": ("a: {b: 1 c: 2}\n", "line 1: a comma is missing between two entries, or a } at their end"),
    "a quotation mark": (
        'a: 1\nb: "Is it so?\nc: 2\n',
        'line 2: the " that opens here is not closed; write " at the end of the text',
    ),
    "a quotation mark that the next text closes": (
        "a: 'Is it so?\nb: 'x'\n",
        "line 1: the ' that opens here is closed in line 2; write ' at the end of the text",
    ),
    "an apostrophe": (
        "a: 'Don't do it'\n",
        "line 1: text follows a closing quotation mark; put all of it between \" and \" (between ' and ', an "
        "apostrophe is written '')",
    ),
    "a second colon": ("a: Is it: so?\n", "line 1: a second ': ' is not allowed; write a: \"Is it: so?\""),
    "a second colon beside quotation marks": (
        'a: Is "it": so?\n',
        "line 1: a second ': ' is not allowed; write a: 'Is \"it\": so?'",
    ),
    "no space after a colon": ("a:\n  b:[0]\n  c: 1\n", "line 2: a space is missing after the colon; write b: [0]"),
    "no space after the last colon": (
        "a:\n  c: 1\n  b:[0]\n",
        "line 3: a space is missing after the colon; write b: [0]",
    ),
    "no colon": ("a\n  b: 1\n", "line 1: a colon is missing; write a:"),
    "an equals sign": ("a:\n  b = 3\n  c: 1\n", "line 2: a key and its value are parted by a colon; write b: 3"),
    "no space after a dash": ("a:\n  - b\n  -c\n", "line 3: a space is missing after the dash; write - c"),
    "a list behind its key": (
        "a: - b\n",
        "line 1: a list begins behind a key; begin it in the next line, or write [first, second]",
    ),
    "a key among a list": (
        "a:\n  - b\n  c: 1\n",
        "line 3: a key follows the entries of a list; indent it as the key above the list, or begin it with '- '",
    ),
    "a letter of YAML's own": ("a: @b\n", "line 1: a value cannot begin with @; put it in quotation marks"),
    "a star": (
        "a: *b\n",
        "line 1: a text that begins with * has a meaning of its own in YAML; put it in quotation marks",
    ),
    "a tag": (
        "a: 1\nb: !c d\n",
        "line 2: a text that begins with ! has a meaning of its own in YAML; put it in quotation marks",
    ),
    "a path of Windows": (
        'a: "C:\\data"\n',
        "line 1: a backslash between \" and \" has a meaning of its own; put the text between ' and '",
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        "line 2: --- begins a second document, and a configuration is one; remove the line, or write two files",
    ),
    "a bell": ("a: 1\nb: x\x07\n", "line 2: the character #x0007 cannot be printed; remove it"),
    "what is not known here": (
        "{a: 1}: 2\n",
        "line 1: found unhashable key; check indentation, colons, brackets and quotation marks in this line and the "
        "one above",
    ),
}


@pytest.mark.parametrize(("text", "message"), SLIPS.values(), ids=SLIPS.keys())
def test_a_slip_is_explained(text, message):
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    assert explain_yaml_error(text, caught.value) == message
