"""A tiny Gemma 3 folder as Hugging Face lays it out: config, tokenizer, processor, weights and their index."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

from .tiny_configs import GEMMA_HIDDEN, GEMMA_LAYERS, Config

if TYPE_CHECKING:
    import torch

WEIGHTS_FILE = "model.safetensors"
TEXT_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
)
_SPECIAL_TOKENS = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
)
_SPACE = "\u2581"  # SentencePiece writes a space as a lower block
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]  # what any other script, Hangul too, falls back to

# English to learn pairs of letters from, so that a usual prompt stays well under the SDK's 1024 tokens.
_SAMPLE = (
    "A gentle hand drawn animation of a child and a cat beside the window at evening. The camera stays still while "
    "the character slowly turns the head, blinks once, and smiles; the hair and the curtain move in a soft wind. "
    "Describe the motion, the lighting, the sound and the dialogue in the order in which they happen. "
    "Expand the short prompt of the user into one detailed paragraph about the image, and do not invent anything else."
)

# Marks the turns as Gemma 3's own template does.
_CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first = messages[0]['content'] + '\n\n' -%}{%- set rest = messages[1:] -%}"
    "{%- else -%}{%- set first = '' -%}{%- set rest = messages -%}{%- endif -%}"
    "{%- for message in rest -%}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{{ first if loop.first else '' }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}"
    "{%- else -%}{%- for item in message['content'] -%}"
    "{{ '<start_of_image>' if item['type'] == 'image' else item['text'] | trim }}"
    "{%- endfor -%}{%- endif -%}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)


def gemma_text_files() -> dict[str, str]:
    """Name and content of the TEXT_FILES."""
    tokenizer = _tokenizer()
    ids: dict[str, int] = tokenizer.get_vocab()
    ends = [ids["<eos>"], ids["<end_of_turn>"]]
    generation = {
        "bos_token_id": ids["<bos>"],
        "eos_token_id": ends,
        "pad_token_id": ids["<pad>"],
        "cache_implementation": "hybrid",
        "do_sample": True,
    }
    image_tokens = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokenizer_config = {
        "tokenizer_class": "GemmaTokenizer",
        "processor_class": "Gemma3Processor",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 131072,
        **image_tokens,
        "extra_special_tokens": image_tokens,
        "chat_template": _CHAT_TEMPLATE,
    }
    image_processor = {
        "image_processor_type": "Gemma3ImageProcessor",
        "processor_class": "Gemma3Processor",
        "size": {"height": 32, "width": 32},
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_seq_length": 256,
        "do_convert_rgb": None,
        "do_pan_and_scan": None,
        "resample": 2,
    }
    files: dict[str, Config] = {
        "config.json": _config(ids, ends, tokenizer.get_vocab_size()),
        "generation_config.json": generation,
        "tokenizer_config.json": tokenizer_config,
        "preprocessor_config.json": image_processor,
        "processor_config.json": {"processor_class": "Gemma3Processor", "image_seq_length": 256},
    }
    return {
        "tokenizer.json": tokenizer.to_str(),
        # 1.0.0 looks for a file of this name to find the folder, and reads tokenizer.json (gemma/tokenizer.py).
        "tokenizer.model": "",
        **{name: json.dumps(content, indent=1) for name, content in files.items()},
    }


def _tokenizer():
    """A byte-fallback BPE like Gemma's, with a vocabulary of a few hundred tokens."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

    def dressed(tokenizer: Tokenizer) -> Tokenizer:
        tokenizer.normalizer = normalizers.Replace(" ", _SPACE)  # pyright: ignore[reportAttributeAccessIssue]
        return tokenizer

    trained = dressed(Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True)))
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        show_progress=False,
        special_tokens=[*_SPECIAL_TOKENS, *_BYTES],
        initial_alphabet=[*map(chr, range(33, 127)), _SPACE, "\n"],
    )
    # Each word on its own: a token may start with a space, but not reach over one.
    trained.train_from_iterator([f" {word}" for word in _SAMPLE.split()] * 2, trainer)
    description = json.loads(trained.to_str())
    # The byte tokens belong to the vocabulary, but a prompt that spells "<0x41>" must not match one.
    description["added_tokens"] = [token for token in description["added_tokens"] if token["content"] not in _BYTES]
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    tokenizer.decoder = decoders.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer


def _config(ids: dict[str, int], ends: list[int], vocabulary: int) -> Config:
    """config.json: Gemma3ForConditionalGeneration as the 12B model writes it, with small numbers."""
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "eos_token_id": ends,
        # 1.0.0 makes a Gemma3Processor with its default image_seq_length (gemma/encoders/base_encoder.py), so an
        # image is 256 tokens, which are 16 x 16 patches: 32 pixels in patches of 2.
        "mm_tokens_per_image": 256,
        "initializer_range": 0.02,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "text_config": {
            "model_type": "gemma3_text",
            "vocab_size": vocabulary,
            "hidden_size": GEMMA_HIDDEN,
            "intermediate_size": 2 * GEMMA_HIDDEN,
            "num_hidden_layers": GEMMA_LAYERS,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "query_pre_attn_scalar": 16,
            "max_position_embeddings": 131072,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000,
            "rope_local_base_freq": 10000,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024,
            "sliding_window_pattern": 2,  # one layer of each kind of attention
            "attention_bias": False,
            "hidden_activation": "gelu_pytorch_tanh",
            "torch_dtype": "float32",
            "use_cache": True,
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 2,
            "num_channels": 3,
            "vision_use_head": False,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
            "attention_dropout": 0.0,
            "torch_dtype": "float32",
        },
    }


def gemma_tensors(config: Config, seed: int) -> dict[str, torch.Tensor]:
    """The weights for ``config`` (the parsed config.json), under the names of the released Gemma 3 files.

    Those names are older than transformers 5, whose SigLIP wrapper has lost its inner ``vision_model``. lm_head is
    tied to the embedding and not stored.
    """
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    from .tiny_weights import generator_for

    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(Gemma3Config.from_dict(config))
    tensors: dict[str, torch.Tensor] = {}
    for parameter, like in model.named_parameters():
        if parameter.startswith("lm_head."):
            continue
        name = parameter.removeprefix("model.")
        if name.startswith("language_model."):
            name = name.replace("language_model.", "language_model.model.", 1)
        elif name.startswith("vision_tower.") and not name.startswith("vision_tower.vision_model."):
            name = name.replace("vision_tower.", "vision_tower.vision_model.", 1)
        tensors[name] = _random(name, like, generator_for(name, seed)).to(torch.bfloat16)
    return tensors


def _random(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    shape = tuple(like.shape)
    if like.ndim == 1:
        # SigLIP's LayerNorm multiplies by its weight, Gemma's RMSNorm by 1 + weight.
        layer_norm = name.startswith("vision_tower.") and re.search(r"norm\d?\.weight$", name)
        return torch.ones(shape) if layer_norm else torch.zeros(shape)
    scale = 0.5 if "embed_tokens" in name else 1 / math.sqrt(math.prod(shape[1:]))
    return torch.randn(shape, generator=generator) * scale
