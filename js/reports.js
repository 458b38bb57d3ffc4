// What nodes said when they ran: a row for every scene, then the report. Saved videos are shown by the editor.
import { app } from "../../scripts/app.js"
import { watch } from "./live.js"
import { panelOf, part, rows } from "./panel.js"
import { onResult } from "./results.js"
import { sceneTable } from "./scenes.js"
import { language, say } from "./words.js"

const HEIGHT = 72
const PLOTTING = "StoryMotionCheckShot"
const REPORTING = [
  "StoryMotionDistilled",
  "StoryMotionOneStage",
  "StoryMotionTwoStage",
  "StoryMotionKeyframes",
  "StoryMotionICLora",
  "StoryMotionLoadStory",
  PLOTTING,
  "StoryMotionAnimationEncode",
  "StoryMotionJoin",
  "StoryMotionSeedanceCollect",
]

app.registerExtension({
  name: "storymotion.Reports",
  nodeCreated(node) {
    if (!REPORTING.includes(node.comfyClass)) return
    // There from the beginning: editors that draw nodes as parts of the page may miss what is added later.
    const panel = panelOf(node, HEIGHT)
    let result = null
    const show = ({ text }) => panel.replaceChildren(...(result ? resultRows(result) : rows([text], "quiet")))
    const watched = watch(node, () => ({ text: say("report-later") }), show)
    onResult(node, (got) => {
      // With nodes as parts of the page the editor takes pictures on a node that has a VIDEO input for videos.
      if (node.comfyClass === PLOTTING) node.previewMediaType = "image"
      result = got
      watched.again()
    })
  },
})

export function resultRows({ gone, lines, scenes, ended }) {
  if (gone) return rows([say("report-gone")], "quiet")
  const time = ended && new Date(ended).toLocaleString(language())
  return [...rows([time && say("report-earlier", { time })], "quiet"), ...sceneTable(scenes), ...rows(lines)]
}
