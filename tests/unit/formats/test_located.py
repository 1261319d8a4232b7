from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latcal.errors import RecipeError, Where
from latcal.formats.located import apply_settings, compose, dotted


def messages(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        compose(text, "f")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-3", -3),
        ("+3", 3),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e-3", 1e-3),
        ("1E3", 1e3),
        ("1.5e+3", 1500.0),
        ("0.05", 0.05),
    ],
)
def test_a_plain_scalar_that_is_plainly_a_value_is_one(written: str, value: object) -> None:
    found = compose(f"a: {written}", "f").value["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "yes",
            "no",
            "on",
            "off",
            "True",
            "NULL",
            "010",
            "00",
            "01.5",
            "0x1f",
            "0o7",
            "1_000",
            ".nan",
            ".inf",
            "1e999",
        ),
        *("2022-11-04", "12:30:45", "20 x 0 s", "5 %", "5s", "1.2.3", ".", "9" * 30, "abs(a - b) <= 0.05 * b", "e5"),
    ],
)
def test_all_else_is_text(written: str) -> None:
    assert compose(f"a: {written}", "f").value["a"] == written


@pytest.mark.parametrize("written", ["'5'", '"true"', "'null'", "''"])
def test_what_is_quoted_is_text(written: str) -> None:
    assert compose(f"a: {written}", "f").value["a"] == written[1:-1]


def test_keys_are_text() -> None:
    assert compose("{1: a, true: b, on: c, 2022-11-04: d}", "f").value == {
        "1": "a", "true": "b", "on": "c", "2022-11-04": "d"
    }  # fmt: skip


def test_every_key_item_and_value_has_its_place() -> None:
    tree = compose("a: 1\nb:\n  c: [x, {d: 5}]\n", "f")
    assert tree.value == {"a": 1, "b": {"c": ["x", {"d": 5}]}}
    assert tree.marks[("b", "c")] == Where("f", 3, 3)
    assert tree.value_marks[("b", "c")] == Where("f", 3, 6)
    assert tree.marks[("b", "c", 1)] == tree.value_marks[("b", "c", 1)] == Where("f", 3, 10)
    assert tree.marks[("b", "c", 1, "d")] == Where("f", 3, 11)
    assert tree.value_marks[("b", "c", 1, "d")] == Where("f", 3, 14)
    assert tree.value_marks[()] == Where("f", 1, 1)


