"""Errors of paid providers. None holds a key or a signed address: messages go through ``paid.redact`` first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..messages import Bilingual, english, korean
from ..report import Line
from .base import StoryMotionError


class PaidError(StoryMotionError):
    """A paid shot cannot be made, or not yet."""


@dataclass(eq=False)
class PaidErrorWithLines(PaidError):
    """One whose fields are report lines, said one a line; for "ko" all of it once more in Korean."""

    def speak(self, language: str) -> str:
        """The two sentences and the lines they announce; see ``StoryMotionError.speak``."""
        template = f"{self.problem} {self.remedy}"
        text = _without_empty_lines(template.format(**self._said(english)))
        if language != "ko":
            return text
        return f"{text}\n{self._korean()}"

    def as_value(self) -> Bilingual:
        """What is wrong, without the lines: see ``StoryMotionError.as_value``."""
        both = (text.split("\n")[0].rpartition(". ")[0] + "." for text in (self.speak("en"), self._korean()))
        return Bilingual(*both)

    def all_lines(self) -> tuple[Line, ...]:
        """The lines that ``as_value`` leaves out."""
        return tuple(each for value in self.values().values() if isinstance(value, tuple) for each in value)

    def _korean(self) -> str:
        return _without_empty_lines(korean("errors", self.code, self._said(korean)))

    def _said(self, say: Callable[[str, str, Mapping[str, object]], str]) -> dict[str, object]:
        said = dict(self.values())
        for name, value in said.items():
            if isinstance(value, tuple):
                said[name] = "\n".join(f"- {say('report', each.code, each.values)}" for each in value)
        return said


def _without_empty_lines(text: str) -> str:
    return "\n".join(row for row in text.split("\n") if row)


@dataclass(eq=False)
class GateShut(PaidErrorWithLines):
    """A gate is shut. ``gates``: which, and how to open each; ``quote``: the price; ``facts``: the checklist."""

    code = "gate-shut"
    problem = "Nothing was sent to {provider} and nothing was paid, because the billing gate is shut."
    remedy = (
        "Read the facts about the account, and open what is shut only if you want to pay:\n{gates}\n{quote}\n{facts}"
    )
    provider: str
    gates: tuple[Line, ...]
    quote: tuple[Line, ...]
    facts: tuple[Line, ...]


@dataclass(eq=False)
class CapReached(PaidError):
    """The shot, or all of a node together, would go over a cap; USD as text. ``variable``: the setting of that cap."""

    code = "cap-reached"
    problem = "This may cost ${quote}, but of the cap {variable} = ${cap} already ${committed} are spent or reserved."
    remedy = "Nothing was sent: collect the unfinished shots, wait for the next day or queue, or raise {variable}."
    variable: str
    cap: str
    committed: str
    quote: str


@dataclass(eq=False)
class UnknownModel(PaidError):
    """The model is not in the price file."""

    code = "unknown-paid-model"
    problem = "{provider} model '{model}' is not known here, so its price is not known either."
    remedy = "Nothing was sent: choose one of {choices}."
    provider: str
    model: str
    choices: str


@dataclass(eq=False)
class NoPrice(PaidError):
    """The model is known, but what was asked of it has no price. ``what``: for example "4k, flex"."""

    code = "no-price"
    problem = "No price is known for {what} with the {provider} model '{model}'."
    remedy = "Nothing was sent: choose another resolution or tier, or add the price with its source and date."
    provider: str
    model: str
    what: str


@dataclass(eq=False)
class KeyMissing(PaidError):
    """No API key is set."""

    code = "key-missing"
    problem = "No API key for {provider} is set: neither {variable} nor {file_variable}."
    remedy = "Set one of them in the environment of ComfyUI and restart it; never type a key into a workflow."
    provider: str
    variable: str
    file_variable: str


@dataclass(eq=False)
class KeyUnusable(PaidErrorWithLines):
    """The key or its file breaks a rule; the key itself is in no value."""

    code = "key-unusable"
    problem = "The API key for {provider} is not used."
    remedy = "Nothing was sent; correct this and restart ComfyUI:\n{reasons}"
    provider: str
    reasons: tuple[Line, ...]


@dataclass(eq=False)
class KeyRefused(PaidError):
    """The provider does not accept the key (HTTP 401 or 403 without a billing code)."""

    code = "key-refused"
    problem = "{provider} does not accept the API key: {error_code}: {message}."
    remedy = "Check that the key is of this region and may use the model; paid shots stay in the journal meanwhile."
    provider: str
    error_code: str
    message: str


@dataclass(eq=False)
class BillingRefused(PaidError):
    """The provider refused for reasons of billing or activation. Latches: see ``Journal.latch``."""

    code = "billing-refused"
    problem = "{provider} refused the shot for reasons of billing: {error_code}: {message}."
    remedy = (
        "This request was not charged and is not repeated. Look into your account there; until you clear the billing "
        "latch, nothing more is sent."
    )
    provider: str
    error_code: str
    message: str


@dataclass(eq=False)
class BillingLatched(PaidError):
    """An earlier refusal for reasons of billing still holds. ``since`` is UTC."""

    code = "billing-latched"
    problem = "{provider} refused an earlier shot for reasons of billing ({error_code}, {since})."
    remedy = "Nothing was sent: look into your account there, then clear the billing latch."
    provider: str
    error_code: str
    since: str


@dataclass(eq=False)
class RequestRefused(PaidError):
    """The provider says that the request is wrong; it is never repeated."""

    code = "request-refused"
    problem = "{provider} refused the request: {error_code}: {message}."
    remedy = "It was not charged; change what the message names and queue it again."
    provider: str
    error_code: str
    message: str


@dataclass(eq=False)
class ModerationRefused(PaidError):
    """The provider's moderation refused the words or the pictures."""

    code = "moderation-refused"
    problem = "The content check of {provider} refused the shot: {error_code}: {message}."
    remedy = "It was not charged; change the prompt or the picture."
    provider: str
    error_code: str
    message: str


