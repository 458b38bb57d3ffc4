"""Model files in ComfyUI's folders: what the combos offer, and the path behind a choice."""

from __future__ import annotations

from pathlib import Path

from ..storymotion.errors import ModelFileMissing, NoModelFiles

CHECKPOINTS, LORAS, UPSCALERS, TEXT_ENCODERS = "checkpoints", "loras", "latent_upscale_models", "text_encoders"
ROLES = {
    CHECKPOINTS: "LTX-2 checkpoint",
    LORAS: "LoRA",
    UPSCALERS: "spatial upscaler",
    TEXT_ENCODERS: "Gemma 3 text encoder folder",
}
NONE = "none"


def choices(folder: str) -> list[str]:
    """What a combo offers: the files of ``folder``, or one entry that says that there are none.

    A combo without entries cannot be queued on servers that check choices, so the user would never
    see our sentence about what is missing.
    """
    return _names(folder) or [_nothing_here(folder)]


def path_of(folder: str, name: str) -> Path:
    """The path of a choice. Raises NoModelFiles when the folder is empty, else ModelFileMissing."""
    import folder_paths

    if folder == TEXT_ENCODERS:
        for root in folder_paths.get_folder_paths(folder):
            if name in _gemma_folders(Path(root)):
                return Path(root) / name
    else:
        path = folder_paths.get_full_path(folder, name)
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

    if folder != TEXT_ENCODERS:
        return [name for name in folder_paths.get_filename_list(folder) if name.endswith(".safetensors")]
    return sorted({name for root in folder_paths.get_folder_paths(folder) for name in _gemma_folders(Path(root))})


def _gemma_folders(root: Path) -> list[str]:
    """Sub-folders that look like a Hugging Face Gemma folder: the tokenizer is what single files lack."""
    if not root.is_dir():
        return []
    return [each.name for each in root.iterdir() if each.is_dir() and (each / "tokenizer.model").is_file()]


def _nothing_here(folder: str) -> str:
    return f"(no {ROLES[folder]} in models/{folder})"


def _where(folder: str) -> str:
    import folder_paths

    return " or ".join(folder_paths.get_folder_paths(folder))
