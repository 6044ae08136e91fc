from collections.abc import Callable

mark: Callable[[str], None]
