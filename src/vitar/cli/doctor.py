"""``vitar doctor``: what is installed, what works, and the command that installs what does not."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vitar

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

DISTRIBUTION = "vitar-med"
CORE = "core"
"""Name of the group of packages that every command needs; the other groups are the extras of the distribution."""

TRIALS = {
    CORE: "import datasets, vitar.rollout, vitar.backends.local, vitar.data.phantoms.dataset",
    "curate": "import sklearn.feature_extraction",
    "endpoint": "import vitar.backends.endpoint",
    "medical": "import nibabel, pydicom",
    "eval": "import statsmodels.stats.proportion",
    "serve": "import fastapi, uvicorn; from transformers.cli.serve import Serve",
    "train": "import peft, torch.utils.tensorboard; from trl import GRPOTrainer, SFTTrainer",
}
"""Group -> imports that fail where an installed package is broken, or does not go with another."""

PATIENCE_S = 300
KIB, GIB = 2**10, 2**30


@dataclass(frozen=True)
class Group:
    """Packages that are installed together.

    Args:
        name: `CORE`, or an extra.
        missing: requirements that are not installed, or in another version.
        error: why the packages cannot be imported, although they are there; "" if they can.
        command: installs what is missing; "" if nothing is.
    """

    name: str
    missing: tuple[str, ...]
    error: str
    command: str

    @property
    def works(self) -> bool:
        return not self.missing and not self.error


@dataclass(frozen=True)
class Device:
    """The processor or a GPU; ``memory_gib`` is the machine's for a processor, None if unknown."""

    name: str
    memory_gib: float | None


@dataclass(frozen=True)
class Checkup:
    """Everything that was found.

    Args:
        versions: package -> installed version, None if it is not installed.
        cores: processors that this process may use.
        devices: the processor, then every GPU that torch can use.
        free_gib: memory that is free now, None if unknown.
        fast_bf16: whether training uses bfloat16 here; None if torch could not be asked.
        models: embedded model -> whether its weights are there.
        cache: folder of models from the Hub.
    """

    versions: dict[str, str | None]
    cores: int
    devices: tuple[Device, ...]
    free_gib: float | None
    fast_bf16: bool | None
    groups: tuple[Group, ...]
    models: dict[str, bool]
    cache: str
    cache_writable: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """What every installation has to have and this one has not. Extras and a cache are for some uses only."""
        found = [
            f"{group.name}: {group.error or 'missing ' + ', '.join(group.missing)}"
            for group in self.groups
            if group.name == CORE and not group.works
        ]
        absent = [name for name, present in self.models.items() if not present]
        if absent:
            found.append(f"the embedded models {', '.join(absent)} have no weights; reinstall {DISTRIBUTION}")
        return tuple(found)


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``doctor`` to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the installation",
        description="Report versions, devices, memory, and which extras work. Exit code 0, or 1 if something that "
        "every command needs is broken.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 1 if something required is broken."""
    checkup = examine()
    if args.json:
        sys.stdout.write(json.dumps(_record(checkup)) + "\n")
    else:
        sys.stdout.write(_report(checkup))
    return 1 if checkup.problems else 0


def examine() -> Checkup:
    """Looks at this installation and this machine; imports torch only where that is known to work."""
    requirements = requirements_by_group()
    groups = _groups(requirements)
    core_works = groups[0].works
    names = dict.fromkeys(requirement.name for group in requirements.values() for requirement in group)
    cache = _hub_cache()
    versions: dict[str, str | None] = {"python": platform.python_version(), "vitar": vitar.__version__}
    return Checkup(
        versions=versions | {name: _version(name) for name in names},
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        devices=(Device(_processor_name(), _memory_gib("MemTotal")), *(_gpus() if core_works else ())),
        free_gib=_memory_gib("MemAvailable"),
        fast_bf16=_fast_bf16() if core_works else None,
        groups=groups,
        models=_embedded_models() if core_works else {},
        cache=str(cache),
        cache_writable=_is_writable(cache),
    )


def requirements_by_group() -> dict[str, list[Requirement]]:
    """The requirements of the installed distribution that apply here, core first, then one group per extra.

    Where the distribution is not installed, as when the source is run as it lies, there is only an empty core.
    """
    from packaging.requirements import Requirement

    groups: dict[str, list[Requirement]] = {CORE: []}
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return groups
    for line in lines:
        requirement = Requirement(line)
        extra = re.search(r"extra == [\"']([^\"']+)[\"']", line)
        name = extra[1] if extra else CORE
        if requirement.name == DISTRIBUTION:  # an extra that includes others, which are listed under their own names
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra[1] if extra else ""}):
            groups.setdefault(name, []).append(requirement)
    return groups


