"""Lightricks' official LTX-2 SDK behind one function: ``render.render_shot``.

Only this folder imports ``ltx_core`` and ``ltx_pipelines``, and only inside functions: the pack loads
without them. Everything that can be known from a file header or a number is checked before the
first weight is read (``preflight``); one adapter per SDK generation (``sdk_1_0``, ``sdk_1_2``) calls the SDK's own
pipeline classes.
"""
