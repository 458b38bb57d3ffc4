// Paid shots: what one costs while its inputs are changed, which gates are shut, what of today's cap is used, and
// what was paid for and is not here yet. Nothing here sends a shot.
import { app } from "../../scripts/app.js"
import { badgeOf } from "./badges.js"
import { confirmed } from "./dialogs.js"
import { inputsOf, isLinked } from "./graph.js"
import { watch } from "./live.js"
import { amount } from "./money.js"
import { addButton, addPart, panelOf, panelWidgetOf, part, rows } from "./panel.js"
import { resultRows } from "./reports.js"
import { onResult } from "./results.js"
import { tell } from "./server.js"
import { addUnfinished } from "./unfinished.js"
import { said, say } from "./words.js"

const PRICED = ["model", "resolution", "ratio", "duration", "service_tier"]
const PICTURES = ["first_frame", "last_frame"]
const HEIGHTS = { StoryMotionSeedance: 132, StoryMotionSeedanceQuote: 96 }
const REFRESH_MS = 15000

app.registerExtension({
  name: "storymotion.Paid",
  nodeCreated(node) {
    const height = HEIGHTS[node.comfyClass]
    if (!height) return
    const panel = panelOf(node, height)
    const price = addPart(panel, "price")
    addLock(node, panel)
    const today = addPart(panel, "today")
    watch(node, () => ({ get: "paid/spend" }), (got) => today.replaceChildren(...spendRows(got)), { refresh: REFRESH_MS })
    const isShot = node.comfyClass === "StoryMotionSeedance"
    if (isShot) addUnfinished(node, panel, REFRESH_MS)
    const details = addPart(panel, "details")
    const showBadge = badgeOf(node, panelWidgetOf(node))
    const showPrice = (got) => {
      price.replaceChildren(priceRow(got))
      showBadge(got.answer ? say("badge", { amount: amount(got.answer) }) : "")
      details.replaceChildren(...rows((got.answer?.report ?? []).map(said)))
    }
    watch(node, quoteQuestion, showPrice, { refresh: REFRESH_MS })
    if (!isShot) return
    const receipt = addPart(panel, "receipt")
    onResult(node, (result) => receipt.replaceChildren(...resultRows(result)))
  },
})

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
  const per8s = amount({ krw_text: answer.krw_per_8s_text, usd_text: answer.usd_per_8s_text })
  return part("div", "main", say("quote", { amount: amount(answer), per8s }))
}

function spendRows({ answer, text }) {
  if (!answer) return [part("div", "quiet", text)]
  const figures = { spent: amount(answer.spent), cap: amount(answer.day_cap) }
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
    if (answer.latch) addClearing(reasons, answer.latch, () => watched.again())
  }
  const watched = watch(node, question, show, { refresh: REFRESH_MS })
}

// After a refusal for reasons of billing nothing is sent until the user has looked into the account and says so.
function addClearing(reasons, latch, done) {
  const item = reasons.appendChild(part("li", "row"))
  addButton(item, "clear", say("latch-clear")).addEventListener("click", async () => {
    if (!(await confirmed(say("latch-clear"), say("latch-sure"), `${latch.error_code}: ${latch.message}`))) return
    const got = await tell("paid/latch/clear")
    if (got.ok) return done()
    item.append(part("div", "problem", said(got.said) || say("no-answer")))
  })
}
