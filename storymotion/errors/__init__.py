"""Every error that StoryMotion raises on purpose.

    StoryMotionError
    |-- ValueOutOfRange         a number is outside its range, or not a number
    |-- UnknownChoice           a name is not one of the offered ones
    |-- ListLengthsDisagree     lists of different lengths came where one value a scene belongs
    |-- EmptyList               a list came without a value
    |-- BrowserError
    |   |-- CrossOriginRequest  a page that is not ComfyUI's own wants something changed
    |   |-- RequestNotJson      the body of a request is no JSON object
    |   `-- NotANumber          a parameter of a request should be one
    |-- ShotError
    |   |-- SizeNotMultiple     width or height is off the model's grid
    |   |-- FramesNotOnGrid     the frame count is not 8k+1
    |   `-- ShotWithoutSound    the shot is too short for the sound model
    |-- GuidanceBlockMissing    STG names a transformer block that the checkpoint does not have
    |-- GuideError
    |   |-- UnreadableImage     no picture can be made of the input
    |   |-- SeveralPictures     a batch came where one picture belongs
    |   |-- GuideOutsideShot    the frame of a guide is not in the shot
    |   |-- GuidesOnSameFrame   two guides ask for the same frame
    |   `-- GuidesMissing         keyframes were asked for without a picture
    |-- ModelError
    |   |-- SdkMissing          ltx-core / ltx-pipelines are not installed
    |   |-- SdkUnsupported      they are installed, but a version we do not know
    |   |-- SdkBroken           they do not fit each other, or what they import
    |   |-- SdkTooOld           what was asked for came with a newer one
    |   |-- WrongGemma          the checkpoint was trained with another text encoder
    |   |-- PromptNotEnhanced   this text encoder cannot rewrite prompts
    |   |-- LengthNotPredicted  nothing can tell how long the shot should be
    |   |-- CompilerMissing     torch.compile cannot run here
    |   |-- SdkChanged          a part of it that we take hold of is gone
    |   |-- ModelFileMissing    the chosen file is not there
    |   |-- NoModelFiles        the folder of the choice has nothing to choose from
    |   |-- NotSafetensors      the file is not a readable safetensors file
    |   |-- WrongKindOfModel    the file is a model, but not of the kind that goes here
    |   |-- CheckpointIncomplete  parts of the checkpoint are missing
    |   |   `-- ModelPartsMissing  it is several files, and one of them is missing or lacks a part
    |   |-- CheckpointPrequantised  its weights are quantised in a way that cannot be undone while loading
    |   |-- TextEncoderIncomplete  the Gemma folder lacks files
    |   |-- DoesNotFit          weights of one model are larger than all memory of the device
    |   |   |-- PrecisionDoesNotFit  they are in bf16, but not in fp8
    |   |   |-- OffloadNeeded       not all at once, but layer by layer
    |   |   `-- NewerSdkNeeded      the same, with a newer SDK
    |   `-- RenderFailed        the SDK itself failed while rendering
    |-- LoraError
    |   |-- LoraMatchesNothing  none of its keys names a layer of the checkpoint
    |   |-- LoraShapeMismatch   it was trained for a model of another size
    |   |-- LoraUnsupported     it is more than a LoRA, or of a kind that the SDK cannot apply
    |   |-- LoraIncomplete      a layer has one of its two matrices
    |   |-- LoraLayerTwice      two keys are the same part of one layer
    |   |-- LoraAmbiguous       a flattened key can mean several layers
    |   |-- LoraScaleUnusable   an alpha or a scale in it is no finite number
    |   |-- LoraStageImpossible  the pipeline cannot apply it in the stage that was asked for
    |   |-- LoraReferenceConflict  IC-LoRAs want reference videos of different sizes
    |   |-- LoraNotStreamable   it cannot be translated while it is streamed from its file
    |   `-- Fp8LoraNeedsTriton  LoRAs cannot be added to 8-bit weights on this machine
    |-- StoryError
    |   |-- StoryMissing        the chosen story is not in the input folder
    |   |-- NoStories           the input folder has no story to choose
    |   |-- NoSceneRendered     none of several scenes could be rendered
    |   |-- NoScenesForEngine   no scene of the story is for the chosen engine
    |   |-- BranchNotConnected  the shots of a branch are not connected
    |   |-- PlacesNotConnected  the shots of a branch came without their places in the story
    |   |-- PlaceInvalid        a place in the story is no whole number from 1
    |   |-- PlacesTaken         branches of a story have the same scene
    |   |-- PlacesMiscounted    a branch has not as many places in the story as scenes
    |   |-- NoShotsInBranches   every scene of every branch failed
    |   `-- StoryInvalid        everything that is wrong with a story, by line and scene
    |-- PaidError
    |   |-- GateShut            at least one gate to spending is shut: nothing was sent
    |   |-- CapReached          the shot would go over the cap of the run or the day
    |   |-- UnknownModel        the paid model is not in the price file
    |   |-- NoPrice             the model is, but not what was asked of it
    |   |-- KeyMissing          no API key is set
    |   |-- KeyUnusable         the key, its file or the address it is for breaks a rule
    |   |-- KeyRefused          the provider does not accept the key
    |   |-- BillingRefused      the provider refused for reasons of billing; latches
    |   |-- BillingLatched      that latch is still set
    |   |-- RequestRefused      the provider says that the request is wrong
    |   |-- ModerationRefused   its moderation refused words or pictures
    |   |-- RateLimited         it asks to wait for longer than we do
    |   |-- AmbiguousSend       it may have accepted the shot, or not
    |   |-- ProviderUnavailable it cannot be reached; asking again is safe
    |   |-- TaskStillRunning    not a failure: collect the shot later
    |   |-- TaskEnded           the task failed, expired or was cancelled, and is not charged
    |   |-- ShotLost            paid, but the video is gone
    |   |-- TaskTaken           the task id belongs to another shot
    |   |-- ShotNotInDoubt      nothing about the shot is left for a human to decide
    |   |-- JournalUnusable     the record of paid shots cannot be used: nothing is sent
    |   |-- TaskNotKept         the task was accepted, but its id could not be written down
    |   `-- SeedanceError       only this provider has these
    |       |-- SeedanceModelRetired  the service has shut the model down
    |       |-- SeedanceCannot      the model does not offer this value of a setting
    |       |-- SeedancePromptMissing  neither words nor a picture
    |       |-- SeedancePromptCommand  the prompt holds what the service takes for a setting
    |       |-- SeedanceFirstFrameMissing  a last frame alone
    |       |-- SeedancePictureUnusable  the service would refuse the picture
    |       |-- SeedanceRequestTooLarge  the pictures are too large together
    |       |-- SeedanceForeignHost  the video is said to be where the service has no host
    |       `-- SeedanceVideoNotFetched  paid, but it did not come over whole
    `-- MediaError
        |-- NoFrames            nothing to encode
        |-- OddSize             4:2:0 video needs even sides
        |-- WrongFrame          a frame is not 8-bit RGB of the video's size
        |-- EncodeFailed        the encoder or the disk refused
        |-- NoRoomForFrames     the disk cannot hold frames that main memory should not
        |-- UnreadableVideo     the file cannot be opened, or has no video
        |-- ShotUncheckable     too short or too small to be checked
        |-- WideColour          HDR, which an 8-bit BT.709 file cannot hold
        |-- NothingToJoin       a film of no shots
        |-- ShotsDiffer         shots of several sizes or frame rates
        |-- SeveralValues       a list came where the whole film has one value
        `-- StoryIncomplete     scenes failed; the others are saved

An error is one sentence on what is wrong, with the value in it, and one on what to do. Both are
English here; ``messages/ko.json`` has the Korean of every ``code``, and a test proves that none is
missing. ``str(error)`` speaks the language in ``error.language``.
"""

