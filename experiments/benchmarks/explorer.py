"""How fast the explorer of 1,000 classes opens and zooms in headless Chromium, beside Plotly's page of the same matrix.

    python experiments/benchmarks/explorer.py EXPLORER.html [--peer PLOTLY.html]

Measures the seconds until the page can be used, the time between frames while the wheel zooms over the matrix (median
and worst), and the memory of JavaScript. Needs Playwright and Chromium (apt-get install chromium).
"""

import argparse
import shutil
import statistics
import time
from pathlib import Path

FRAMES = """() => new Promise(done => {
  const gaps = []; let last = performance.now();
  const step = now => { gaps.push(now - last); last = now;
    gaps.length < 90 ? requestAnimationFrame(step) : done(gaps.slice(2)); };
  requestAnimationFrame(step);
})"""
WHEEL = """(selector) => { const e = document.querySelector(selector);
  const b = e.getBoundingClientRect(); let n = 0;
  const turn = () => { e.dispatchEvent(new WheelEvent('wheel', {deltaY: n++ < 45 ? -60 : 60, clientX: b.x + b.width / 2,
  clientY: b.y + b.height / 2, bubbles: true, cancelable: true}));
  if (n < 90) requestAnimationFrame(turn); }; turn(); }"""


def measure(path: Path, ready: str, target: str) -> dict[str, float]:
    """Return seconds until `ready` is there, milliseconds between frames, and megabytes of JavaScript."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        started = time.monotonic()
        page.goto(path.resolve().as_uri())
        page.wait_for_selector(ready)
        seconds = time.monotonic() - started
        page.wait_for_timeout(500)
        page.evaluate(WHEEL, target)
        gaps = page.evaluate(FRAMES)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        browser.close()
    return {
        "seconds": seconds,
        "median_ms": statistics.median(gaps),
        "worst_ms": max(gaps),
        "heap_mb": metrics["JSHeapUsedSize"] / 1e6,
    }


def main() -> None:
    """Measure one page, and its peer where one is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("explorer", type=Path)
    parser.add_argument("--peer", type=Path, help="Plotly's page of the same matrix.")
    given = parser.parse_args()
    pages = [("explorer", given.explorer, "html[data-ready=yes]", "#matrix")]
    if given.peer:
        pages.append(("plotly", given.peer, ".plotly .main-svg", ".nsewdrag"))
    for name, path, ready, target in pages:
        print(name, {key: round(value, 2) for key, value in measure(path, ready, target).items()})


if __name__ == "__main__":
    main()
