"""Writing the page: one file, which asks no server for anything."""

import base64
import html
import os
from dataclasses import dataclass
from importlib import resources

from confemb.reporting.explorer.pack import pack
from confemb.reporting.explorer.records import Comparison, ExplorerData
from confemb.reporting.html import content_hash
from confemb.support.errors import ConfembError, visible
from confemb.support.files import write_text
from confemb.support.version import __version__

MANY_CLASSES = 100


@dataclass(frozen=True)
class ExplorerPage:
    """An explorer as HTML; a notebook shows it in a frame.

    Attributes:
        html: the whole page.
        height: the frame's height, in pixels.
    """

    html: str
    height: int = 820

    def _repr_html_(self) -> str:
        """Return a frame that holds the page, cut off from the notebook around it."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {self.height}px; border: 0" title="confemb explorer"></iframe>'
        )


def default_budget(classes: int) -> float:
    """Return how many megabytes of a page its items may take: 3, or 8 with more than 100 classes."""
    return 3.0 if classes <= MANY_CLASSES else 8.0


def render_explorer(
    data: ExplorerData,
    other: ExplorerData | None = None,
    comparison: Comparison | None = None,
    *,
    budget: float | None = None,
) -> ExplorerPage:
    """Return the page of one result, or of B (`other`) over A (`data`).

    Args:
        data: the result; A where there are two.
        other: B, over the same classes.
        comparison: which changes from A to B stand beyond chance.
        budget: megabytes for pictures, texts and ids; see `default_budget`.

    Raises:
        ConfembError: a budget that is not above zero, or two results of different classes.
    """
    import jinja2
    from markupsafe import Markup

    megabytes = default_budget(len(data.class_names)) if budget is None else budget
    if not 0 < megabytes <= 500:
        raise ConfembError(f"the budget is {megabytes:g} MB; it must be above 0 and at most 500.")
    block = pack(data, other, comparison, budget=int(megabytes * 1_000_000))
    style, script = _read("explorer.css"), _read("explorer.js")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    # Style, script and Base64 are the package's own text: nothing of the user's stands in them as it is.
    text = environment.from_string(_read("explorer.html.j2")).render(
        title=visible(data.title),
        style=Markup(style),
        script=Markup(script),
        style_hash=content_hash(style),
        script_hash=content_hash(script),
        data=Markup(base64.b64encode(block).decode("ascii")),
        version=__version__,
    )
    return ExplorerPage(text)


def write_explorer(
    path: str | os.PathLike[str],
    data: ExplorerData,
    other: ExplorerData | None = None,
    comparison: Comparison | None = None,
    *,
    budget: float | None = None,
) -> None:
    """Write the page of one result, or of B over A, whole or not at all; see `render_explorer`."""
    write_text(path, render_explorer(data, other, comparison, budget=budget).html)


def _read(name: str) -> str:
    return resources.files("confemb.reporting.explorer").joinpath(name).read_text(encoding="utf-8")
