// StoryMotion's browser side: its settings. ComfyUI keeps them in comfy.settings.json of the user, where
// nodes/settings.py reads them. The texts here are those of locales/en/settings.json.
import { app } from "../../scripts/app.js"

app.registerExtension({
  name: "StoryMotion.Settings",
  settings: [
    {
      id: "StoryMotion.ShotStoreGB",
      category: ["StoryMotion", "Stories", "ShotStoreGB"],
      name: "Disk space for finished shots of stories (GB)",
      tooltip:
        "Finished shots are kept without loss in storymotion/shots of ComfyUI's user folder: a story that is queued " +
        "again renders only what changed. Those used longest ago go first. 0 keeps none.",
      type: "number",
      defaultValue: 30,
      attrs: { min: 0, max: 100000, step: 1 },
    },
  ],
})