def _groups(requirements: dict[str, list[Requirement]]) -> tuple[Group, ...]:
    """Every group with what is missing; the imports of those that are complete are tried side by side."""
    missing = {name: tuple(_lacking(group)) for name, group in requirements.items()}
    trials = {
        name: subprocess.Popen([sys.executable, "-c", TRIALS[name]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for name in requirements
        if name in TRIALS and not missing[name]
    }
    errors = {name: _outcome(trial) for name, trial in trials.items()}
    return tuple(
        Group(name, missing[name], errors.get(name, ""), _install_command(missing[name])) for name in requirements
    )


def _lacking(requirements: Sequence[Requirement]) -> Iterator[str]:
    """The requirements that are not met, without their markers."""
    for requirement in requirements:
        found = _version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name}{requirement.specifier}"


def _install_command(missing: Sequence[str]) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *missing]) if missing else ""


def _outcome(trial: subprocess.Popen[bytes]) -> str:
    """The last line of what a failed import printed, or ""."""
    try:
        _, printed = trial.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        trial.kill()
        trial.communicate()
        return f"importing the packages took more than {PATIENCE_S} s"
    if trial.returncode == 0:
        return ""
    lines = printed.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"importing the packages ended with code {trial.returncode}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpus() -> Iterator[Device]:
    import torch

    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        yield Device(gpu.name, gpu.total_memory / GIB)


def _fast_bf16() -> bool:
    from vitar.run_record import bf16_is_fast

    return bf16_is_fast()


def _processor_name() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib(line: str) -> float | None:
    """A line of Linux's account of its memory, which counts in KiB; None on other systems."""
    account = Path("/proc/meminfo")
    found = re.search(rf"^{line}:\s+(\d+) kB$", account.read_text(), re.MULTILINE) if account.is_file() else None
    return int(found[1]) * KIB / GIB if found else None


def _embedded_models() -> dict[str, bool]:
    from vitar.backends.pretrained import EMBEDDED_MODELS, ModelError, resolve

    present = {}
    for name in EMBEDDED_MODELS:
        try:
            resolve(name)
            present[name] = True
        except ModelError:
            present[name] = False
    return present


def _hub_cache() -> Path:
    """Where huggingface_hub keeps models, by its own rules: the environment, else a folder of the user's."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in the folder, or it can be made itself."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _record(checkup: Checkup) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    groups = [{**asdict(group), "works": group.works} for group in checkup.groups]
    return {**asdict(checkup), "groups": groups, "problems": checkup.problems, "ok": not checkup.problems}


def _report(checkup: Checkup) -> str:
    """The checkup for a person to read; what is wrong stands at the end."""
    installed = {name: found for name, found in checkup.versions.items() if found is not None}
    width = max(map(len, installed))
    lines = ["versions", *(f"  {name:<{width}}  {found}" for name, found in installed.items()), "devices"]
    for number, device in enumerate(checkup.devices):
        facts = [f"{checkup.cores} cores" if number == 0 else "GPU"]
        facts += [f"{device.memory_gib:.0f} GiB"] if device.memory_gib is not None else []
        facts += [f"{checkup.free_gib:.0f} GiB free"] if number == 0 and checkup.free_gib is not None else []
        lines.append(f"  {device.name}: {', '.join(facts)}")
    if checkup.fast_bf16 is not None:
        lines.append(f"  training uses {'bfloat16' if checkup.fast_bf16 else 'float32, bfloat16 is not faster here'}")
    lines.append("packages")
    for group in checkup.groups:
        state = "works" if group.works else group.error or f"missing {', '.join(group.missing)}"
        lines.append(f"  {group.name:<6} {state}")
        lines += [f"         {group.command}"] if group.command else []
    lines.append("models")
    lines += [f"  {name:<10} {'present' if present else 'no weights'}" for name, present in checkup.models.items()]
    lines.append(f"  Hub cache  {checkup.cache} ({'writable' if checkup.cache_writable else 'not writable'})")
    lines.append("")
    lines += [f"problem: {problem}" for problem in checkup.problems] or ["everything that is required works"]
    return "\n".join(lines) + "\n"
