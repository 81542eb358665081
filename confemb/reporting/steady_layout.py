"""A layout of figures that comes out the same to the last bit."""

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Far below what shows, far above what differs.
_DECIMALS = 9


class SteadyLayout(ConstrainedLayoutEngine):
    """Matplotlib's constrained layout, with rounded places.

    Its solver takes constraints in an order that depends on where they lie in memory, and so do the last bits of its
    places. Matplotlib derives names in an SVG from them: now and then the same figure would have other bytes.
    """

    def execute(self, fig: Figure) -> None:
        """Place the axes of a figure."""
        super().execute(fig)
        for axes in fig.axes:
            # Setting a place by hand takes the axes out of the layout.
            laid_out = axes.get_in_layout()
            x, y, width, height = (round(side, _DECIMALS) for side in axes.get_position(original=True).bounds)
            axes.set_position((x, y, width, height), which="original")
            axes.set_in_layout(laid_out)
