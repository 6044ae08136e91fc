from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar, overload

from typing_extensions import ParamSpec, Self

from pyprofiler._config import DEFAULT_OUTPUT_DIR as DEFAULT_OUTPUT_DIR
from pyprofiler._config import ProfileConfig as ProfileConfig
from pyprofiler._results import Conflict as Conflict
from pyprofiler._results import ConflictError as ConflictError
from pyprofiler._results import ProfilerResult as ProfilerResult
from pyprofiler._results import holder_of as holder_of

_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)
_R = TypeVar("_R")
_F = TypeVar("_F", bound=Callable[..., Any])

# A decorated function: its last session is an attribute.
class _Profiled(Protocol[_P, _R_co]):
    session: ProfileSession | None
    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

class ProfileSession:
    config: ProfileConfig
    results: dict[str, ProfilerResult]
    conflicts: list[Conflict]
    files: list[str]
    reason: str | None
    traceback: str | None
    run_id: str | None
    store_path: str | None
    def __init__(self, config: ProfileConfig | None = None) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
    def __call__(self, function: Callable[_P, _R]) -> _Profiled[_P, _R]: ...
    def mark(self, name: object, /) -> None: ...
    @property
    def duration(self) -> float: ...
    @property
    def duration_ns(self) -> int: ...
    @property
    def started_ns(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def ended(self) -> bool: ...
    @property
    def case(self) -> str | None: ...
    @property
    def status(self) -> Literal["new", "running", "ok", "failed"]: ...
    @property
    def result_ids(self) -> dict[str, str]: ...
    def get_completed_profilers(self) -> list[str]: ...
    def get_running_profilers(self) -> list[str]: ...
    def export(
        self,
        profiler: str,
        format: str,
        *,
        sort: str | None = ...,
        top_k: int = ...,
        strip_dirs: bool = ...,
        time_unit: str | None = ...,
        color: bool = ...,
        picture: Mapping[str, object] = ...,
    ) -> bytes: ...
    def report(self) -> str: ...
    def save(
        self, folder: str | PathLike[str], pictures: bool = True
    ) -> list[str]: ...

class ProfilerSuite:
    config: ProfileConfig
    def __init__(self, config: ProfileConfig | None = None) -> None: ...
    def profile(
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
    ) -> ProfileSession: ...
    # On an instance they do the same, with its configuration.
    @classmethod
    def enable_profiling(cls, config: ProfileConfig | None = None) -> ProfileSession: ...
    @classmethod
    def disable_profiling(cls) -> ProfileSession | None: ...

def enable_profiling(config: ProfileConfig | None = None) -> ProfileSession: ...
def disable_profiling() -> ProfileSession | None: ...
@overload
def profile(function: _F, /, name: str | None = None) -> _F: ...
@overload
def profile(name: str, /) -> Callable[[_F], _F]: ...
@overload
def profile(*, name: str) -> Callable[[_F], _F]: ...  # type: ignore[overload-overlap]
@overload
def profile(
    config: ProfileConfig | None = None,
    /,
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
) -> ProfileSession: ...
