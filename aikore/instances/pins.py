"""Which GPUs an instance may use. Owns what a choice means; measures nothing.

A choice is kept by the keys of its cards (UUID, of AMD the PCI address), so it means the same card after another one
was removed or plugged in. None means all, an empty list CPU only. Choices of an older AiKore are indexes; they are
taken over while all is well. A card that is not there, or does not answer, is never silently replaced.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

from typing_extensions import TypedDict

from aikore.base.errors import GpuGoneError, InvalidError, UnknownGpuError
from aikore.launch.environment import Device, Devices
from aikore.monitor.gpu import Gpu
from aikore.monitor.gpus import Inventory

KNOWN_MOST = 200
"""Cards whose names are remembered; slices that are made anew get new keys each time."""

Keys = Sequence[str] | None

OTHERWISE = "Or edit the instance: choose another GPU, or CPU only."


State = Literal["ok", "lost", "gone", "unknown"]


class Pin(TypedDict):
    """One chosen GPU. ``id`` is its present index, None while it has none."""

    id: str | None
    uuid: str
    name: str
    state: State
    reason: str


class Look(Protocol):
    """Returns the GPUs as they now are; ``again``: after another try where a driver failed or a card is missing."""

    def __call__(self, again: bool = False) -> Awaitable[Inventory]: ...


class Pins:
    """Knows the machine's GPUs and the names of those it had."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.inventory = Inventory()
        self._known: dict[str, tuple[str, str]] = {}

    # Memory -------------------------------------------------------------------------------------------------

    def remember(self, text: str) -> None:
        """Take what :meth:`memory` once told. What cannot be read is forgotten: only names are lost."""
        with suppress(ValueError, TypeError, AttributeError):
            self._known = {str(key): (str(name), str(number)) for key, (name, number) in json.loads(text).items()}

    def memory(self) -> str:
        """Return the name and last index of every card that was seen, as text."""
        return json.dumps(self._known)

    def see(self, inventory: Inventory) -> bool:
        """Take the GPUs as they now are; say whether :meth:`memory` has changed."""
        self.inventory = inventory
        before = list(self._known.items())
        for gpu in inventory.present:
            self._known.pop(gpu.key, None)
            self._known[gpu.key] = (gpu.name, gpu.id)
        self._known = dict(list(self._known.items())[-KNOWN_MOST:])
        return sorted(before) != sorted(self._known.items())

    # Choices ------------------------------------------------------------------------------------------------

    async def choose(self, chosen: Keys, kept: Keys = ()) -> list[str] | None:
        """Return a choice by keys. Given are indexes, UUIDs and PCI addresses; what was ``kept`` may stay though gone.

        Raises UnknownGpuError, InvalidError.
        """
        if not chosen:
            return None if chosen is None else []
        self.see(await self._look())
        if any(self.inventory.find(word) is None and word not in (kept or ()) for word in chosen):
            self.see(await self._look(again=True))
        found = [self._key(word, kept or ()) for word in chosen]
        self._refuse_impossible(found)
        return found

    def _key(self, word: str, kept: Sequence[str]) -> str:
        gpu = self.inventory.find(word)
        if gpu is not None:
            _refuse_divided(gpu, self.inventory.present)
            return gpu.key
        if word in kept:
            return word
        there = ", ".join(f"{gpu.id} ({gpu.name})" for gpu in self.inventory.present) or "none"
        problem = f" {self.inventory.problem}" if self.inventory.problem else ""
        raise UnknownGpuError(f"There is no GPU {word!r} here. GPUs of this machine: {there}.{problem}")

    def _refuse_impossible(self, keys: Sequence[str]) -> None:
        key, count = Counter(keys).most_common(1)[0]
        if count > 1:
            raise InvalidError(f"{self._words(key)} is chosen twice. Name each GPU once.")
        cards = [gpu for key in keys if (gpu := self.inventory.find(key))]
        if any(gpu.parent for gpu in cards) and sum(gpu.vendor == "nvidia" for gpu in cards) > 1:
            raise InvalidError("A program can use one MIG slice and no other NVIDIA GPU beside it. Choose one of them.")

    def taken_over(self, keys: Keys) -> list[str] | None:
        """Return a choice whose indexes became keys; None where there is nothing to change, or not all is well."""
        if not keys or not self.inventory.sound:
            return None
        found = [gpu.key if (gpu := self.inventory.find(key)) else key for key in keys]
        found = list(dict.fromkeys(found))
        return found if found != list(keys) else None

    # Starting -----------------------------------------------------------------------------------------------

    async def require(self, keys: Keys) -> None:
        """Make sure that a program gets the GPUs it was given. Raises GpuGoneError, which names a missing one."""
        if not keys:
            return
        self.see(await self._look())
        if self._missing(keys):
            self.see(await self._look(again=True))
        if missing := self._missing(keys):
            raise GpuGoneError(f"{missing} {OTHERWISE}")

    def _missing(self, keys: Sequence[str]) -> str:
        """Return what is wrong with the first GPU that cannot be used, for people; empty when nothing is."""
        return next((wrong for key in keys if (wrong := self._wrong_with(key))), "")

    def _wrong_with(self, key: str) -> str:
        state = self._state(key)
        if state == "unknown":
            return f"{self._words(key)} is not known yet: a driver does not answer. Look at the system's log (dmesg)."
        if state != "ok":
            does = "does not answer" if state == "lost" else "is not there"
            return f"{self._words(key)} {does}. {self.inventory.lost.get(key) or self.inventory.problem}".rstrip()
        gpu = self.inventory.find(key)
        return f"{self._words(key)} was divided into MIG slices; only these can be used." if gpu and gpu.divided else ""

    def _state(self, key: str) -> State:
        if self.inventory.find(key):
            return "lost" if key in self.inventory.lost else "ok"
        if not self.inventory.settled:
            return "unknown"
        return "lost" if self.inventory.problem else "gone"

    def _words(self, key: str) -> str:
        name, number = self._name_of(key)
        if self.inventory.find(key):
            return f"GPU {number} ({name})"
        return f"The GPU {name} ({key}, once GPU {number})" if name else f"GPU {key}"

    def _name_of(self, key: str) -> tuple[str, str]:
        gpu = self.inventory.find(key)
        return (gpu.name, gpu.id) if gpu else self._known.get(key, ("", ""))

    # Telling ------------------------------------------------------------------------------------------------

    def view(self, keys: Keys) -> dict[str, Any]:
        """Return a choice as the interface tells it: present indexes, and more of each card."""
        if keys is None:
            return {"gpu_ids": None, "gpus": None}
        pins = [self._pin(key) for key in keys]
        return {"gpu_ids": [pin["id"] or pin["uuid"] for pin in pins], "gpus": pins}

    def _pin(self, key: str) -> Pin:
        gpu, state = self.inventory.find(key), self._state(key)
        reason = "" if state == "unknown" else self._wrong_with(key)
        return Pin(id=gpu.id if gpu else None, uuid=key, name=self._name_of(key)[0], state=state, reason=reason)

    def devices(self, keys: Keys) -> Devices:
        """Return what a program is told of the GPUs it may use."""
        if keys is None:
            return self._all_devices()
        found = [(key, self.inventory.find(key)) for key in keys]
        devices = (self._device(gpu) if gpu else Device(_vendor(key), key) for key, gpu in found)
        return Devices(tuple(devices), pinned=True, known=all(gpu for _, gpu in found))

    def _all_devices(self) -> Devices:
        """A driver that fails changes no kind, so nothing is installed for the CPU meanwhile."""
        devices = [self._device(gpu) for gpu in self.inventory.present if not gpu.divided]
        if not devices and self.inventory.problem:
            devices = [Device(_vendor(key), key) for key in self.inventory.lost or self._known]
        return Devices(tuple(devices), known=bool(devices))

    def _device(self, gpu: Gpu) -> Device:
        """A card lost since the driver was opened may shift how CUDA counts, so then all go by their UUIDs."""
        lost = [one for one in self.inventory.present if one.key in self.inventory.lost]
        shifted = gpu.vendor == "nvidia" and any(one.vendor == "nvidia" for one in lost)
        return Device(gpu.vendor, gpu.uuid if shifted else gpu.visible, gpu.driver, gpu.compute, gpu.memory_total)


def _vendor(key: str) -> str:
    """Return whose card a key was that is not known any more."""
    return "nvidia" if key.startswith(("GPU-", "MIG-", "pci-")) or key.isdigit() else "amd"


def _refuse_divided(gpu: Gpu, present: Sequence[Gpu]) -> None:
    if not gpu.divided:
        return
    slices = ", ".join(f"{one.id} ({one.name})" for one in present if one.parent == gpu.id)
    what = f"choose one of them: {slices}" if slices else "it has none yet. Make one with nvidia-smi mig -cgi"
    raise InvalidError(f"GPU {gpu.id} ({gpu.name}) is divided into MIG slices; {what}.")
