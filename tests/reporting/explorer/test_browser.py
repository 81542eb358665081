"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import dataclasses
import shutil

import numpy as np
import pytest

from confemb.analysis.clustering import place_on_map, seriate
from confemb.records.similarity import SimilarityMatrix
from confemb.reporting.explorer.page import write_explorer
from confemb.reporting.explorer.records import Comparison, ExplorerData, ExplorerItems

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not here: pip install 'confemb[test-browser]'"
)
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium"),
]


def made(names, seed=0, items=400, pictures=False):
    """Return a classifier that takes classes for their neighbours, with its items."""
    size = len(names)
    generator = np.random.default_rng(seed)
    labels = np.arange(items) % size
    shift = generator.choice([0, 0, 0, 1, 1, 2], size=items)
    top = np.stack([(labels + shift) % size, (labels + shift + 1) % size], axis=1)
    first = generator.uniform(0.5, 1.0, items)
    probs = np.stack([first, 1 - first], axis=1)
    code, counts = np.unique(labels * size + top[:, 0], return_counts=True)
    angle = np.linspace(0, np.pi, size)
    similarity = SimilarityMatrix(np.cos(angle[:, None] - angle[None]), tuple(names))
    seriation, (places, kept) = seriate(similarity), place_on_map(similarity)
    images = generator.integers(0, 256, (items, 8, 8, 3), dtype=np.uint8)
    right = labels == top[:, 0]
    return ExplorerData(
        title="A made-up classifier",
        name=f"seed {seed}",
        class_names=tuple(names),
        true=code // size,
        predicted=code % size,
        counts=counts.astype(float),
        hits=np.bincount(labels[right], minlength=size).astype(float),
        cosine=similarity.values,
        intervals={"seeds": (similarity.values - 0.05, np.minimum(similarity.values + 0.05, 1), 20)},
        tree=seriation.tree,
        order=seriation.order,
        places=places,
        kept=kept,
        items=ExplorerItems(
            labels,
            top,
            probs,
            [f"item{i}" for i in range(items)],
            pictures=(lambda rows: images[rows]) if pictures else None,
        ),
    )


