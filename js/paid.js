// Paid shots: what one costs while its inputs are changed, which gates are shut, what of today's cap is used, and
// what was paid for and is not here yet. Nothing here sends a shot.
import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"
import { inputsOf, isLinked } from "./graph.js"
import { watch } from "./live.js"
import { panelOf, part, rows } from "./panel.js"
import { tell } from "./server.js"
import { said, say } from "./words.js"

const PRICED = ["model", "resolution", "ratio", "duration", "service_tier"]
const PICTURES = ["first_frame", "last_frame"]
const HEIGHTS = { StoryMotionSeedance: 132, StoryMotionSeedanceQuote: 96 }
const REFRESH_MS = 15000
const COLLECT_EVENT = "storymotion.paid.collect"
const desks = new Set() // those who want to know of a collection

app.registerExtension({
  name: "StoryMotion.Paid",
  setup() {
    api.addEventListener(COLLECT_EVENT, ({ detail }) => desks.forEach((desk) => desk.collecting(detail)))
  },
  nodeCreated(node) {
    const height = HEIGHTS[node.comfyClass]
    if (!height) return
    const panel = panelOf(node, height)
    const price = addPart(panel, "price")
    addLock(node, panel)
    const today = addPart(panel, "today")
    watch(node, () => ({ get: "paid/spend" }), (got) => today.replaceChildren(...spendRows(got)), { refresh: REFRESH_MS })
    const isShot = node.comfyClass === "StoryMotionSeedance"
    if (isShot) addUnfinished(node, panel)
    const details = addPart(panel, "details")
    const showPrice = (got) => {
      price.replaceChildren(priceRow(got))
      details.replaceChildren(...rows((got.answer?.report ?? []).map(said)))
    }
    watch(node, quoteQuestion, showPrice, { refresh: REFRESH_MS })
    if (!isShot) return
    const receipt = addPart(panel, "receipt")
    const onExecuted = node.onExecuted
    node.onExecuted = function (output) {
      receipt.replaceChildren(...rows((output?.text ?? []).flatMap((text) => String(text).split("\n"))))
      return onExecuted?.apply(this, arguments)
    }
  },
})

function addPart(panel, name) {
  return panel.appendChild(part("div", name))
}

function addButton(parent, name) {
  const button = part("button", "button")
  button.classList.add(`storymotion-${name}`)
  button.type = "button"
  return parent.appendChild(button)
}

function shot(node, more = []) {
  const { values, linked } = inputsOf(node, [...PRICED, ...more])
  for (const name of PICTURES) if (isLinked(node, name)) values[name] = "1"
  return linked.length ? { text: say("known-when-it-runs", { inputs: linked.join(", ") }) } : { values }
}

function quoteQuestion(node) {
  const { text, values } = shot(node)
  return text ? { text } : { get: "paid/quote", values }
}

function priceRow({ answer, text, problem }) {
  if (!answer) return part("div", problem ? "problem" : "quiet", text)
  const figures = { krw: answer.krw_text, usd: answer.usd_text, per8s: answer.krw_per_8s_text }
  return part("div", "main", say("quote", figures))
}

function spendRows({ answer, text }) {
  if (!answer) return [part("div", "quiet", text)]
  const { spent, day_cap: cap } = answer
  const figures = { krw: spent.krw_text, usd: spent.usd_text, cap_krw: cap.krw_text, cap_usd: cap.usd_text }
  return [part("div", "row", say("today", figures)), ...rows(answer.notes.map(said), "quiet")]
}

// A lock whose reasons are its tooltip, and a list below it once it is pressed.
function addLock(node, panel) {
  const place = addPart(panel, "gate")
  const button = addButton(place, "lock")
  const icon = button.appendChild(part("i", "icon"))
  const label = button.appendChild(part("span", "label"))
  const reasons = place.appendChild(part("ul", "list"))
  reasons.hidden = true
  place.hidden = true
  button.addEventListener("click", () => {
    reasons.hidden = !reasons.hidden
    button.setAttribute("aria-expanded", String(!reasons.hidden))
  })
  const question = () => {
    const { text, values } = shot(node, node.comfyClass === "StoryMotionSeedance" ? ["max_usd"] : [])
    return { get: "paid/gate", values: text ? {} : values }
  }
  const show = ({ answer }) => {
    place.hidden = !answer
    if (!answer) return
    const shut = answer.gates.filter((gate) => !gate.open)
    const why = shut.flatMap((gate) => gate.why.map(said))
    icon.className = `storymotion-icon pi ${answer.open ? "pi-lock-open" : "pi-lock"}`
    label.textContent = answer.open ? say("lock-open") : say("lock-shut", { count: shut.length, all: answer.gates.length })
    button.title = why.join("\n") || label.textContent
    button.setAttribute("aria-expanded", String(!reasons.hidden))
    reasons.replaceChildren(...why.map((each) => part("li", "row", each)))
  }
  watch(node, question, show, { refresh: REFRESH_MS })
}

// Shots that were sent and whose video is not here, and the button that fetches them.
function addUnfinished(node, panel) {
  const place = addPart(panel, "unfinished")
  const head = place.appendChild(part("div", "line"))
  const count = head.appendChild(part("span", "count"))
  const button = addButton(head, "collect")
  const tasks = place.appendChild(part("ul", "list"))
  const told = addPart(panel, "collected")
  head.hidden = true
  const show = ({ answer }) => {
    if (!answer) return
    head.hidden = !answer.tasks.length
    count.textContent = say("unfinished", { count: answer.tasks.length })
    button.textContent ||= say("collect")
    tasks.replaceChildren(...answer.tasks.map((task) => part("li", "row", taskText(task))))
  }
  const watched = watch(node, () => ({ get: "paid/tasks" }), show, { refresh: REFRESH_MS })
  const desk = {
    collecting(state) {
      button.disabled = state.running
      button.textContent = say(state.running ? "collecting" : "collect")
      told.replaceChildren(...collectedRows(state))
      if (!state.running) watched.again()
    },
  }
  desks.add(desk)
  const onRemoved = node.onRemoved
  node.onRemoved = function () {
    desks.delete(desk)
    return onRemoved?.apply(this, arguments)
  }
  button.addEventListener("click", async () => {
    button.disabled = true
    const got = await tell("paid/collect")
    if (got.ok) return desk.collecting(got.answer)
    button.disabled = false
    told.replaceChildren(part("div", "problem", said(got.said) || say("no-answer")))
  })
}

function taskText(task) {
  const sent = new Date(task.sent).toLocaleString()
  const facts = [task.resolution, task.ratio, task.duration && `${task.duration} s`, `${task.quoted.krw_text} KRW`, sent]
  return [facts.filter(Boolean).join(", "), task.prompt_start].filter(Boolean).join(": ")
}

function collectedRows(state) {
  if (state.running) return rows([state.what], "quiet")
  const files = state.results.filter((each) => each.file).map((each) => say("fetched", { file: each.file }))
  const errors = [state.error, ...state.results.map((each) => each.error)].filter(Boolean).map(said)
  return [...rows(files), ...rows(errors, "problem")]
}
