// One row for each scene of a list: what became of it, how long it is, what it cost, how it was judged, its file.
import { api } from "../../scripts/api.js"
import { amount } from "./money.js"
import { addButton, part } from "./panel.js"
import { say } from "./words.js"

// Each with a mark beside its word, so that nothing hangs on colour.
const STATES = {
  done: ["\u2713", "scene-done"],
  reused: ["\u21ba", "scene-reused"],
  earlier: ["\u21ba", "scene-earlier"],
  failed: ["\u2717", "scene-failed"],
  pass: ["\u2713", "verdict-pass"],
  look: ["?", "verdict-look"],
  retake: ["\u2717", "verdict-retake"],
}
const COLUMNS = [
  { head: "scene", has: () => true, cell: (scene) => [scene.name ? `${scene.position} ${scene.name}` : `${scene.position}`] },
  { head: "scene-state", has: (scene) => scene.state, cell: (scene) => state(scene.state) },
  { head: "scene-seconds", has: (scene) => scene.seconds, cell: (scene) => [`${scene.seconds.toFixed(2)} s`] },
  { head: "scene-score", has: (scene) => scene.score !== undefined, cell: (scene) => [scene.score.toFixed(2)] },
  { head: "scene-cost", has: (scene) => scene.krw_text, cell: (scene) => [amount(scene)] },
  { head: "scene-file", has: (scene) => scene.file, cell: (scene) => [player(scene.file)] },
]

// The rows as a table; of a single judged shot its verdict alone, since the report says the rest.
export function sceneTable(scenes) {
  if (scenes.length < 2) return scenes.filter((scene) => scene.score !== undefined).map(verdict)
  const columns = COLUMNS.filter((column) => scenes.some(column.has))
  const table = part("table", "scenes")
  const head = table.createTHead().insertRow()
  for (const column of columns) {
    const cell = head.appendChild(part("th", "head", say(column.head)))
    cell.scope = "col"
  }
  const body = table.createTBody()
  for (const scene of scenes) {
    const row = body.insertRow()
    for (const column of columns) row.insertCell().append(...(column.has(scene) ? column.cell(scene) : ["-"]))
  }
  return [table]
}

function verdict(scene) {
  const row = part("div", "main")
  row.append(...state(scene.state), ` (${scene.score.toFixed(2)})`)
  return row
}

function state(name) {
  const [mark, word] = STATES[name] ?? ["", name]
  const sign = part("span", "mark", mark)
  sign.setAttribute("aria-hidden", "true")
  return [sign, say(word) || name]
}

// A button with the file's name, which opens the video below its row and closes it again.
function player(file) {
  const place = part("div", "file")
  const button = addButton(place, "play", `\u25b6 ${file.filename}`)
  button.setAttribute("aria-expanded", "false")
  button.addEventListener("click", () => {
    const row = place.closest("tr")
    const open = row.nextElementSibling?.classList.contains("storymotion-player")
    button.setAttribute("aria-expanded", String(!open))
    if (open) return row.nextElementSibling.remove()
    const cell = part("td", "video")
    cell.colSpan = row.cells.length
    const video = cell.appendChild(document.createElement("video"))
    video.controls = video.autoplay = video.loop = true
    video.src = api.apiURL(`/view?${new URLSearchParams(file)}`)
    const below = part("tr", "player")
    below.append(cell)
    row.after(below)
  })
  return place
}
