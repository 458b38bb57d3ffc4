"""Models that stay loaded between runs, and who is on the device at a time.

The SDK builds every model anew for every call and forgets it. A ``Residents`` object stands in
between: the pipeline gets a ``Handle`` where it asked for a model, and the first use of the handle
makes sure that the model is there, built now or kept from an earlier run.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Hashable
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
    reads the weights and returns the model on its device, ``device`` is where that is.
    """

    kind: str
    key: Hashable
    device: str
    build: Callable[[], Any] = field(compare=False)


@dataclass(frozen=True)
class Placement:
    """Where a run happens: the device (torch's name), that of the text encoder, and what is kept afterwards.

    ``keep`` is "disk", "ram" or "vram".
    """

    device: str
    text_encoder_device: str
    keep: str


@dataclass(frozen=True)
class Load:
    """One reading of weights: of which kind, how long it took, how many bytes the model holds."""

    kind: str
    seconds: float
    size: int


class Handle:
    """Stands where the SDK expects a model; calls and attributes go to the model that ``use`` returns."""

    def __init__(self, use: Callable[[], Any]) -> None:
        self._use = use

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._use()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._use(), name)


class TransformerHandle(Handle):
    """A handle whose calls also show ``watch`` the video that the transformer predicts."""

    def __init__(self, handle: Handle, watch: Watch) -> None:
        super().__init__(lambda: handle)
        self._watch = watch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        video, audio = super().__call__(*args, **kwargs)
        self._watch.on_prediction(video)
        return video, audio


class Watch:
    """Where the hooks inside a model report. Models outlive runs, so hooks cannot know the run's own meter."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nobody listens any more."""
        self.on_layer: Callable[[str], None] = lambda kind: None
        self.on_prediction: Callable[[Any], None] = lambda prediction: None


class Residents:
    """Keeps models between runs in RAM or VRAM. One owner, any number of runs, one at a time.

    ``keep`` of a run: "vram" leaves every model on its device; "ram" has only the models of the
    current phase there and the others in main memory; "disk" keeps nothing (the run then holds its
    models itself, exactly as long as the SDK does). ``clear`` may be called from any thread.
    """

    def __init__(self) -> None:
        self.watch = Watch()
        self.prompts = PromptCache()
        self.loads: list[Load] = []
        self._models: dict[Component, Any] = {}
        self._lock = threading.RLock()

    def begin(self, components: list[Component], keep: str) -> None:
        """A run that may use ``components`` starts: forget loads counted so far, and models it has no use for.

        That is what bounds memory: never more is kept than one run needs. Models of files that have
        changed on disk have another key, and go here too.
        """
        with self._lock:
            self.loads = []
            wanted = set(components) if keep != "disk" else set()
            self._drop([each for each in self._models if each not in wanted])

    def handle(self, component: Component, keep: str) -> Handle:
        """What to give the SDK for ``component``. With "disk" it is built now and belongs to the handle."""
        if keep == "disk":
            model = self._build(component)
            return Handle(lambda: model)
        return Handle(lambda: self._use(component, keep))

    def bytes_held(self, device_type: str | None = None) -> int:
        """Bytes of the weights that are kept, wherever they are or on one type of device ("cuda", "cpu")."""
        with self._lock:
            models = [model for model in self._models.values() if device_type in (None, _device_type(model))]
            return sum(weight_bytes(model) for model in models)

    def clear(self) -> None:
        """Let go of every model; the next use builds it again."""
        with self._lock:
            self._drop(list(self._models))

    def send_away(self) -> None:
        """Move every model that is kept to main memory, for somebody who needs the device."""
        with self._lock:
            for component in self._models:
                self._move(component, "cpu")
            _empty_cache()

    def _use(self, component: Component, keep: str) -> Any:
        with self._lock:
            if keep == "ram":
                self._make_way(component)
            if component not in self._models:
                self._models[component] = self._build(component)
            elif keep == "ram":
                self._move(component, component.device)
            return self._models[component]

    def _make_way(self, component: Component) -> None:
        """Send to main memory what cannot be on the device together with ``component``."""
        for other in self._models:
            rival = other.kind == component.kind == ALONE_OF_ITS_KIND
            if other != component and (rival or PHASES[other.kind] != PHASES[component.kind]):
                self._move(other, "cpu")

    def _move(self, component: Component, device: str) -> None:
        model = self._models[component]
        if _device_type(model) not in (None, device.split(":")[0]):
            model.to(device)
            if device == "cpu":
                _empty_cache()

    def _build(self, component: Component) -> Any:
        started = time.perf_counter()
        model = component.build()
        load = Load(component.kind, time.perf_counter() - started, weight_bytes(model))
        self.loads.append(load)
        log.info("Loaded %s: %.2f GB in %.1f s", load.kind, load.size / 1e9, load.seconds)
        return model

    def _drop(self, components: list[Component]) -> None:
        for component in components:
            del self._models[component]
        if components:
            gc.collect()
            _empty_cache()


def _device_type(model: Any) -> str | None:
    weight = next(iter(model.parameters()), None)
    return None if weight is None else weight.device.type


def weight_bytes(model: Any) -> int:
    """Bytes of a module's parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _empty_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
