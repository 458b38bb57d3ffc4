"""Models that stay loaded between runs, and who is on the device at a time.

The SDK builds every model anew for every call and forgets it. A ``Residents`` object stands in
between: the pipeline gets a ``Handle`` (``access``) where it asked for a model, and the first use of the
handle makes sure that the model is there, built now or kept from before.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Any

from .prompt_cache import PromptCache

log = logging.getLogger("storymotion")

# Components of one phase are on the device together; entering another phase sends them away. A run
# goes through the phases in this order, so nothing is fetched twice.
PHASES = {
    "text_encoder": 0,
    "gemma_embeddings_processor": 1,
    "video_encoder": 2,
    "spatial_upsampler": 2,
    "transformer": 2,
    "video_decoder": 3,
    "audio_decoder": 3,
    "vocoder": 3,
}
# Too large to be there twice: stage 2's transformer replaces stage 1's.
ALONE_OF_ITS_KIND = "transformer"


@dataclass(frozen=True)
class Component:
    """A model that can be built. Components with equal kind and key are the same model.

    ``key`` holds whatever the model is built from, files with size and time of change; ``build``
    reads the weights and returns the model on its device, ``device`` is where that is. ``offload`` is "cpu"
    or "disk" for a model whose layers come to the device one by one from there (SDK 1.2), else "none".
    """

    kind: str
    key: Hashable
    device: str
    build: Callable[[], Any] = field(compare=False)
    offload: str = "none"

    @property
    def streams(self) -> bool:
        """Is most of it never on the device? Then it is not moved: it stays, or goes."""
        return self.offload != "none"


@dataclass(frozen=True)
class Placement:
    """Where a run happens: the device (torch's name), that of the text encoder, and what is kept there.

    ``keep`` is "vram", "ram" or "disk", see ``Residents``. ``lean``: the transformer is alone on the device,
    where memory is too short for the encoder and the upscaler beside it; they are then loaded once more.
    ``offload``: the layers of text encoder and transformer come to the device one by one, from main memory ("cpu")
    or from the file ("disk"); SDK 1.2 only.
    """

    device: str
    text_encoder_device: str
    keep: str
    lean: bool = False
    offload: str = "none"


@dataclass(frozen=True)
class Load:
    """One reading of weights: of which kind, how long it took, how many bytes the model holds."""

    kind: str
    seconds: float
    size: int


class Watch:
    """Where the hooks inside a model report. Models outlive runs, so hooks cannot know the run's own meter."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nobody listens any more."""
        self.on_layer: Callable[[str], None] = lambda kind: None
        self.on_build: Callable[[str], None] = lambda kind: None


class Residents:
    """Keeps models between runs in RAM or VRAM. One owner, any number of runs, one at a time.

    ``Placement.keep`` of a run: "vram" leaves every model on its device; "ram" has only the models of
    the current phase there and the others in main memory; "disk" has only those of the current phase,
    lets go of them when another begins, and keeps nothing when the run is over. ``clear`` may be called
    from any thread.
    """

    def __init__(self) -> None:
        self.watch = Watch()
        self.prompts = PromptCache()
        self.loads: list[Load] = []
        self._models: dict[Component, Any] = {}
        self._failed: dict[Component, Exception] = {}
        self._lock = threading.RLock()

    def begin(self, components: Collection[Component]) -> None:
        """A run that may use ``components`` starts: forget loads counted so far, and models it has no use for.

        That is what bounds memory: never more is kept than one run needs. Models of files that have
        changed on disk have another key, and go here too.
        """
        with self._lock:
            self.loads = []
            self._failed = {}
            self._drop([each for each in self._models if each not in components])

    def end(self, placement: Placement) -> None:
        """The run is over: what lived for it alone goes."""
        if placement.keep == "disk":
            self.clear()

    def is_ready(self, component: Component) -> bool:
        """Is the model on its device?"""
        with self._lock:
            model = self._models.get(component)
            if model is None or component.streams:
                return model is not None
            return _device_type(model) in (None, component.device.split(":")[0])

    def has_room(self, component: Component, placement: Placement) -> bool:
        """Can ``component`` come without another model having to make way?"""
        with self._lock:
            return not self._in_the_way(component, placement)

    def has_failed(self, component: Component) -> bool:
        """Could it not be built, in this run? Then it is not tried again."""
        return component in self._failed

    def use(self, component: Component, placement: Placement) -> Any:
        """The model, on its device: moved there or built when it is not, after others have made way.

        Raises whatever building it raised, in this run.
        """
        with self._lock:
            if component in self._failed:
                self.watch.on_build(component.kind)
                raise self._failed[component]
            for other in self._in_the_way(component, placement):
                if placement.keep == "ram" and not other.streams:
                    self._move(other, "cpu")
                else:
                    self._drop([other])
            if component not in self._models:
                self._models[component] = self._build(component)
            self._move(component, component.device)
            return self._models[component]

    def _build(self, component: Component) -> Any:
        self.watch.on_build(component.kind)
        started = time.perf_counter()
        try:
            model = component.build()
        except Exception as error:
            self._failed[component] = error
            raise
        load = Load(component.kind, time.perf_counter() - started, _bytes_read(component, model))
        self.loads.append(load)
        log.info("Loaded %s: %.2f GB in %.1f s", load.kind, load.size / 1e9, load.seconds)
        return model

    def bytes_held(self, device_type: str | None = None) -> int:
        """Bytes of the weights that are kept, wherever they are or on one type of device ("cuda", "cpu")."""
        with self._lock:
            return sum(_bytes_on(device_type, each, model) for each, model in self._models.items())

    def clear(self) -> None:
        """Let go of every model; the next use builds it again."""
        with self._lock:
            self._drop(list(self._models))

    def recover(self, from_error: bool) -> None:
        """Let go of models that may be out of step: an exception has ended a call between two of their layers.

        What streams from disk has the next layers ready then, and no place left to begin again (SDK 1.2: "BufferPool
        exhausted"). What streams from main memory goes on after a cancel, but not after an error (``from_error``),
        which may have come while a layer was brought over.
        """
        with self._lock:
            self._drop([each for each in self._models if each.offload == "disk" or (from_error and each.streams)])

    def send_away(self) -> None:
        """Move every model that is kept to main memory, for somebody who needs the device."""
        with self._lock:
            self._drop([each for each in self._models if each.streams and each.device != "cpu"])
            for component in self._models:
                self._move(component, "cpu")
            _empty_cache()

    def _in_the_way(self, component: Component, placement: Placement) -> list[Component]:
        """Models that cannot be on the device together with ``component``."""
        if placement.keep == "vram":
            return []
        rivals = [
            other
            for other in self._models
            if other != component and _cannot_be_together(other, component, placement.lean)
        ]
        if placement.keep == "ram":
            return [other for other in rivals if self._makes_way(other, component)]
        return rivals

    def _makes_way(self, other: Component, component: Component) -> bool:
        """With keep = ram: what streams takes little of the device, but two such transformers more than one."""
        if other.streams:
            return other.device != "cpu" and other.kind == component.kind == ALONE_OF_ITS_KIND
        return _device_type(self._models[other]) not in (None, "cpu")

    def _move(self, component: Component, device: str) -> None:
        model = self._models[component]
        if component.streams:
            return
        if _device_type(model) not in (None, device.split(":")[0]):
            model.to(device)
            if device == "cpu":
                _empty_cache()

    def _drop(self, components: list[Component]) -> None:
        for component in components:
            model = self._models.pop(component)
            if component.streams:
                # Its reading thread and open files would outlive it.
                model.teardown()
            del model
        if components:
            gc.collect()
            _empty_cache()


def _cannot_be_together(one: Component, other: Component, lean: bool) -> bool:
    large = [each.kind == ALONE_OF_ITS_KIND for each in (one, other)]
    return PHASES[one.kind] != PHASES[other.kind] or (any(large) if lean else all(large))


def _device_type(model: Any) -> str | None:
    weight = next(iter(model.parameters()), None)
    return None if weight is None else weight.device.type


def _bytes_on(device_type: str | None, component: Component, model: Any) -> int:
    if not component.streams:
        return weight_bytes(model) if device_type in (None, _device_type(model)) else 0
    tensors = [*model.parameters(), *model.buffers()]
    whole = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    # All layers share two places on the device; one that has not run yet is a shape without memory.
    shared = [tensor.untyped_storage() for tensor in tensors if not tensor.is_meta]
    here = sum({storage.data_ptr(): storage.nbytes() for storage in shared}.values())
    held = {component.device.split(":")[0]: here}
    if component.offload == "cpu":
        held["cpu"] = held.get("cpu", 0) + max(0, whole - here)
    return sum(held.values()) if device_type is None else held.get(device_type, 0)


def _bytes_read(component: Component, model: Any) -> int:
    """Of a model that was just built; layers that come from the file while it runs are not read yet."""
    if component.offload != "disk":
        return weight_bytes(model)
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if not tensor.is_meta)


def weight_bytes(model: Any) -> int:
    """Bytes of a module's parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _empty_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
