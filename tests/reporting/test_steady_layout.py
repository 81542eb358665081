from confemb.reporting import style


def test_places_are_rounded_and_axes_stay_in_the_layout():
    figure = style.new_figure(4, 3)
    left, right = figure.subplots(1, 2)
    left.set_title("of a third of the width, about")
    right.set_ylabel("a label\nof two lines")
    right.set_in_layout(False)
    for _ in range(2):
        figure.draw_without_rendering()
    for axes in (left, right):
        sides = axes.get_position(original=True).bounds
        assert all(side == round(side, 9) for side in sides[:2])
        assert all(abs(side - round(side, 9)) < 1e-15 for side in sides[2:])
    assert left.get_in_layout()
    assert not right.get_in_layout()
    # Laid out, not left where subplots put them.
    assert left.get_position(original=True).x0 != 0.125
