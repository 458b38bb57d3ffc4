"""StoryMotion's library: still pictures and lines of dialogue in, animated shots with sound out.

It works from plain Python. It imports neither ComfyUI nor the node classes that wrap it, and it
imports nothing heavy (torch, the LTX-2 SDK, PyAV, requests) before the function that needs it runs.
"""
