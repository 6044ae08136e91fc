from collections.abc import Sequence
from os import PathLike
from typing import Any, Final, Literal

from typing_extensions import Self

DEFAULT_OUTPUT_DIR: Final = "profiling_results"

class ProfileConfig:
    @property
    def line_profiling(self) -> bool: ...
    @property
    def memory_profiling(self) -> bool: ...
    @property
    def call_profiling(self) -> bool: ...
    @property
    def sampling_profiling(self) -> bool: ...
    @property
    def output_dir(self) -> str | None: ...
    @property
    def create_visualizations(self) -> bool: ...
    @property
    def name(self) -> str | None: ...
    @property
    def store(self) -> bool | str: ...
    @property
    def sampling_interval(self) -> float: ...
    @property
    def memory_interval(self) -> float: ...
    @property
    def c_functions(self) -> bool: ...
    @property
    def functions(self) -> tuple[str, ...]: ...
    @property
    def on_conflict(self) -> Literal["raise", "skip"]: ...
    def __init__(
        self,
        *,
        line_profiling: bool = True,
        memory_profiling: bool = True,
        call_profiling: bool = True,
        sampling_profiling: bool = True,
        output_dir: str | PathLike[str] | None = None,
        create_visualizations: bool = False,
        name: str | None = None,
        store: bool | str | PathLike[str] = True,
        sampling_interval: float = 0.001,
        memory_interval: float = 0.1,
        c_functions: bool = True,
        functions: Sequence[str] = (),
        on_conflict: Literal["raise", "skip"] = "raise",
    ) -> None: ...
    def as_dict(self) -> dict[str, Any]: ...
    def replace(
        self,
        *,
        line_profiling: bool = ...,
        memory_profiling: bool = ...,
        call_profiling: bool = ...,
        sampling_profiling: bool = ...,
        output_dir: str | PathLike[str] | None = ...,
        create_visualizations: bool = ...,
        name: str | None = ...,
        store: bool | str | PathLike[str] = ...,
        sampling_interval: float = ...,
        memory_interval: float = ...,
        c_functions: bool = ...,
        functions: Sequence[str] = ...,
        on_conflict: Literal["raise", "skip"] = ...,
    ) -> Self: ...
    def with_minimal_overhead(self) -> Self: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
