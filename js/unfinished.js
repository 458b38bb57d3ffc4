// Paid shots whose video is not here: fetching them, deciding on those whose answer was lost, and the journal as a file.
import { api } from "../../scripts/api.js"
import { confirmed, written } from "./dialogs.js"
import { watch } from "./live.js"
import { amount } from "./money.js"
import { addButton, addPart, part, rows } from "./panel.js"
import { ask, tell } from "./server.js"
import { said, say } from "./words.js"

const COLLECT_EVENT = "storymotion.paid.collect"
const IN_DOUBT = "unknown" // the state of a shot that was sent, nobody knows with what result
const BYTE_ORDER_MARK = "\ufeff" // Excel takes a file without it for another encoding
const desks = new Set() // those who want to know of a collection

api.addEventListener(COLLECT_EVENT, ({ detail }) => desks.forEach((desk) => desk.collecting(detail)))

export function addUnfinished(node, panel, refresh) {
  const place = addPart(panel, "unfinished")
  const head = addPart(place, "line")
  const count = head.appendChild(part("span", "count"))
  const buttons = head.appendChild(part("span", "buttons"))
  const collect = addButton(buttons, "collect")
  const journal = addButton(buttons, "journal")
  const tasks = place.appendChild(part("ul", "list"))
  const told = addPart(panel, "collected")
  const tellProblem = (got) => told.replaceChildren(part("div", "problem", said(got.said) || say("no-answer")))
  const show = ({ answer }) => {
    if (!answer) return
    count.textContent = say("unfinished", { count: answer.tasks.length })
    collect.hidden = !answer.tasks.length
    collect.textContent ||= say("collect")
    journal.textContent = say("journal")
    journal.title = say("journal-what")
    tasks.replaceChildren(...answer.tasks.map(taskItem))
  }
  const watched = watch(node, () => ({ get: "paid/tasks" }), show, { refresh })

  let over = 0 // the number of the last collection that has ended
  const desk = {
    collecting(state) {
      if (state.running && state.number <= over) return // an answer that its own end has overtaken
      if (!state.running) over = state.number
      collect.disabled = state.running
      collect.textContent = say(state.running ? "collecting" : "collect")
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
  const begin = async (path, values) => {
    collect.disabled = true
    const got = await tell(path, values)
    if (got.ok) desk.collecting(got.answer)
    else collect.disabled = false
    if (!got.ok) tellProblem(got)
    else if (!got.answer.started) told.append(part("div", "quiet", say("collecting-already")))
  }
  collect.addEventListener("click", () => begin("paid/collect"))
  journal.addEventListener("click", async () => {
    const got = await ask("paid/journal")
    if (!got.ok) return tellProblem(got)
    save(got.answer.file, BYTE_ORDER_MARK + got.answer.csv, "text/csv;charset=utf-8")
    told.replaceChildren(part("div", "quiet", say("journal-saved", { file: got.answer.file, count: got.answer.rows })))
  })

  function taskItem(task) {
    const item = part("li", "row", taskText(task))
    if (task.state !== IN_DOUBT) return item
    item.append(part("div", "quiet", say("in-doubt")))
    const choices = addPart(item, "buttons")
    const adopt = addButton(choices, "adopt", say("adopt"))
    const release = addButton(choices, "release", say("release"))
    adopt.addEventListener("click", async () => {
      const id = await written(say("adopt"), `${say("adopt-how")} ${taskText(task)}`)
      if (id) await begin("paid/adopt", { row: task.row, task_id: id })
    })
    release.addEventListener("click", async () => {
      const what = { shot: taskText(task), amount: amount(task.quoted) }
      if (!(await confirmed(say("release"), say("release-sure", what), what.shot))) return
      const got = await tell("paid/release", { row: task.row })
      if (!got.ok) return tellProblem(got)
      told.replaceChildren(part("div", "row", say("released", what)))
      watched.again()
    })
    return item
  }
}

function taskText(task) {
  const sent = new Date(task.sent).toLocaleString()
  const facts = [task.resolution, task.ratio, task.duration && `${task.duration} s`, amount(task.quoted), sent]
  return [facts.filter(Boolean).join(", "), task.prompt_start].filter(Boolean).join(": ")
}

function collectedRows(state) {
  if (state.running) return rows([state.what], "quiet")
  const files = state.results.filter((each) => each.file).map((each) => say("fetched", { file: each.file }))
  const errors = [state.error, ...state.results.map((each) => each.error)].filter(Boolean).map(said)
  return [...rows(files), ...rows(errors, "problem")]
}

// Hands the user a file, as a download.
function save(name, text, type) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
