"""Places the labels of points in a plot so that none is printed over another label, a point or the legend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# Offset from the point [points], horizontal and vertical alignment; first the upper left, the free side of a
# frontier.
_PLACES = (
    (-5, 5, "right", "bottom"),
    (5, -5, "left", "top"),
    (5, 5, "left", "bottom"),
    (-5, -5, "right", "top"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
    (-5, 14, "right", "bottom"),
    (5, -14, "left", "top"),
    (5, 14, "left", "bottom"),
    (-5, -14, "right", "top"),
)
_MARKER = 4.0


@dataclass(frozen=True, slots=True)
class Point:
    """A point to be labelled, in the data's own units."""

    name: str
    x: float
    y: float


def place_labels(axes: "Axes", points: Sequence[Point], *, obstacles: Sequence[Point] = (), colour: str) -> None:
    """Label the points in their order; a point without room for its label stays without one.

    Call it when everything else is drawn: the places follow from the final size of the axes.

    Args:
        axes: The axes with the points.
        points: Points to label, the most important first.
        obstacles: More points that no label may cover.
        colour: Colour of the text.
    """
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    scale = figure.dpi / 72.0
    frame = axes.get_window_extent()
    taken: list[Bbox] = []
    for point in (*points, *obstacles):
        x, y = axes.transData.transform((point.x, point.y))
        half = _MARKER * scale
        taken.append(Bbox.from_extents(x - half, y - half, x + half, y + half))
    if (legend := axes.get_legend()) is not None:
        taken.append(legend.get_window_extent())
    for point in points:
        for right, up, horizontal, vertical in _PLACES:
            label = axes.annotate(
                point.name,
                (point.x, point.y),
                xytext=(right, up),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                fontsize=8,
                color=colour,
                path_effects=[withStroke(linewidth=2.0, foreground="white")],
            )
            box = label.get_window_extent()
            if _is_within(box, frame) and not any(box.overlaps(each) for each in taken):
                # The layout must not make the axes smaller for a label inside them.
                label.set_in_layout(False)
                taken.append(box)
                break
            label.remove()


def _is_within(box: "Bbox", frame: "Bbox") -> bool:
    return bool(frame.x0 <= box.x0 and frame.y0 <= box.y0 and box.x1 <= frame.x1 and box.y1 <= frame.y1)