LETTERS = [f"class {letter}" for letter in "abcdefgh"]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that writes a page and opens it; afterwards nothing was said or asked for."""
    said, asked = [], []
    contexts = []

    def open_page(data, other=None, comparison=None, *, fragment="", **settings):
        path = tmp_path / "explorer.html"
        write_explorer(path, data, other, comparison)
        context = browser.new_context(**({"viewport": {"width": 1400, "height": 900}} | settings))
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("html[data-ready=yes]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("file:")] == []


def count(data, t, p):
    cell = (data.true == t) & (data.predicted == p)
    return int(data.counts[cell].sum())


def test_the_table_has_the_results_values(opened):
    data = made(LETTERS)
    page = opened(data)
    rows = page.locator("#table tbody tr").all()
    off = data.true != data.predicted
    assert len(rows) == off.sum()
    for row in rows:
        cells = row.locator("th, td").all_inner_texts()
        t, p = (LETTERS.index(name) for name in cells[:2])
        n = count(data, t, p)
        assert cells[2] == str(n)
        assert cells[3] == f"{100 * n / data.support[t]:.1f} %"
        assert cells[4] == f"{100 * n / data.named[p]:.1f} %"
        assert cells[5].replace("−", "-") == f"{data.cosine[t, p]:.2f}"


def test_a_click_on_a_cell_shows_its_items(opened):
    data = made(LETTERS, pictures=True)
    page = opened(data)
    t, p = 2, 3
    place = {int(c): i for i, c in enumerate(data.order)}
    # Where the cell lies follows from the matrix's frame, which the page lays out; a search by hovering finds it.
    box = page.locator("#matrix").bounding_box()
    target = None
    for y in range(int(box["height"]) - 20, 60, -24):
        for x in range(int(box["width"]) - 80, 100, -24):
            page.mouse.move(box["x"] + x, box["y"] + y)
            tip = page.locator("#tip strong")
            if tip.is_visible() and tip.inner_text() == f"{LETTERS[t]} → {LETTERS[p]}":
                target = (box["x"] + x, box["y"] + y)
                break
        if target:
            break
    assert target is not None, place
    page.mouse.click(*target)
    wanted = np.flatnonzero((data.items.labels == t) & (data.items.top_classes[:, 0] == p))
    wanted = wanted[np.argsort(-data.items.top_probs[wanted, 0], kind="stable")]
    shown = page.locator(".item").evaluate_all("items => items.map(item => item.dataset.id)")
    assert shown == [f"item{i}" for i in wanted[:24]]
    assert page.locator(".item canvas").count() == len(shown)
    assert "true=class+c" in page.evaluate("new Promise(done => setTimeout(() => done(location.hash), 600))")


def test_the_keyboard_reaches_a_class_and_a_cell_and_goes_back(opened):
    data = made(LETTERS)
    page = opened(data)
    page.keyboard.press("/")
    page.keyboard.type("class d")
    page.keyboard.press("Enter")
    assert page.locator("#card h2").inner_text() == "class d"
    page.keyboard.press("Escape")
    assert page.locator("#card h2").count() == 0
    page.locator("#matrix").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    said = page.locator("#live").inner_text()
    assert "→" in said or "predicted right" in said
    page.keyboard.press("Enter")
    assert page.locator("#card h2").count() == 1


def test_a_link_restores_the_view(opened):
    data = made(LETTERS)
    page = opened(data, fragment="#show=count&true=class+b&predicted=class+c&blocks=2")
    assert page.locator("#measure").input_value() == "count"
    assert "class b" in page.locator("#card h2").inner_text()
    assert page.locator("#cutvalue").inner_text() == "2 blocks"
    assert page.locator(".facts dd").first.inner_text() == str(count(data, 1, 2))


def test_two_results_show_both_and_mark_what_changed(opened):
    a, b = made(LETTERS), made(LETTERS, seed=5)
    comparison = Comparison(np.array([0]), np.array([1]), np.array([0.001]), np.full(8, 0.5))
    page = opened(a, b, comparison, fragment="#true=class+a&predicted=class+b")
    text = page.locator("#card").inner_text()
    assert "Beyond chance" in text
    change = count(b, 0, 1) / b.support[0] - count(a, 0, 1) / a.support[0]
    cells = page.locator("#table tbody tr").filter(has_text="class a").first.locator("td").all_inner_texts()
    assert len(cells) == 11
    assert any(f"{abs(100 * change):.1f} %" in row for row in page.locator("#table tbody tr").all_inner_texts())


def test_a_thousand_classes_open_as_blocks(opened):
    names = [f"n{i:04d}" for i in range(1000)]
    data = made(names, items=5000)
    page = opened(data)
    box = page.locator("#matrix").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6)
    assert page.locator("#tip strong").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("n0500")
    page.keyboard.press("Enter")
    assert page.locator("#card h2").inner_text() == "n0500"
    assert page.locator("#card .facts dd").first.inner_text() == "5"


def test_hostile_names_stay_text(opened):
    names = ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "=1+1", "\u202eevil", "ok"]
    data = made(names, items=50)
    page = opened(data, fragment="#class=ok")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert "<img src=x onerror=alert(1)>" in page.locator("#table").inner_text()
    assert "\\u202eevil" in page.locator("body").inner_text()


def test_touch_on_a_phone(opened):
    data = made(LETTERS)
    page = opened(data, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#matrix").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6)
    assert page.locator("#bar").is_visible()


def test_without_items_or_similarities_it_opens(opened):
    data = dataclasses.replace(made(LETTERS), items=None, cosine=None, intervals={})
    page = opened(data, fragment="#class=class+a")
    assert page.locator("#card h2").inner_text() == "class a"
