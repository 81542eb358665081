"""Colours shared by the figures and the HTML page, and how figures are set and saved."""

import base64
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confemb.support.errors import visible
from confemb.support.files import whole_file

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Cosine -1 to 1: blue over near-white to orange, told apart with every common colour blindness.
DIVERGING = ("#12355b", "#2f6ea3", "#8fb8d9", "#f5f3ee", "#f3b46b", "#d4701c", "#7f2f08")
# Paul Tol's "muted" scheme, safe for colour blindness, for groups of classes.
GROUPS = ("#117733", "#aa4499", "#332288", "#999933", "#cc6677", "#44aa99", "#882255", "#88ccee", "#ddcc77")
INK, MUTED, FAINT, UNGROUPED = "#1c2530", "#5c6773", "#d5dae0", "#4a6b8a"
LONGEST_LABEL = 26
LARGE_PNG = 100_000
_TOO_FINE = re.compile(rb"(\.\d\d)\d+")

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "text.color": INK,
    # A class name may hold a dollar sign.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "white",
    "legend.frameon": False,
    # Ids in an SVG come from this salt instead of chance: the same figure gives the same bytes.
    "svg.hashsalt": "confemb",
    "svg.fonttype": "path",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Set matplotlib up for the report's figures within the block only."""
    import matplotlib
    import seaborn

    # A class name in a script that the font lacks shows as boxes; the page shows it right.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        settings: Any = {**seaborn.axes_style("ticks"), **_SETTINGS}
        with matplotlib.rc_context(settings):
            yield


def new_figure(width: float, height: float, **layout: Any) -> "Figure":
    """Return an empty figure (inches) that no window system and no pyplot state knows of.

    `layout` goes to matplotlib's `ConstrainedLayoutEngine`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from confemb.reporting.steady_layout import SteadyLayout

    figure = Figure(figsize=(width, height), layout=SteadyLayout(**layout))
    FigureCanvasAgg(figure)
    return figure


def diverging_map() -> "Colormap":
    """Return the colour map for cosines, to be used from -1 to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("confemb", DIVERGING)


def sequential_map() -> "Colormap":
    """Return the colour map for amounts: pale to dark blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("confemb amounts", ("#dbe7f1", *DIVERGING[2::-1]))


def group_colour(group: int) -> str:
    """Return the colour of a group of classes; -1 is no group."""
    return UNGROUPED if group < 0 else GROUPS[group % len(GROUPS)]


def shortened(name: str, longest: int = LONGEST_LABEL) -> str:
    """Cut a long class name for a label in a figure, and set it on one line."""
    name = visible(" ".join(name.split()))
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def shortened_apart(names: Iterable[str], longest: int = LONGEST_LABEL) -> list[str]:
    """Cut long names as `shortened` does, but so that names that differ still do.

    Names that would look alike are cut in their middle; where that does not tell them apart they stay whole.
    """
    whole = [shortened(name, len(name)) for name in names]
    head = (longest - 1) // 2
    texts = [shortened(name, longest) for name in whole]
    for cut in (lambda name: f"{name[:head]}…{name[head + 1 - longest :]}", lambda name: name):
        of_text: dict[str, set[str]] = {}
        for text, name in zip(texts, whole, strict=True):
            of_text.setdefault(text, set()).add(name)
        texts = [cut(name) if len(of_text[text]) > 1 else text for text, name in zip(texts, whole, strict=True)]
    return texts


def figure_bytes(figure: "Figure", kind: str, *, dpi: int, most: int | None = LARGE_PNG) -> bytes:
    """Return the figure as "png" or "svg"; no date and no software version, so equal figures are equal bytes.

    A PNG of more than `most` bytes gets 256 colours; None for photographs, which would show bands.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        # Also what an SVG's comments say, where some characters are not allowed at all.
        text.set_text(visible(text.get_text()))
    out = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with figure_style():
        figure.savefig(out, format=kind, dpi=dpi, metadata=metadata, bbox_inches="tight", pad_inches=0.08)
    content = out.getvalue()
    if kind == "svg":
        # Hundredths of a point are finer than shows, and lines need no indentation.
        content = re.sub(rb"\n +", b"\n", content)
        return re.sub(rb'(?<= d=")[^"]*|(?<= [xy]=")[^"]*', lambda found: _TOO_FINE.sub(rb"\1", found[0]), content)
    return content if most is None or len(content) <= most else _with_fewer_colours(content)


def _with_fewer_colours(content: bytes) -> bytes:
    """Return a drawing as a PNG of 256 colours: a third of the size, and looks the same."""
    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(content)).convert("RGB")
    # Improved until fewer pixels than these change their colour: without that a colour bar shows bands.
    image.quantize(256, kmeans=1_000, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


def save_bytes(path: Path, content: bytes) -> None:
    """Write a figure's bytes, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def data_uri(content: bytes, kind: str) -> str:
    """Return an image as a data: address, "png" or "svg"."""
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"
