// Answers that follow the inputs of a node. Values change by typing, undo, loading and scripts, in two renderings of
// nodes; looking a few times a second sees them all, and only a change that has come to rest is asked about.
import { api } from "../../scripts/api.js"
import { currency } from "./money.js"
import { ask, tell } from "./server.js"
import { areHere, language, said, say } from "./words.js"

const LOOK_MS = 250
const RETRY_MS = 4000
const watches = new Set()

// `question(node)` says what to ask: { get | post: path, values }, or { text } when there is nothing to ask.
// `show({ answer })` or `show({ text, problem })` shows what came of it. `refresh` (ms): ask again that often, and when
// a prompt has ended.
export function watch(node, question, show, { refresh = 0 } = {}) {
  const entry = { node, question, refresh, seen: null, asked: null, due: Infinity, shown: null }
  // What has not changed is left as it is: a reader may have scrolled in it, and a screen reader would say it again.
  entry.show = (result) => {
    const now = JSON.stringify([result, currency(), language()])
    if (now !== entry.shown) show(result)
    entry.shown = now
  }
  watches.add(entry)
  const onRemoved = node.onRemoved
  node.onRemoved = function (...given) {
    watches.delete(entry)
    return onRemoved?.apply(this, given)
  }
  return {
    again() {
      entry.asked = entry.shown = null
    },
  }
}

function look() {
  if (!areHere() || document.hidden) return
  for (const entry of watches) {
    if (!entry.node.graph) continue
    let question
    try {
      question = entry.question(entry.node)
    } catch {
      continue // a graph in the middle of a change
    }
    const key = JSON.stringify([question, currency(), language()])
    const rests = key === entry.seen
    entry.seen = key
    if (Date.now() > entry.due) entry.asked = null
    if (rests && key !== entry.asked) answer(entry, question, key)
  }
}

async function answer(entry, question, key) {
  entry.asked = key
  entry.due = Infinity
  if (question.text !== undefined) return entry.show({ text: question.text })
  const got = await (question.post ? tell(question.post, question.values) : ask(question.get, question.values))
  if (entry.asked !== key) return // the inputs have changed meanwhile
  if (entry.refresh) entry.due = Date.now() + entry.refresh
  if (got.ok) return entry.show({ answer: got.answer })
  if (got.again) entry.due = Date.now() + RETRY_MS
  entry.show({ text: said(got.said) || say("no-answer"), problem: Boolean(got.said) && !got.again })
}

for (const ended of ["execution_success", "execution_error", "execution_interrupted"]) {
  api.addEventListener(ended, () => {
    for (const entry of watches) if (entry.refresh) entry.asked = null
  })
}
setInterval(look, LOOK_MS)
