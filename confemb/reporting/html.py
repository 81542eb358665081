"""The HTML page: one file that opens offline, on a phone and in the dark."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from confemb.analysis.derived import Analysis, source_name
from confemb.reporting import result_tables
from confemb.reporting.agreement_table import agreement_tables
from confemb.reporting.figures import MOST_NAMED_ROWS, reference_caption
from confemb.reporting.findings import chance_sentence, facts, finding, group_sentence, run_sentence, seeds_sentence
from confemb.reporting.reliability_table import reliability_table
from confemb.reporting.style import diverging_map
from confemb.reporting.tables import Table
from confemb.support.errors import visible

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

# Steps of the colour scale behind the cosines in a table: an odd number, so that one is 0.
HEAT_STEPS = 21
LONGEST_VALUE = 2000


@dataclass(frozen=True)
class PageFigure:
    """A figure within the page.

    Attributes:
        uri: the picture as a data: address.
        width: its width on a wide screen, in CSS pixels.
        fits: whether it can still be read as narrow as a phone; others scroll there.
    """

    uri: str
    width: int
    fits: bool


def render_page(analysis: Analysis, figures: Mapping[str, PageFigure], manifest: Mapping[str, Any]) -> str:
    """Return the whole page, with the manifest at its end; every text is escaped, scripts are allowed by hash only."""
    from markupsafe import Markup

    style = page_style()
    script = "" if analysis.whole else _read("report.js")
    plain = {
        "separation": result_tables.separation_table(analysis),
        "seeds": result_tables.seeds_table(analysis),
        "reliability": reliability_table(analysis),
        "accuracy": result_tables.accuracy_table(analysis),
        "pairs": result_tables.pairs_table(analysis),
        "clusters": None if analysis.whole else result_tables.cluster_table(analysis),
    }
    return page_template("report.html.j2").render(
        title=analysis.result.title,
        description=analysis.result.description,
        whole=analysis.whole,
        clusters_named=len(analysis.class_names) > MOST_NAMED_ROWS,
        groups=analysis.result.groups,
        finding=finding(analysis),
        facts=facts(analysis),
        agreements=agreement_tables(analysis),
        contents=_contents(analysis, plain, figures),
        figures=figures,
        columns=_columns(analysis),
        column_note=result_tables.column_note(analysis),
        group_sentence=group_sentence(analysis),
        seeds_sentence=seeds_sentence(analysis),
        chance_sentence=chance_sentence(analysis),
        reference_caption=reference_caption(analysis),
        item=analysis.result.item,
        run_sentence=run_sentence(analysis),
        manifest=flatten(manifest),
        style=style,
        # The package's own file: no text of the user's stands in it.
        script=Markup(script),
        style_hash=content_hash(style),
        script_hash=content_hash(script),
        **plain,
    )


def _read(name: str) -> str:
    return resources.files("confemb.reporting").joinpath(name).read_text(encoding="utf-8")


def page_template(name: str) -> "Template":
    """Return a template of the package: what is put into it is escaped, a name that is not given is an error."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined, finalize=_shown
    )
    environment.filters["minus"] = minus_signs
    return environment.from_string(_read(name))


def _shown(value: Any) -> Any:
    """Show what cannot be seen in a user's text; the package's own, which is marked as safe, stays as it is."""
    return visible(value) if type(value) is str else value


def page_style() -> "Markup":
    """Return the style sheet of all pages, in which no text of the user's stands."""
    from markupsafe import Markup

    return Markup(page_template("report.css").render(heat=_heat_colours()))


def content_hash(text: str) -> str:
    """Return the SHA-256 of an inline style or script as a content-security policy wants it."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _heat_colours() -> list[dict[str, str]]:
    """Return fill and ink of each step of the colour scale, dark ink on light and light on dark."""
    from matplotlib.colors import to_hex

    colours = []
    for step in range(HEAT_STEPS):
        red, green, blue, _ = diverging_map()(step / (HEAT_STEPS - 1))
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45
        colours.append({"fill": to_hex((red, green, blue)), "ink": "#1c2530" if light else "#ffffff"})
    return colours


def heat_step(cosine: float) -> int:
    """Return the colour step of a cosine: 0 for -1, the last one for 1."""
    return round((min(max(cosine, -1.0), 1.0) + 1.0) / 2.0 * (HEAT_STEPS - 1))


def _columns(analysis: Analysis) -> list[Any]:
    """Return the column tables as the template wants them: rows of cells, or a list for each class."""

    def cell(neighbour: result_tables.Neighbour) -> dict[str, Any]:
        return {
            "name": neighbour.name,
            "cosine": minus_signs(result_tables.cosine_text(neighbour.cosine, neighbour.two)),
            "heat": heat_step(neighbour.cosine),
            "intervals": [
                (source_name(analysis, source), minus_signs(text))
                for source, text in result_tables.intervals_of(neighbour).items()
            ],
            "reference": minus_signs(neighbour.reference_text),
        }

    found = result_tables.column_tables(analysis)
    if not analysis.whole:
        return [(name, [cell(n) for n in column]) for name, column in found[0].columns]
    return [
        {
            "title": table.title,
            "columns": table.columns,
            "rows": [[cell(n) for n in row] for row in zip(*(column for _, column in table.columns), strict=True)],
        }
        for table in found
    ]


def minus_signs(text: str) -> str:
    """Set hyphens before numbers as minus signs."""
    return re.sub(r"(?<![\w.-])-(?=\d)", "−", text)


def _contents(
    analysis: Analysis, plain: Mapping[str, Table | None], figures: Mapping[str, PageFigure]
) -> list[tuple[str, str]]:
    """Return (anchor, text) of the sections that the page has."""
    classifier = plain["accuracy"] is not None or "training" in figures or "examples" in figures
    sections = [
        ("similarity", "Similarities", True),
        ("tables", "Tables" if analysis.whole else "Look up a class", True),
        ("pairs", "Strongest pairs", not analysis.whole),
        ("clusters", "Clusters", not analysis.whole),
        ("groups", "Groups", plain["separation"] is not None),
        ("agreement", "Agreement", bool(analysis.compared)),
        ("seeds", "Uncertainty", True),
        ("classifier", "Classifier", classifier),
        ("run", "What was run", True),
    ]
    return [(anchor, text) for anchor, text, there in sections if there]


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested dicts as ("a.b", value) lines; long lists and texts are cut."""
    if isinstance(value, Mapping) and (value or not prefix):
        return [
            line for key, inner in value.items() for line in flatten(inner, f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(value, list | tuple):
        if any(isinstance(inner, Mapping) for inner in value):
            return [line for i, inner in enumerate(value) for line in flatten(inner, f"{prefix}.{i}")]
        text = ", ".join(str(inner) for inner in value)
    else:
        text = "–" if value is None else str(value)
    return [(prefix, text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + " …")]
