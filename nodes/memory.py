"""The SDK's models as a guest in ComfyUI's memory: ComfyUI can ask for the room back.

ComfyUI frees memory by asking the entries of its list ``current_loaded_models``. One entry here
stands for everything that ``Residents`` keeps, so that "unload models", "free memory" and the needs
of other nodes reach it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..storymotion.ltx.residents import Residents

if TYPE_CHECKING:
    import torch

# unload_all_models() asks for 1e30 bytes, somebody's real need is below this.
EVERYTHING = 1e20


class StandIn:
    """What ComfyUI's memory management asks of a ModelPatcher, answered for all models that are kept.

    Used by it (0.3.75 and 0.33): ``parent``, ``load_device``, ``offload_device``, ``model``, the two
    sizes, ``is_dynamic``, ``is_clone``, ``model_patches_models``, ``partially_load``.
    """

    parent = None

    def __init__(self, residents: Residents, device: torch.device) -> None:
        import torch

        self.model = residents
        self.load_device = device
        self.offload_device = torch.device("cpu")

    def model_size(self) -> int:
        """Bytes of all weights that are kept."""
        return self.model.bytes_held()

    def loaded_size(self) -> int:
        """Bytes of those on the device."""
        return self.model.bytes_held(self.load_device.type)

    def current_loaded_device(self) -> torch.device:
        """Where ComfyUI should look for what it can free."""
        return self.load_device

    def is_dynamic(self) -> bool:
        """Not one of the models that newer ComfyUI pages in and out by itself."""
        return False

    def is_clone(self, other: Any) -> bool:
        """There is only one of it."""
        return other is self

    def model_patches_models(self) -> list[Any]:
        """No other models hang on it."""
        return []

    def partially_load(self, device: Any, extra_memory: float, force_patch_weights: bool = False) -> int:
        """ComfyUI offers free room; models come when a run needs them."""
        return 0


class Guest:
    """Owner of the one ``Residents`` of the process, and of its entry in ComfyUI's list."""

    def __init__(self) -> None:
        self.residents = Residents()
        self._stand_in: StandIn | None = None
        self._entry: Any = None

    def make_room(self, device: torch.device) -> None:
        """Ask ComfyUI to let go of its own models: it does not know how much the SDK is about to load."""
        import comfy.model_management as management

        management.free_memory(1e30, device, keep_loaded=[self._entry] if self._entry else [])
        management.soft_empty_cache()

    def register(self, device: torch.device) -> None:
        """Let ComfyUI know that models are kept; again after every run, since it forgets whom it unloaded."""
        import comfy.model_management as management

        if self._stand_in is None or self._stand_in.load_device != device:
            self._stand_in = StandIn(self.residents, device)
            self._entry = _entry_class()(self._stand_in, self)
        entries = management.current_loaded_models
        listed = any(entry is self._entry for entry in entries)
        if self.residents.bytes_held() and not listed:
            self._entry.watch(self.residents)
            entries.insert(0, self._entry)

    def unload(self, asked_for: float | None) -> bool:
        """ComfyUI wants ``asked_for`` bytes (None: whatever there is); True when nothing is left here.

        A need for room on the device sends the models to main memory, from where they come back
        without being read again; "unload models" lets go of them, and of the prompts.
        """
        if asked_for is None or asked_for > EVERYTHING:
            self.residents.clear()
            self.residents.prompts.clear()
            return True
        self.residents.send_away()
        return False


def _entry_class() -> type:
    """A LoadedModel of the ComfyUI that runs, whose unloading is ours to do."""
    from comfy.model_management import LoadedModel

    class Entry(LoadedModel):
        def __init__(self, stand_in: StandIn, guest: Guest) -> None:
            super().__init__(stand_in)  # type: ignore[arg-type]
            self._guest = guest
            self.watch(stand_in.model)

        def watch(self, residents: Residents) -> None:
            self.real_model = weakref.ref(residents)

        def model_unload(self, memory_to_free: float | None = None, unpatch_weights: bool = True) -> bool:
            gone = self._guest.unload(memory_to_free)
            if gone:
                self.real_model = None
            return gone

    return Entry
