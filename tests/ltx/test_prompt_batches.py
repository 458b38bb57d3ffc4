"""Prompts that SDK 1.2 encodes together, told on any SDK: which of them need the text encoder, and which do not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

from storymotion.ltx.prompt_cache import BatchTextEncoder, BlockProcessor, Findings, PromptCache


class Processed(NamedTuple):
    video: torch.Tensor
    audio: torch.Tensor | None


class Encoder:
    """Answers as SDK 1.2's text encoder: hidden states and a mask for every prompt, which tell what was together."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.tokenizer = SimpleNamespace(tokenizer=lambda prompt: SimpleNamespace(input_ids=prompt.split()))

    def encode(self, prompts: list[str]) -> list[tuple[tuple[torch.Tensor, ...], torch.Tensor]]:
        self.asked.append(tuple(prompts))
        return [((torch.tensor([len(prompts), number]),), torch.ones(1)) for number in range(len(prompts))]


class Processor:
    def process_hidden_states(self, states: tuple[torch.Tensor, ...], mask: torch.Tensor) -> Processed:
        return Processed(states[0] * 10, None)


def read(encoder: Encoder, cache: PromptCache, *prompts: str, made_by: str = "gemma") -> list[list[int]]:
    findings = Findings()
    block: Any = BatchTextEncoder(encoder, cache, made_by, findings, parks=True)
    processor: Any = BlockProcessor(Processor(), cache, "cpu")
    made = [processor.process_hidden_states(*each) for each in block.encode(list(prompts))]
    assert findings.tokens == {prompt: len(prompt.split()) for prompt in prompts}
    return [each.video.tolist() for each in made]


def test_a_prompt_is_known_by_those_it_was_encoded_with() -> None:
    """A matrix product of two rows may differ from that of one in its last bits."""
    encoder, cache = Encoder(), PromptCache()
    both = read(encoder, cache, "a red cat", "blurry")
    assert both == [[20, 0], [20, 10]]
    assert read(encoder, cache, "a red cat", "blurry") == both and encoder.asked == [("a red cat", "blurry")]
    assert read(encoder, cache, "a red cat") == [[10, 0]]
    assert read(encoder, cache, "blurry", "a red cat") == [[20, 0], [20, 10]]
    assert encoder.asked[1:] == [("a red cat",), ("blurry", "a red cat")]
    assert read(encoder, cache, "a red cat", "blurry") == both and len(encoder.asked) == 3
    read(encoder, cache, "a red cat", "blurry", made_by="another gemma")
    assert len(encoder.asked) == 4


def test_the_same_prompt_twice_in_a_shot_stays_apart() -> None:
    """Somebody's negative prompt is the prompt; each row is what the SDK made of it."""
    encoder, cache = Encoder(), PromptCache()
    for _ in range(2):
        assert read(encoder, cache, "a cat", "a cat") == [[20, 0], [20, 10]]
    assert len(encoder.asked) == 1
