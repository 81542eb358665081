"""Names made to be run are text in every file that a report consists of (`tests/torture/names.py`)."""

import pytest

from confemb.reporting.html import page_template
from confemb.reporting.latex import latex_text
from confemb.reporting.tables import markdown_text
from confemb.support.errors import visible
from tests.torture import names as hostile

ADDRESS = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    hostile.write_reports(folder, tuple(name.replace("@HOME@", ADDRESS) for name in hostile.NAMES), every=False)
    return folder


def test_no_cell_is_a_formula_in_any_countrys_spreadsheet(folder):
    tried, failures = hostile.check_csv(folder)
    assert tried >= 24
    assert failures == []
    assert hostile.formulas('a,"b;=cmd()",-0.5\n', ";") == ['=cmd()",-0.5']
    assert hostile.formulas("a,-0.5,-x\n", ",") == ["-x"]


def test_names_read_back_as_they_were(folder):
    names = tuple(name.replace("@HOME@", ADDRESS) for name in hostile.NAMES)
    assert hostile.check_names(folder, names) == (3, [])


def test_no_name_is_a_command_or_markup(folder):
    pytest.importorskip("markdown_it")
    tried, failures = hostile.check_texts(folder)
    assert tried >= 14
    assert failures == []


def test_pages_escape_and_allow_nothing(folder):
    for path in folder.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert "<script>document" not in page
        assert f'src="{ADDRESS}' not in page
        bare = page.replace(f"&lt;iframe src={ADDRESS}", "").replace(f"&lt;img src={ADDRESS}", "")
        assert f"src={ADDRESS}" not in bare
        assert "default-src 'none'; img-src data:; style-src 'sha256-" in page
        assert "unsafe" not in page
        assert r"\u202eright to left" in page
        assert "\u202e" not in page


@pytest.mark.slow
@pytest.mark.skipif(hostile.browser() is None, reason="there is no Chromium")
def test_a_browser_runs_nothing_and_asks_for_nothing(tmp_path):
    for trial in hostile.run(0, 0, tmp_path):
        assert trial.failures == [], trial.what
        assert trial.held == trial.tried


def test_what_cannot_be_seen_is_shown():
    assert visible("a\u202eb\u2066c\x1b[2J") == r"a\u202eb\u2066c\x1b[2J"
    for text in ("naïve café 犬", "👩\u200d🚀", "نص\u200fعربي", "two\u00a0words", "a\tb\nc"):
        assert visible(text) == text
    assert markdown_text("a\u202eb") == r"a\\u202eb"
    assert "\u202e" not in latex_text("a\u202eb")


def test_the_packages_own_markup_is_left_alone():
    from markupsafe import Markup

    template = page_template("report.css")
    assert "\u202e" not in template.render(heat=[])
    environment = template.environment
    assert environment.from_string("{{ a }} {{ b }}").render(a="<\u202e>", b=Markup("<b>\u202e</b>")) == (
        "&lt;\\u202e&gt; <b>\u202e</b>"
    )
