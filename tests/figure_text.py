"""Where the texts of a figure lie."""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg


def texts(figure):
    """What is legible on a drawn figure: (words, box in pixels)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        if axes.axison:
            found += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
            found += [*_ticks(axes.xaxis), *_ticks(axes.yaxis)]
    if figure._suptitle is not None and figure._suptitle not in found:
        found.append(figure._suptitle)
    visible = (text for text in found if text.get_visible() and text.get_text().strip())
    return [(text.get_text(), text.get_window_extent(renderer)) for text in visible]


def _ticks(axis):
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def outside(figure, slack=1.0):
    """Texts that leave the figure by more than `slack` pixels."""
    box = figure.bbox
    return [
        words
        for words, text in texts(figure)
        if text.x0 < box.x0 - slack
        or text.x1 > box.x1 + slack
        or text.y0 < box.y0 - slack
        or text.y1 > box.y1 + slack
    ]


def overlapping(figure, slack=1.0):
    """Pairs of texts whose boxes share more than `slack` pixels in both directions."""
    return [
        (first, second)
        for (first, one), (second, other) in itertools.combinations(texts(figure), 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > slack
        and min(one.y1, other.y1) - max(one.y0, other.y0) > slack
    ]
