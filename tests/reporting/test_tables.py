import numpy as np
import pandas as pd
import pytest

from confemb.reporting.tables import (
    decimals_of,
    frame_table,
    frame_to_markdown,
    interval,
    markdown_text,
    number,
    p_value,
)


def test_a_data_frame_as_markdown():
    frame = pd.DataFrame({"class": ["a|b", "c"], "share": [0.255, float("nan")], "count": [3, 1000]})
    assert frame_to_markdown(frame).splitlines() == [
        "| class | share | count |",
        "| --- | ---: | ---: |",
        "| a\\|b | 0.26 | 3 |",
        "| c | – | 1,000 |",
    ]
    assert "0.255" in frame_to_markdown(frame, digits=3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a|b", r"a\|b"),
        ("golden_retriever", "golden_retriever"),
        ("_x_ *y* `z`", r"\_x\_ \*y\* \`z\`"),
        ("<b>&amp;", r"\<b>\&amp;"),
        ("[x](y)", r"[x\](y)"),
        ("cat [0.80, 0.89] (0.97)", "cat [0.80, 0.89] (0.97)"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_escapes(text, wanted):
    assert markdown_text(text) == wanted


def test_numbers():
    assert number(-0.001) == "0.00"
    assert number(float("nan")) == "–"
    assert number(None) == "–"
    assert interval(-0.25, 0.114) == "[-0.25, 0.11]"
    assert interval(None, None) == ""


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1.0, "1.000"), (0.0123, "0.012"), (0.001, "0.001"), (0.0009999, "<0.001"), (0.0, "<0.001"), (float("nan"), "–")],
)
def test_no_p_value_is_told_as_zero(value, wanted):
    assert p_value(value) == wanted
    table = frame_table("", pd.DataFrame({"p": [value], "within_families": [value]}), digits=3)
    assert table.header == ["p", "within families"]
    assert table.rows == [[wanted, number(value, 3)]]


def test_small_similarities_get_a_decimal_more():
    shares = np.array([[1.0, 0.02, np.nan], [0.02, 1.0, 0.004], [np.nan, 0.004, 1.0]])
    assert decimals_of(shares) == 3
    assert decimals_of(5 * shares) == 2
    assert decimals_of(np.full((2, 2), np.nan)) == 3