def test_what_has_no_place_is_at_the_nearest_thing_around_it() -> None:
    tree = compose("a:\n  b: 1\n", "f")
    assert tree.key_at(("a", "z", 0)) == Where("f", 1, 1)
    assert tree.value_at(("a", "z")) == Where("f", 2, 3)
    assert tree.key_at(()) == Where("f", 1, 1)
    assert dotted(("a", "b", 0)) == "a.b.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb=2\nc: 3\n", "f:2:1: 'b=2' is not a key and its value (write 'b: 2')"),
        ("a: 1\nb = 2", "f:2:1: 'b = 2' is not a key and its value (write 'b: 2')"),
        ("a: 1\nb=\nc: 1", "f:2:1: 'b=' is not a key and its value (write 'b: value')"),
        (
            "config:\n  # on\n  generate_calibrations=True\n\n  n: 1\n",
            "f:3:3: 'generate_calibrations=True' is not a key and its value (write 'generate_calibrations: true')",
        ),
        ("config:\n  n_bias=3\nb: 3\n", "f:2:3: 'n_bias=3' is not a key and its value (write 'n_bias: 3')"),
        ("config: {a: 1, y=2}\n", "f:1:16: 'y=2' is not a key and its value (write 'y: 2')"),
        ("config: {a:1, b: 2}\n", "f:1:10: 'a:1' is not a key and its value (write 'a: 1')"),
        ("a:1\nb: 2\n", "f:1:1: 'a:1' is not a key and its value (write 'a: 1')"),
        ("a: 1\nb:2\nc: 3\n", "f:2:1: 'b:2' is not a key and its value (write 'b: 2')"),
        ("a: 1\r\nb=2\r\nc: 3\r\n", "f:2:1: 'b=2' is not a key and its value (write 'b: 2')"),
        ("- a=1\n- b", "f:1:3: 'a=1' is not a key and its value (write 'a: 1')"),
        ("a: 1\nb 2\nc: 3", "f:2:1: 'b 2' is not a key and its value (write 'b: 2')"),
        ("a: 1\ndarks\nb: 2", "f:2:1: 'darks' is not a key and its value (write 'darks: value')"),
        ("seq\n  biases: {a: 1}\n", "f:1:1: 'seq' is not a key and its value (write 'seq: value')"),
        ("a: 1\n\tb: 2\n", "f:2:1: a tab is not indentation (write spaces)"),
        ("a:\n  b: 1\n  \tc: 2\n", "f:3:3: a tab is not indentation (write spaces)"),
        ("a: 1\n  b: 2\n", "f:2:3: 'b: 2' is not in line with what is above (indent it like its neighbours)"),
        ("a:\n  b: 1\n c: 2\n", "f:3:2: 'c: 2' is not in line with what is above (indent it like its neighbours)"),
        ("- a\nb: 1\n", "f:2:1: 'b: 1' is not in line with what is above (indent it like its neighbours)"),
        ("a: b: c\n", "f:1:5: a second ':' in one line is not text (write a: 'b: c', or begin a line after a:)"),
        ("a: [1, 2\nb: 3\n", "f:1:4: '[' is not closed, or a ',' is missing, before line 2 (write ']')"),
        ("a: {x: 1\nb: 2\n", "f:1:4: '{' is not closed, or a ',' is missing, before line 2 (write '}')"),
        ("a: [1, [2]", "f:1:4: '[' is not closed, or a ',' is missing, before line 1 (write ']')"),
        ("a: {b: 1} c\n", "f:1:11: 'c' does not go on 'a: {b: 1}' (remove it, or write the whole in quotes)"),
        ("a: {b: 1}}\n", "f:1:10: '}' closes nothing (remove it, or open the bracket)"),
        ("a: {x: [1, 2}\n", "f:1:13: '}' does not close '[' (write ']' before it)"),
        ("a: {image: bias exposures: 20}\n", "f:1:17: there is no ',' before 'exposures' (write ', exposures: ...')"),
        ("a: ['b' 1]\n", "f:1:9: '1]' does not go on what '[' began (write ',' or close the bracket)"),
        ("a:\n  - b: 1\n  -c: 2\n", "f:3:3: '-c: 2' is not an item of a list (write '- c: 2')"),
        ("a: 1\n'b' 2\nc: 3\n", "f:2:1: \"'b' 2\" is not a key and its value (write 'key: value')"),
        ("a: - b\n", "f:1:4: '- b' does not begin an item there (write each '- ' at the begin of a line)"),
        ("a; 1\nb: 2\n", "f:1:1: 'a; 1' is not a key and its value (write 'key: value')"),
        ("a: 'it's'\n", 'f:1:8: "s\'" does not go on "a: \'it\'" (remove it, or write the whole in quotes)'),
        ("a: }\n", "f:1:4: '}' closes nothing (remove it, or open the bracket)"),
        ("a: 'x\nb: 2\n", "f:1:4: the quotation mark is not closed (write another at the end)"),
        ("a: @x\n", "f:1:4: '@x' is not text (write it in quotes: '@x')"),
        ("a: %x\n", "f:1:4: '%x' is not text (write it in quotes: '%x')"),
        ('a: "x\\q"\n', "f:1:7: 'a: \"x\\\\q\"' has a backslash that is not an escape (use single quotes)"),
        ("a: \x00", "f:1:4: the character '\\x00' is not text (remove it)"),
        ("? [a]\n: b\n", "f:1:3: what stands before ':' is not a key (write a word before the ':')"),
        ("", "f:1:1: the text is empty (write 'latcal: 1' first)"),
        ("# only a remark\n", "f:1:1: the text is empty (write 'latcal: 1' first)"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document is not read (write one recipe in one file)"),
        ("a: &x 1\n", "f:1:4: the anchor '&x' is not read (remove it)"),
        ("a: *x\n", "f:1:4: the alias '*x' is not read (write it out)"),
        ("<<: {a: 1}\n", "f:1:1: a merge ('<<') is not read (write the keys out)"),
        ("a: !!python/object:os.system x\n", "f:1:4: the tag '!!python/object:os.system' is not read (remove it)"),
        ("a: !secret x\n", "f:1:4: the tag '!secret' is not read (remove it)"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1: 'a' is given twice, first in line 1 (remove one)"),
        ("a: {b: 1, b: 2}\n", "f:1:11: 'b' is given twice, first in line 1 (remove one)"),
    ],
)
def test_each_slip_has_its_line_and_what_to_write(text: str, message: str) -> None:
    assert messages(text) == [message]


def test_all_slips_are_reported_at_once_in_the_order_of_the_text() -> None:
    text = "a=1\nb: &x 2\nc: 3\nd:4\nc: 5\ne: !t 6\nconfig:\n  n_bias=3\n  gen=True\nc: 7\n"
    assert [int(message.split(":")[1]) for message in messages(text)] == [1, 2, 4, 5, 6, 8, 9, 10]


def test_what_follows_a_slip_and_cannot_be_read_is_reported_too() -> None:
    assert [message.split(": ")[1] for message in messages("a=1\nb: 2\nc: [1\n")] == [
        "'a=1' is not a key and its value (write 'a",
        "'[' is not closed, or a ',' is missing, before line 4 (write ']')",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "note: |\n  a=1\n  b:2\n",
        "note: after\n  x=3\n",
        "a: http://x.y/z\n",
        "rule: noise <= 5\n",
        "a: b=c\n",
        "a: 'b:c'",
    ],
)
def test_text_that_only_looks_like_a_slip_is_text(text: str) -> None:
    assert isinstance(next(iter(compose(text, "f").value.values())), str)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_are_counted_whatever_ends_them(line_end: str) -> None:
    assert messages(line_end.join(["\ufeffa: 1", "b: 2", "c=3", "d: 4"])) == [
        "f:3:1: 'c=3' is not a key and its value (write 'c: 3')"
    ]


