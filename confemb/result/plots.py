"""Figures of a result, for a notebook or a script."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confemb.analysis.derived import Analysis
from confemb.support.errors import ConfembError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class ResultPlots:
    """The figures of a report as Matplotlib axes; `axes.figure` is the whole figure.

    Attributes:
        analysis: what is drawn.
    """

    analysis: Analysis

    def heatmap(self) -> "Axes":
        """Draw the cosine similarities as a heatmap, similar classes side by side."""
        from confemb.reporting import figures

        return self._axes(figures.heatmap, "a heatmap")

    def map(self) -> "Axes":
        """Draw the classes as points, similar ones near each other; raises ConfembError for too few classes."""
        from confemb.reporting import figures

        return self._axes(figures.class_map, "a map")

    def tree(self) -> "Axes":
        """Draw the tree of the classes; raises ConfembError for too few classes."""
        from confemb.reporting import figures

        return self._axes(figures.dendrogram, "a tree")

    def _axes(self, draw: "Callable[[Analysis], Figure | None]", what: str) -> "Axes":
        from confemb.reporting.style import figure_style

        with figure_style():
            figure = draw(self.analysis)
        if figure is None:
            raise ConfembError(f"{what} needs more than {len(self.analysis.class_names)} classes.")
        return figure.axes[0]
