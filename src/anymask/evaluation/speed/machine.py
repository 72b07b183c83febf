"""What a figure was measured on; without it, it says little."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PACKAGES = ("torch", "segment-anything", "transformers", "onnxruntime", "openvino", "numpy")
# What decides how fast matrices are multiplied, best first.
_MATRIX_FLAGS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "asimd")
# Settings of the memory allocator and of OpenMP, which move CPU times by up to two.
_VARIABLES = (
    "MALLOC_MMAP_MAX_",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "LD_PRELOAD",
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The hardware and the software that matter to speed.

    Attributes:
        processor: its name as the system has it.
        matrix_instructions: the best set for matrices, "" when unknown.
        num_cpus: that this process may use.
        num_threads: that PyTorch uses.
        memory_bytes: of the machine, 0 when unknown.
        gpu: its name, or None.
        python: version.
        packages: versions of what is installed of the packages compared.
        variables: of the environment, those that change CPU times and are set.
    """

    processor: str
    matrix_instructions: str
    num_cpus: int
    num_threads: int
    memory_bytes: int
    gpu: str | None
    python: str
    packages: dict[str, str]
    variables: dict[str, str]

    def describe(self) -> str:
        """Two lines for people."""
        gpu = f", {self.gpu}" if self.gpu else ""
        instructions = f" ({self.matrix_instructions})" if self.matrix_instructions else ""
        memory = f", {self.memory_bytes / 2**30:.0f} GiB" if self.memory_bytes else ""
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        environment = " ".join(f"{name}={value}" for name, value in self.variables.items())
        return (
            f"{self.processor}{instructions}, {self.num_cpus} CPUs{memory}{gpu}, "
            f"{self.num_threads} threads\n"
            f"Python {self.python}, {versions}; environment: {environment or 'plain'}"
        )


def describe_machine() -> Machine:
    """This machine, as the running process sees it."""
    import torch

    processor, flags = _processor(Path("/proc/cpuinfo"))
    return Machine(
        processor=processor,
        matrix_instructions=next((flag for flag in _MATRIX_FLAGS if flag in flags), ""),
        num_cpus=_num_cpus(),
        num_threads=torch.get_num_threads(),
        memory_bytes=_memory_bytes(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        python=platform.python_version(),
        packages=installed_versions(_PACKAGES),
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )


def installed_versions(names: Sequence[str]) -> dict[str, str]:
    """Name to version of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    """The name and the instruction flags; a system without that file tells less."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    fields = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    flags = fields.get("flags", fields.get("Features", ""))
    return fields.get("model name", platform.machine()), frozenset(flags.split())


def _num_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    if sys.platform == "win32":
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