def test_deep_and_long_texts_are_refused() -> None:
    assert messages("[" * 100_000) == ["f:1:52: more than 50 levels are not read (write it flatter)"]
    assert "characters is not read" in messages("a: " + "b" * 1_000_001)[0]


def test_a_long_list_of_slips_ends() -> None:
    assert len(messages("a=1\n" * 200)) >= 50


def test_a_setting_replaces_a_value_and_its_place() -> None:
    tree = compose("sequences:\n  biases: {exposures: [1, 2], n: 1}\n", "f")
    changed = apply_settings(tree, ["sequences.biases.exposures=30 x 0 s", "sequences.biases.n=[a, {b: 2}]"])
    assert changed.value == {"sequences": {"biases": {"exposures": "30 x 0 s", "n": ["a", {"b": 2}]}}}
    assert changed.value_marks[("sequences", "biases", "exposures")] == Where("--set", 1, 28)
    assert changed.value_marks[("sequences", "biases", "n", 1, "b")] == Where("--set", 1, 28)
    assert ("sequences", "biases", "exposures", 0) not in changed.marks
    assert tree.value["sequences"]["biases"]["exposures"] == [1, 2]


def test_a_setting_may_add_the_last_key_and_count_items() -> None:
    tree = compose("a: {b: [1, {c: 2}]}", "f")
    assert apply_settings(tree, ["a.b.1.c=true", "a.new=x", "top=null"]).value == {
        "a": {"b": [1, {"c": True}], "new": "x"},
        "top": None,
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("x", "--set:1:1: 'x' is not a setting (write --set 'path.to.key=value')"),
        ("=5", "--set:1:1: '=5' is not a setting (write --set 'path.to.key=value')"),
        ("a=", "--set:1:1: 'a=' is not a setting (write --set 'path.to.key=value')"),
        ("a..b=5", "--set:1:1: 'a..b=5' is not a setting (write --set 'path.to.key=value')"),
        ("sequence.x=5", "--set:1:1: sequence.x: 'sequence' is not a key (did you mean 'sequences'?)"),
        ("items.2=5", "--set:1:1: items.2: '2' is not an item of a list of 2 (count from 0 to 1)"),
        ("items.0.x=5", "--set:1:1: items.0.x: 'x' is not a key of 1 (name a key that the recipe has)"),
        (
            "items=[1",
            "--set:1:7: items: '[' is not closed, or a ',' is missing, before line 1 (write ']')",
        ),
    ],
)
def test_a_setting_that_cannot_be_made_is_refused(setting: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        apply_settings(compose("items: [1, 2]\nsequences: {a: 1}", "f"), [setting])
    assert str(caught.value) == message


def test_all_settings_that_cannot_be_made_are_reported() -> None:
    with pytest.raises(RecipeError) as caught:
        apply_settings(compose("a: 1", "f"), ["x", "a.c=1", "a=2"])
    assert len(caught.value.problems) == 2


lines = st.sampled_from(
    ["a: 1", "b=2", "c:3", "  d: 4", "\te: 5", "- f", "g: [1", "h: {x: 1}", "i: 'j", "}", "]", "? k", "---", "l: &m 1",
     "# n", "o: *m", "<<: p", "q: !!r s", "t", "u: v: w", "'x': y", "...", "z: |", "%", "", "  ", "- - a", "a: 2", "@"]
)  # fmt: skip
plain: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


breaks = st.sampled_from(["\n", "\r\n", "\r", "\x85", "\u2028"])


@given(st.builds(str.join, breaks, st.lists(lines, max_size=10)) | st.text(max_size=40))
def test_no_text_raises_anything_but_a_recipe_error_with_a_place_within_it(text: str) -> None:
    try:
        compose(text, "f")
    except RecipeError as error:
        last = len(text.splitlines()) + 1
        assert [problem for problem in error.problems if not problem.where or problem.where.line > last] == []  # noqa: PT017
        assert [problem for problem in error.problems if "\n" in str(problem)] == []  # noqa: PT017


@given(plain)
def test_plain_values_written_as_json_are_read_the_same(value: object) -> None:
    with suppress(RecipeError):  # YAML takes no control characters
        text = json.dumps(value, ensure_ascii=False)
        assert len(text.splitlines()) > 1 or compose(text, "f").value == value


@given(st.text(max_size=30))
def test_no_setting_raises_anything_but_a_recipe_error(setting: str) -> None:
    with suppress(RecipeError):
        apply_settings(compose("a: [1, {b: 2}]", "f"), [setting, f"a.1.b={setting}"])


def test_a_mapping_that_the_file_left_out_is_made() -> None:
    tree = apply_settings(compose("a: 1", "f"), ["executor.use=processes", "executor.workers=2"])
    assert tree.value == {"a": 1, "executor": {"use": "processes", "workers": 2}}