from __future__ import annotations

from .base import (
    StoryMotionError,
    UnknownChoice,
    ValueOutOfRange,
)
from .browser import BrowserError, CrossOriginRequest, NotANumber, RequestNotJson
from .loras import (
    Fp8LoraNeedsTriton,
    LoraAmbiguous,
    LoraError,
    LoraIncomplete,
    LoraLayerTwice,
    LoraMatchesNothing,
    LoraNotStreamable,
    LoraReferenceConflict,
    LoraScaleUnusable,
    LoraShapeMismatch,
    LoraStageImpossible,
    LoraUnsupported,
)
from .media import (
    EncodeFailed,
    MediaError,
    NoFrames,
    NoRoomForFrames,
    NothingToJoin,
    OddSize,
    SeveralValues,
    ShotsDiffer,
    ShotUncheckable,
    StoryIncomplete,
    UnreadableVideo,
    WideColour,
    WrongFrame,
)
from .models import (
    CheckpointIncomplete,
    CheckpointPrequantised,
    CompilerMissing,
    DoesNotFit,
    LengthNotPredicted,
    ModelError,
    ModelFileMissing,
    ModelPartsMissing,
    NewerSdkNeeded,
    NoModelFiles,
    NotSafetensors,
    OffloadNeeded,
    PrecisionDoesNotFit,
    PromptNotEnhanced,
    RenderFailed,
    SdkBroken,
    SdkChanged,
    SdkMissing,
    SdkTooOld,
    SdkUnsupported,
    TextEncoderIncomplete,
    WrongGemma,
    WrongKindOfModel,
)
from .paid import (
    AmbiguousSend,
    BillingLatched,
    BillingRefused,
    CapReached,
    GateShut,
    JournalUnusable,
    KeyMissing,
    KeyRefused,
    KeyUnusable,
    ModerationRefused,
    NoPrice,
    PaidError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    ShotLost,
    ShotNotInDoubt,
    TaskEnded,
    TaskNotKept,
    TaskStillRunning,
    TaskTaken,
    UnknownModel,
)
from .seedance import (
    SeedanceCannot,
    SeedanceError,
    SeedanceFirstFrameMissing,
    SeedanceForeignHost,
    SeedanceModelRetired,
    SeedancePictureUnusable,
    SeedancePromptCommand,
    SeedancePromptMissing,
    SeedanceRequestTooLarge,
    SeedanceVideoNotFetched,
)
from .shots import (
    EmptyList,
    FramesNotOnGrid,
    GuidanceBlockMissing,
    GuideError,
    GuideOutsideShot,
    GuidesMissing,
    GuidesOnSameFrame,
    ListLengthsDisagree,
    SeveralPictures,
    ShotError,
    ShotWithoutSound,
    SizeNotMultiple,
    UnreadableImage,
)
from .story import (
    BranchNotConnected,
    NoSceneRendered,
    NoScenesForEngine,
    NoShotsInBranches,
    NoStories,
    PlaceInvalid,
    PlacesMiscounted,
    PlacesNotConnected,
    PlacesTaken,
    StoryError,
    StoryInvalid,
    StoryMissing,
)

