"""Prompts that were encoded before need no text encoder: 24 GB that are not read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

# What the SDK pads or cuts every prompt to (ltx_core's LTXVGemmaTokenizer).
MOST_TOKENS = 1024
# An encoded prompt of LTX-2.3 is 12 MiB: 1024 tokens x (4096 + 2048) x bf16.
MOST_PROMPTS = 64


@dataclass(frozen=True)
class Encoded:
    """What stands between text encoder and embeddings processor: a prompt, and Gemma's hidden states if it ran."""

    prompt: str
    hidden_states: Any = None


@dataclass
class Findings:
    """What came to light while prompts were read: the prompt that Gemma rewrote, and how long each one was."""

    enhanced_prompt: str | None = None
    tokens: dict[str, int] = field(default_factory=dict)


class PromptCache:
    """The last embeddings by prompt and by the files that made them, in main memory. ``tokens``: how many each had."""

    def __init__(self) -> None:
        self.tokens: dict[Hashable, int] = {}
        self._embeddings: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any | None:
        """The embeddings for ``key`` (on the CPU), or None."""
        with self._lock:
            if key in self._embeddings:
                self._embeddings.move_to_end(key)
            return self._embeddings.get(key)

    def put(self, key: Hashable, embeddings: Any) -> None:
        """Remember ``embeddings``, a named tuple of tensors; the oldest go when there are too many."""
        kept = type(embeddings)(*(None if each is None else each.to("cpu", copy=True) for each in embeddings))
        with self._lock:
            self._embeddings[key] = kept
            self._embeddings.move_to_end(key)
            while len(self._embeddings) > MOST_PROMPTS:
                oldest, _ = self._embeddings.popitem(last=False)
                self.tokens.pop(oldest, None)

    def clear(self) -> None:
        """Forget every prompt."""
        with self._lock:
            self._embeddings.clear()
            self.tokens.clear()


class CachingTextEncoder:
    """Stands for the SDK's text encoder: known prompts pass through without it."""

    def __init__(self, text_encoder: Any, cache: PromptCache, files: Hashable, findings: Findings) -> None:
        self._text_encoder, self._cache, self._files, self._findings = text_encoder, cache, files, findings

    def encode(self, prompt: str, *args: Any, **kwargs: Any) -> tuple[Encoded, Any]:
        """As GemmaTextEncoder.encode: hidden states and mask, both for ``CachingProcessor`` only."""
        key = (self._files, prompt)
        hidden_states = mask = None
        if self._cache.get(key) is None:
            hidden_states, mask = self._text_encoder.encode(prompt, *args, **kwargs)
            # The SDK's tokenizer cuts without a word; its own tokenizer tells how much.
            self._cache.tokens[key] = len(self._text_encoder.tokenizer.tokenizer(prompt.strip()).input_ids)
        self._findings.tokens[prompt] = self._cache.tokens[key]
        return Encoded(prompt, hidden_states), mask

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

    def __init__(self, processor: Any, cache: PromptCache, files: Hashable, device: Any) -> None:
        self._processor, self._cache, self._files, self._device = processor, cache, files, device

    def process_hidden_states(self, encoded: Encoded, mask: Any, *args: Any, **kwargs: Any) -> Any:
        """As EmbeddingsProcessor.process_hidden_states; the result is on the pipeline's device."""
        key = (self._files, encoded.prompt)
        if encoded.hidden_states is None:
            known = self._cache.get(key)
            assert known is not None  # the run that encoded it is this one
            return type(known)(*(None if each is None else each.to(self._device) for each in known))
        # A text encoder that did not fit on the device has left its states in main memory.
        states = tuple(state.to(self._device) for state in encoded.hidden_states)
        made = self._processor.process_hidden_states(states, mask.to(self._device), *args, **kwargs)
        self._cache.put(key, made)
        return made
