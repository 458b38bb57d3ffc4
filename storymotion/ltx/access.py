"""What one shot sees of the models: handles, which get their model at the moment of use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .meter import DECODING, Meter
from .residents import PHASES, Component, Residents


class Handle:
    """Stands where the SDK expects a model; calls and attributes go to the model that ``use`` returns."""

    def __init__(self, use: Callable[[], Any]) -> None:
        self._use = use

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._use()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._use(), name)


class TransformerHandle(Handle):
    """A handle whose calls also show ``on_prediction`` the video that the transformer predicts."""

    def __init__(self, handle: Handle, on_prediction: Callable[[Any], None]) -> None:
        super().__init__(lambda: handle)
        self._on_prediction = on_prediction

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        video, audio = super().__call__(*args, **kwargs)
        self._on_prediction(video)
        return video, audio


class ModelAccess:
    """How one shot comes by its models: alone, or in turn with the other shots of a queue.

    ``fetch`` returns the model of a component, on its device; it may take its time, which ``meter`` does
    not count. ``waits``: other shots may run, and other models take the device, before a handle is used
    again.
    """

    def __init__(
        self,
        residents: Residents,
        meter: Meter,
        fetch: Callable[[Component], Any],
        on_prediction: Callable[[Any], None],
        waits: bool,
    ) -> None:
        self.residents, self.waits = residents, waits
        self.on_prediction = on_prediction
        self.on_layer: Callable[[str], None] = lambda kind: None
        self._meter, self._fetch = meter, fetch

    def handle(self, component: Component, kind: Callable[[Callable[[], Any]], Handle] = Handle) -> Handle:
        """What to give the SDK for ``component``."""
        return kind(lambda: self._model(component))

    def _model(self, component: Component) -> Any:
        self.residents.watch.on_build = self._meter.announce_load
        with self._meter.paused():
            model = self._fetch(component)
        # The hooks inside the model know no shot: the one that is about to call it listens.
        self.residents.watch.on_layer = self.on_layer
        if PHASES[component.kind] == PHASES["video_decoder"]:
            # No layer of a decoder reports, and its first chunk of frames may take a while.
            self._meter.begin(DECODING)
        return model
