// What nodes said when they ran: a row for every line, and so for every scene. Saved videos are shown by the editor.
import { app } from "../../scripts/app.js"
import { watch } from "./live.js"
import { panelOf, rows } from "./panel.js"
import { say } from "./words.js"

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
    // There from the beginning: editors that draw nodes as parts of the page may miss what is added later.
    const panel = panelOf(node, HEIGHT)
    let lines = []
    const show = ({ text }) => panel.replaceChildren(...(lines.length ? rows(lines) : rows([text], "quiet")))
    const watched = watch(node, () => ({ text: say("report-later") }), show)
    const onExecuted = node.onExecuted
    node.onExecuted = function (output) {
      lines = (output?.text ?? []).flatMap((text) => String(text).split("\n"))
      watched.again()
      return onExecuted?.apply(this, arguments)
    }
  },
})
