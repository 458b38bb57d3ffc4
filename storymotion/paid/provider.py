"""What differs between providers, as far as the gate must know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A paid provider. ``id`` is its name in the journal and in ``checklist.json``.

    ``prefix`` begins the variables of its gates. ``addresses``: the official base addresses, the first is the
    default; no other host ever gets a key. ``video_folder``: where its videos are, beside the journal.
    """

    id: str
    name: str
    prefix: str
    key_variable: str
    key_file_variable: str
    address_variable: str
    addresses: tuple[str, ...]
    video_folder: str

    @property
    def enabled_variable(self) -> str:
        """Exactly "1" or "true" opens; from the environment only."""
        return f"{self.prefix}_ENABLED"

    @property
    def terms_variable(self) -> str:
        """The ISO date on which the operator read the checklist."""
        return f"{self.prefix}_TERMS_READ"

    @property
    def run_cap_variable(self) -> str:
        """The most USD of one run."""
        return f"{self.prefix}_MAX_USD_PER_RUN"

    @property
    def day_cap_variable(self) -> str:
        """The most USD of one day."""
        return f"{self.prefix}_MAX_USD_PER_DAY"


# Addresses: _constants.BASE_URL of byteplus-python-sdk-v2 3.0.63 and of volcengine-ark-runtime 5.0.54.
SEEDANCE = Provider(
    id="byteplus",
    name="BytePlus ModelArk",
    prefix="SEEDANCE",
    key_variable="ARK_API_KEY",
    key_file_variable="ARK_API_KEY_FILE",
    address_variable="ARK_BASE_URL",
    addresses=("https://ark.ap-southeast.bytepluses.com/api/v3", "https://ark.cn-beijing.volces.com/api/v3"),
    video_folder="seedance",
)