__all__ = [
    "AmbiguousSend",
    "BillingLatched",
    "BillingRefused",
    "BranchNotConnected",
    "BrowserError",
    "CapReached",
    "CheckpointIncomplete",
    "CheckpointPrequantised",
    "CompilerMissing",
    "CrossOriginRequest",
    "DoesNotFit",
    "EmptyList",
    "EncodeFailed",
    "Fp8LoraNeedsTriton",
    "FramesNotOnGrid",
    "GateShut",
    "GuidanceBlockMissing",
    "GuideError",
    "GuideOutsideShot",
    "GuidesMissing",
    "GuidesOnSameFrame",
    "JournalUnusable",
    "KeyMissing",
    "KeyRefused",
    "KeyUnusable",
    "LengthNotPredicted",
    "ListLengthsDisagree",
    "LoraAmbiguous",
    "LoraError",
    "LoraIncomplete",
    "LoraLayerTwice",
    "LoraMatchesNothing",
    "LoraNotStreamable",
    "LoraReferenceConflict",
    "LoraScaleUnusable",
    "LoraShapeMismatch",
    "LoraStageImpossible",
    "LoraUnsupported",
    "MediaError",
    "ModelError",
    "ModelFileMissing",
    "ModelPartsMissing",
    "ModerationRefused",
    "NewerSdkNeeded",
    "NoFrames",
    "NoModelFiles",
    "NoPrice",
    "NoRoomForFrames",
    "NoSceneRendered",
    "NoScenesForEngine",
    "NoShotsInBranches",
    "NoStories",
    "NotANumber",
    "NotSafetensors",
    "NothingToJoin",
    "OddSize",
    "OffloadNeeded",
    "PaidError",
    "PlaceInvalid",
    "PlacesMiscounted",
    "PlacesNotConnected",
    "PlacesTaken",
    "PrecisionDoesNotFit",
    "PromptNotEnhanced",
    "ProviderUnavailable",
    "RateLimited",
    "RenderFailed",
    "RequestNotJson",
    "RequestRefused",
    "SdkBroken",
    "SdkChanged",
    "SdkMissing",
    "SdkTooOld",
    "SdkUnsupported",
    "SeedanceCannot",
    "SeedanceError",
    "SeedanceFirstFrameMissing",
    "SeedanceForeignHost",
    "SeedanceModelRetired",
    "SeedancePictureUnusable",
    "SeedancePromptCommand",
    "SeedancePromptMissing",
    "SeedanceRequestTooLarge",
    "SeedanceVideoNotFetched",
    "SeveralPictures",
    "SeveralValues",
    "ShotError",
    "ShotLost",
    "ShotNotInDoubt",
    "ShotUncheckable",
    "ShotWithoutSound",
    "ShotsDiffer",
    "SizeNotMultiple",
    "StoryError",
    "StoryIncomplete",
    "StoryInvalid",
    "StoryMissing",
    "StoryMotionError",
    "TaskEnded",
    "TaskNotKept",
    "TaskStillRunning",
    "TaskTaken",
    "TextEncoderIncomplete",
    "UnknownChoice",
    "UnknownModel",
    "UnreadableImage",
    "UnreadableVideo",
    "ValueOutOfRange",
    "WideColour",
    "WrongFrame",
    "WrongGemma",
    "WrongKindOfModel",
]
