"""Flame graphs, the root on top. As SVG text: one picture without a script, whose boxes
tell the rest as tooltips, readable on a light and on a dark page. As plain text.
"""

from html import escape
from zlib import crc32

_ROW = 18  # pixels
_WIDTH = 1000
_LEAST = 0.5  # pixels; narrower boxes are not drawn
_CHARACTER = 6.6  # pixels, about
_DEEPEST = 200  # rows

_STYLE = """\
.pf rect{stroke:#fff;stroke-width:.4}
.pf text{font:11px ui-monospace,monospace;fill:#1b1b1b;pointer-events:none}
.pf g:hover rect{stroke:#000;stroke-width:1}
"""


class _Box:
    """A chain of frames: all that was measured below it, and its own part."""

    __slots__ = ("all", "children", "own")

    def __init__(self):
        self.all = self.own = 0
        self.children = {}


def _tree(stacks):
    root = _Box()
    for stack in stacks:
        box = root
        box.all += stack["value"]
        for name in stack["frames"]:
            box = box.children.setdefault(name, _Box())
            box.all += stack["value"]
        box.own += stack["value"]
    return root


def _place(root, whole, least):
    """(box, name, x, width, row) of all that is wide enough, parents first; `whole` is
    the root's width."""
    scale = whole / root.all
    todo = [(root, "all", 0.0, 0)]
    while todo:
        box, name, x, row = todo.pop()
        yield box, name, x, box.all * scale, row
        for child, name in sorted(
            ((c, n) for n, c in box.children.items()), key=lambda pair: -pair[0].all
        ):
            if child.all * scale >= least and row + 1 < _DEEPEST:
                todo.append((child, name, x, row + 1))
            x += child.all * scale


def _color(name, row):
    """The same for a name in every picture: warm, light enough for dark letters."""
    if row == 0:
        return "#c9c9c9"
    mixed = crc32(name.encode("utf-8", "surrogatepass"))
    return f"hsl({mixed % 50} {70 + mixed // 50 % 25}% {62 + mixed // 1250 % 12}%)"


def _put(box, name, x, width, row, whole):
    room = int((width - 6) / _CHARACTER)
    label = _label(name)  # the tooltip has the file
    label = label if len(label) <= room else label[: room - 1] + "\u2026"
    text = f'<text x="{x + 3:.2f}" y="{row * _ROW + 12.5}">{escape(label)}</text>'
    return (
        f"<g><title>{escape(name)}\n{box.all / whole:.1%}, own {box.own / whole:.1%}"
        f'</title><rect x="{x:.2f}" y="{row * _ROW}" width="{width:.2f}" '
        f'height="{_ROW - 1}" rx="1.5" fill="{_color(name, row)}"/>'
        f"{text if room >= 2 else ''}</g>"
    )


def _label(name):
    """Without the file."""
    return name.rpartition(":")[2] or name


def text(stacks, width=78, rows=20):
    """Lines of boxes, "|name  |": the upper rows of the stacks that svg() takes, and how
    many rows are below them; "" when there is nothing to show."""
    root = _tree(stacks)
    lines = []
    if root.all > 0:
        for _, name, x, part, row in _place(root, width, 2):
            if row == len(lines):
                lines.append([" "] * (width + 1))
            at, end = round(x), round(x + part)
            label = _label(name)[: end - at - 1].ljust(end - at - 1)
            lines[row][at : end + 1] = f"|{label}|"
    shown = "".join(f"  {''.join(line).rstrip()}\n" for line in lines[:rows])
    left = len(lines) - rows
    return shown + (f"  ... and {left} more rows\n" if left > 0 else "")


def svg(stacks, title):
    """Of [{"frames": [outermost, ...], "value": own amount}], as ProfilerResult.stacks
    has them; "" when there is nothing to show."""
    root = _tree(stacks)
    if root.all <= 0:
        return ""
    placed = list(_place(root, _WIDTH, _LEAST))
    height = (max(row for *_, row in placed) + 1) * _ROW
    boxes = "\n".join(_put(*box, root.all) for box in placed)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pf" role="img" '
        f'aria-label="{escape(title)}" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" style="max-width:100%;height:auto">\n'
        f"<style>{_STYLE}</style>\n{boxes}\n</svg>"
    )
