"""Model files in ComfyUI's folders: what the combos offer, and the path behind a choice."""

from __future__ import annotations

from pathlib import Path

from ..storymotion.errors import ModelFileMissing, NoModelFiles

CHECKPOINTS, LORAS, UPSCALERS, TEXT_ENCODERS = "checkpoints", "loras", "latent_upscale_models", "text_encoders"
# Parts of a model in several files (SDK 1.2). A transformer alone is offered among the checkpoints, and Gemma in one
# file among the text encoders.
DIFFUSION_MODELS, VAES, MODEL_PATCHES = "diffusion_models", "vae", "model_patches"
ROLES = {
    CHECKPOINTS: "LTX-2 checkpoint",
    LORAS: "LoRA",
    UPSCALERS: "spatial upscaler",
    TEXT_ENCODERS: "Gemma 3 text encoder folder",
    VAES: "VAE",
    MODEL_PATCHES: "duration head",
}
NONE = "none"


def choices(folder: str) -> list[str]:
    """What a combo offers: the files of ``folder``, or one entry that says that there are none.

    A combo without entries cannot be queued on servers that check choices, so the user would never
    see our sentence about what is missing.
    """
    return _names(folder) or [_nothing_here(folder)]


def choices_or_none(folder: str) -> list[str]:
    """What a combo offers that may stay empty."""
    return [NONE, *_names(folder)]


def path_of(folder: str, name: str) -> Path:
    """The path of a choice. Raises NoModelFiles when the folder is empty, else ModelFileMissing."""
    import folder_paths

    name = str(name)  # a workflow over the API may say anything, and ComfyUI checks V3 combos from 0.8 on only
    if folder == TEXT_ENCODERS:
        for root in folder_paths.get_folder_paths(folder):
            if name in _gemma_folders(Path(root)):
                return Path(root) / name
    for place in (folder, DIFFUSION_MODELS) if folder == CHECKPOINTS else (folder,):
        path = folder_paths.get_full_path(place, name) if place in folder_paths.folder_names_and_paths else None
        if path:
            return Path(path)
    where = _where(folder)
    if name == _nothing_here(folder) or not _names(folder):
        raise NoModelFiles(ROLES[folder], where)
    raise ModelFileMissing(ROLES[folder], name, where)


def fingerprint(*paths: Path | None) -> tuple[tuple[str, int, int], ...]:
    """Path, size and modification time of files; of a folder, those of the files in it."""
    facts = []
    for path in paths:
        if path is None or not path.exists():
            continue
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            stat = file.stat()
            facts.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(facts)


def _names(folder: str) -> list[str]:
    import folder_paths

    if folder == TEXT_ENCODERS:
        roots = folder_paths.get_folder_paths(folder)
        folders = sorted({name for root in roots for name in _gemma_folders(Path(root))})
        # The shards of a folder are listed as well, but no choice by themselves.
        return folders + [name for name in _files(folder) if not Path(name).parent.parts]
    if folder == CHECKPOINTS:
        return list(dict.fromkeys([*_files(folder), *_files(DIFFUSION_MODELS)]))
    return _files(folder)


def _files(folder: str) -> list[str]:
    import folder_paths

    if folder not in folder_paths.folder_names_and_paths:
        return []
    return [name for name in folder_paths.get_filename_list(folder) if name.endswith(".safetensors")]


def _gemma_folders(root: Path) -> list[str]:
    """Sub-folders that look like a Hugging Face Gemma folder: the tokenizer is what single files lack."""
    if not root.is_dir():
        return []
    return [each.name for each in root.iterdir() if each.is_dir() and _has_tokenizer(each)]


def _has_tokenizer(folder: Path) -> bool:
    """Gemma 3's is in a file of its own, Gemma 4's only among the others that SDK 1.2 reads."""
    newer = ("tokenizer.json", "processor_config.json")
    return (folder / "tokenizer.model").is_file() or all((folder / name).is_file() for name in newer)


def _nothing_here(folder: str) -> str:
    return f"(no {ROLES[folder]} in models/{folder})"


def _where(folder: str) -> str:
    import folder_paths

    return " or ".join(folder_paths.get_folder_paths(folder))
