"""Where networks run: a GPU, the CPU, or the reference backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

from . import _shadernet
from ._arguments import Path, count, path_text, text
from ._handles import Handle, Refused
from .errors import ForkError, InputError

__all__ = ["Device", "DeviceInfo", "devices"]


@dataclass(frozen=True)
class DeviceInfo:
    """An adapter, or the CPU.

    Attributes
    ----------
    name : str
        The device's name, as its driver has it.
    backend : str
        ``"vulkan"``, ``"metal"``, ``"dx12"``, ``"gl"`` or ``"cpu"``: what `Device` takes.
    kind : str
        ``"discrete"``, ``"integrated"``, ``"virtual"``, ``"software"``, ``"other"`` or ``"cpu"``.
    driver : str
        The driver and its version.
    """

    name: str
    backend: str
    kind: str
    driver: str


def devices(backend: Optional[str] = None) -> List[DeviceInfo]:
    """List the adapters of this machine, and the CPU.

    Parameters
    ----------
    backend : str, optional
        Only those of this backend.

    Returns
    -------
    list of DeviceInfo
        The CPU is the last.

    Raises
    ------
    UnknownNameError
        For a backend that does not exist.

    Examples
    --------
    >>> import shadernet
    >>> shadernet.devices("cpu")[0].kind
    'cpu'
    """
    backend = None if backend is None else text("backend", backend)
    return [DeviceInfo(**row) for row in _shadernet.adapters(backend)]


class Device(Handle):
    """An open device, which any number of sessions share.

    Parameters
    ----------
    backend : str, optional
        ``"vulkan"``, ``"metal"``, ``"dx12"``, ``"gl"``, ``"cpu"``, or ``"reference"`` for the plain loops that the
        others are compared with. By default the best GPU, and the CPU with a `ShadernetWarning` where there is none.
        A software adapter runs only where it is asked for.
    adapter : str, optional
        A part of the adapter's name; case does not matter.
    threads : int, optional
        On the CPU, how many threads compute. By default one for each core that the process may use.
    cache : path, optional
        A folder for compiled pipelines, so that the next process need not compile them again (Vulkan only).

    Attributes
    ----------
    backend : str
        The backend that runs.
    name : str
        The device's name.
    is_software : bool
        Whether it is an adapter that computes on the CPU.
    warning : str or None
        Why another device than the best runs.

    Raises
    ------
    NoAdapterError
        Where no adapter is as requested.
    DeviceError
        Where the driver refuses.

    Notes
    -----
    A pickled device is opened anew, by these arguments, in the process that unpickles it. In a forked child of a process
    that has used a device, any use raises `ForkError`.

    Examples
    --------
    >>> import shadernet
    >>> shadernet.Device("cpu").backend
    'cpu'
    """

    def __init__(
        self,
        backend: Optional[str] = None,
        adapter: Optional[str] = None,
        *,
        threads: Optional[int] = None,
        cache: Optional[Path] = None,
    ) -> None:
        self._recipe = (
            None if backend is None else text("backend", backend),
            None if adapter is None else text("adapter", adapter),
            None if threads is None else count("threads", threads),
            None if cache is None else path_text("cache", cache),
        )
        self._native = _shadernet.Device(*self._recipe)

    @property
    def backend(self) -> str:
        return self._native.backend

    @property
    def name(self) -> str:
        return self._native.name

    @property
    def is_software(self) -> bool:
        return self._native.is_software

    @property
    def warning(self) -> Optional[str]:
        return self._native.warning

    def __repr__(self) -> str:
        return f"<shadernet.Device: {self._native}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        return _unpickled, self._recipe


# Those that sessions share, by how they are opened, and the process that opened them.
_opened: Dict[Tuple[Any, ...], Device] = {}


def _shared(
    backend: Optional[str] = None,
    adapter: Optional[str] = None,
    threads: Optional[int] = None,
    cache: Optional[str] = None,
) -> Device:
    """The device that is opened once in a process for these arguments."""
    recipe = (backend, adapter, threads, cache)
    if recipe not in _opened:
        _opened[recipe] = Device(backend, adapter, threads=threads, cache=cache)
    return _opened[recipe]


def _unpickled(*recipe: Any) -> Device:
    try:
        return _shared(*recipe)
    except ForkError as error:
        device = Device.__new__(Device)
        device._recipe = recipe
        device._native = Refused(error)  # type: ignore[assignment]
        return device


def _device(device: Union[Device, str, None]) -> Device:
    """A device, the one of a backend, or the default one."""
    if isinstance(device, Device):
        return device
    if device is not None and not isinstance(device, str):
        raise InputError(f"device: a Device or the name of a backend was expected, found {device!r}")
    return _shared(device)
