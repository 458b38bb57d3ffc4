// What nodes said when they ran: a row for every line, and so for every scene. Saved videos are shown by the editor.
import { app } from "../../scripts/app.js"
import { panelOf, rows } from "./panel.js"

const HEIGHT = 72
const REPORTING = [
  "StoryMotionDistilled",
  "StoryMotionOneStage",
  "StoryMotionTwoStage",
  "StoryMotionKeyframes",
  "StoryMotionICLora",
  "StoryMotionLoadStory",
  "StoryMotionAnimationEncode",
  "StoryMotionJoin",
  "StoryMotionSeedanceCollect",
]

app.registerExtension({
  name: "StoryMotion.Reports",
  nodeCreated(node) {
    if (!REPORTING.includes(node.comfyClass)) return
    const onExecuted = node.onExecuted
    node.onExecuted = function (output) {
      const result = onExecuted?.apply(this, arguments)
      const lines = (output?.text ?? []).flatMap((text) => String(text).split("\n"))
      if (lines.length) panelOf(node, HEIGHT).replaceChildren(...rows(lines))
      return result
    }
  },
})