@dataclass(eq=False)
class RateLimited(PaidError):
    """The provider asked to wait, for longer than we do."""

    code = "rate-limited"
    problem = "{provider} takes no more requests at the moment ({error_code}), also not after {seconds:.0f} s."
    remedy = "It was not charged; queue it again later, or queue fewer paid shots at once."
    provider: str
    error_code: str
    seconds: float


@dataclass(eq=False)
class AmbiguousSend(PaidError):
    """The request left, but no usable answer came: it may be charged. ``usd`` stays reserved."""

    code = "ambiguous-send"
    problem = "Whether {provider} accepted the shot is not known: {reason}."
    remedy = (
        "It may be charged, so it is not sent again and ${usd} stay reserved: queue the same again or run the Collect "
        "node, which look for it in the provider's list."
    )
    provider: str
    reason: str
    usd: str


@dataclass(eq=False)
class ProviderUnavailable(PaidError):
    """The provider cannot be reached, and what was asked can safely be asked again."""

    code = "provider-unavailable"
    problem = "{provider} cannot be reached or does not answer as it should: {reason}."
    remedy = "Nothing more was paid for this; check the connection and queue it again."
    provider: str
    reason: str


@dataclass(eq=False)
class TaskStillRunning(PaidError):
    """The deadline passed, or the queue was interrupted, while the task goes on at the provider. Not a failure."""

    code = "task-still-running"
    problem = "The paid task {task} is still {status} at {provider}."
    remedy = (
        "It cannot be stopped and will be charged: queue the same again or run the Collect node to fetch the video; "
        "neither pays again."
    )
    provider: str
    task: str
    status: str


@dataclass(eq=False)
class TaskEnded(PaidError):
    """The task failed, expired or was cancelled; the provider does not charge for it."""

    code = "task-ended"
    problem = "The task {task} ended without a video ({status}): {reason}."
    remedy = "It was not charged and is not repeated by itself: raise take to try again."
    task: str
    status: str
    reason: str


@dataclass(eq=False)
class ShotLost(PaidError):
    """The shot was paid, but its video cannot be fetched any more."""

    code = "shot-lost"
    problem = "The video of the paid task {task} is gone: {reason}."
    remedy = "It is not made again by itself, because that would be paid again: raise take if you want that."
    task: str
    reason: str


@dataclass(eq=False)
class TaskTaken(PaidError):
    """A task id was to be given to one shot, but another shot of the journal has it."""

    code = "task-taken"
    problem = "The task {task} belongs to another shot of the journal (row {row})."
    remedy = "Collect that shot, or give the id of another task."
    task: str
    row: int


@dataclass(eq=False)
class ShotNotInDoubt(PaidError):
    """A human was to decide on a shot of which the journal knows what became, or which it does not have."""

    code = "shot-not-in-doubt"
    problem = "Paid shot {row} is not one whose answer was lost: the journal says '{state}'."
    remedy = "Nothing was changed. Look at the list of unfinished shots again."
    row: int
    state: str


@dataclass(eq=False)
class JournalUnusable(PaidError):
    """The journal cannot be read or written, so nothing may be spent. It is never made anew by itself."""

    code = "journal-unusable"
    problem = "The journal of paid shots {path} cannot be used: {reason}."
    remedy = (
        "Nothing is sent without it. Free disk space, or repair or restore the file: deleting it forgets paid shots."
    )
    path: str
    reason: str


@dataclass(eq=False)
class TaskNotKept(PaidError):
    """The provider accepted a shot, but the journal could not take its task id down."""

    code = "task-not-kept"
    problem = "The paid task {task} runs, but the journal {path} could not take it down: {reason}."
    remedy = "Note the id. When the journal can be written again, give it to the Collect node, which pays nothing."
    task: str
    path: str
    reason: str
