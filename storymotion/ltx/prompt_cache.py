"""Prompts that were encoded before need no text encoder: 24 GB that are not read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

# What the SDK pads or cuts every prompt to (ltx_core's LTXVGemmaTokenizer).
MOST_TOKENS = 1024
# An encoded prompt of LTX-2.3 is 12 MiB: 1024 tokens x (4096 + 2048) x bf16.
MOST_PROMPTS = 64


@dataclass(eq=False)
class Encoded:
    """What stands between text encoder and embeddings processor: a prompt of ``tokens`` tokens on its way.

    ``hidden_states`` are Gemma's, with their mask, until the first shot that has this prompt processes them;
    then ``embeddings`` are known, in main memory.
    """

    key: Hashable
    tokens: int
    hidden_states: Any = None
    embeddings: Any = None


@dataclass
class Findings:
    """What came to light while prompts were read: the prompt that Gemma rewrote, and how long each one was."""

    enhanced_prompt: str | None = None
    tokens: dict[str, int] = field(default_factory=dict)


class PromptCache:
    """The last prompts, by their text and by what encoded them, with embeddings in main memory."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Encoded] = OrderedDict()
        # Prompts that shots of one queue have in common (the negative one) and that wait for the processor.
        self._waiting: WeakValueDictionary[Hashable, Encoded] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Encoded | None:
        """The prompt with its embeddings, or with hidden states that another shot of the queue waits with, or None."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            return self._waiting.get(key)

    def wait(self, encoded: Encoded) -> None:
        """Let other shots with the same prompt know of it, as long as one of them holds it."""
        with self._lock:
            self._waiting[encoded.key] = encoded

    def put(self, encoded: Encoded, embeddings: Any) -> None:
        """Remember ``embeddings``, a named tuple of tensors, in main memory; the oldest go when there are too many."""
        encoded.embeddings = type(embeddings)(*(None if each is None else each.to("cpu") for each in embeddings))
        encoded.hidden_states = None
        with self._lock:
            self._known[encoded.key] = encoded
            self._known.move_to_end(encoded.key)
            while len(self._known) > MOST_PROMPTS:
                self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget every prompt."""
        with self._lock:
            self._known.clear()
            self._waiting.clear()


class CachingTextEncoder:
    """Stands for the SDK's text encoder: known prompts pass through without it.

    ``parks``: hidden states go to main memory (385 MB a prompt with Gemma 3 12B), since other models take the
    device before they are used.
    """

    def __init__(
        self, text_encoder: Any, cache: PromptCache, made_by: Hashable, findings: Findings, parks: bool
    ) -> None:
        self._text_encoder, self._cache, self._made_by, self._findings = text_encoder, cache, made_by, findings
        self._parks = parks

    def encode(self, prompt: str, *args: Any, **kwargs: Any) -> tuple[Encoded, Any]:
        """As GemmaTextEncoder.encode: hidden states and mask, both for ``CachingProcessor`` only."""
        key = (self._made_by, prompt)
        encoded = self._cache.get(key)
        if encoded is None:
            states, mask = self._text_encoder.encode(prompt, *args, **kwargs)
            if self._parks:
                states, mask = tuple(state.cpu() for state in states), mask.cpu()
            # The SDK's tokenizer cuts without a word; its own tokenizer tells how much.
            tokens = len(self._text_encoder.tokenizer.tokenizer(prompt.strip()).input_ids)
            encoded = Encoded(key, tokens, (states, mask))
            self._cache.wait(encoded)
        self._findings.tokens[prompt] = encoded.tokens
        return encoded, None

    def enhance_t2v(self, *args: Any, **kwargs: Any) -> str:
        """As the SDK's; the new prompt is remembered for the report, which the SDK itself only logs."""
        self._findings.enhanced_prompt = text = self._text_encoder.enhance_t2v(*args, **kwargs)
        return text

    def enhance_i2v(self, *args: Any, **kwargs: Any) -> str:
        """As the SDK's, see ``enhance_t2v``."""
        self._findings.enhanced_prompt = text = self._text_encoder.enhance_i2v(*args, **kwargs)
        return text


class CachingProcessor:
    """Stands for the SDK's embeddings processor, behind a ``CachingTextEncoder``."""

    def __init__(self, processor: Any, cache: PromptCache, device: Any) -> None:
        self._processor, self._cache, self._device = processor, cache, device

    def process_hidden_states(self, encoded: Encoded, no_mask: None, *args: Any, **kwargs: Any) -> Any:
        """As EmbeddingsProcessor.process_hidden_states; the result is on the pipeline's device."""
        known = encoded.embeddings
        if known is not None:
            return type(known)(*(None if each is None else each.to(self._device) for each in known))
        # A text encoder that did not fit on the device has left its states in main memory.
        states, mask = encoded.hidden_states
        states = tuple(state.to(self._device) for state in states)
        made = self._processor.process_hidden_states(states, mask.to(self._device), *args, **kwargs)
        self._cache.put(encoded, made)
        return made


class UnreadPrompts:
    """Stands for text encoder and embeddings processor where nobody will look at what they make."""

    video_encoding = audio_encoding = None

    def encode(self, prompt: str, *args: Any, **kwargs: Any) -> tuple[None, None]:
        """As GemmaTextEncoder.encode."""
        return None, None

    def enhance_t2v(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        """The prompt as it is."""
        return prompt

    enhance_i2v = enhance_t2v

    def process_hidden_states(self, states: None, mask: None, *args: Any, **kwargs: Any) -> UnreadPrompts:
        """As EmbeddingsProcessor.process_hidden_states: something with the two encodings, both None."""
        return self
