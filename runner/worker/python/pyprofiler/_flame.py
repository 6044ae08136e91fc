"""Flame graphs as plain text, the root on top. (As a picture: format "flamegraph".)"""

_LEAST = 2  # columns; narrower boxes are not drawn
_DEEPEST = 200  # rows


class _Box:
    """A chain of frames and all that was measured below it."""

    __slots__ = ("all", "children")

    def __init__(self):
        self.all = 0
        self.children = {}


def _tree(stacks):
    root = _Box()
    for stack in stacks:
        box = root
        box.all += stack["value"]
        for name in stack["frames"]:
            box = box.children.setdefault(name, _Box())
            box.all += stack["value"]
    return root


def _place(root, whole):
    """(name, x, width, row) of all that is wide enough, parents first; `whole` is the
    root's width."""
    scale = whole / root.all
    todo = [(root, "all", 0.0, 0)]
    while todo:
        box, name, x, row = todo.pop()
        yield name, x, box.all * scale, row
        for child, name in sorted(
            ((c, n) for n, c in box.children.items()), key=lambda pair: -pair[0].all
        ):
            if child.all * scale >= _LEAST and row + 1 < _DEEPEST:
                todo.append((child, name, x, row + 1))
            x += child.all * scale


def text(stacks, width=78, rows=20):
    """Lines of boxes, "|name  |", of [{"frames": [outermost, ...], "value": own amount}]
    as ProfilerResult.stacks has them: the upper rows, and how many are below them; ""
    when there is nothing to show."""
    root = _tree(stacks)
    lines = []
    if root.all > 0:
        for name, x, part, row in _place(root, width):
            if row == len(lines):
                lines.append([" "] * (width + 1))
            at, end = round(x), round(x + part)
            label = name.rpartition(":")[2] or name  # without the file
            label = label[: end - at - 1].ljust(end - at - 1)
            lines[row][at : end + 1] = f"|{label}|"
    shown = "".join(f"  {''.join(line).rstrip()}\n" for line in lines[:rows])
    left = len(lines) - rows
    return shown + (f"  ... and {left} more rows\n" if left > 0 else "")
