// What nodes showed when they ran. ComfyUI tells it as they run. Of what it has in its cache, and of what ran before the
// page was loaded, the server's history knows: the last run with the same inputs.
import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"
import { drawn } from "./graph.js"
import { tell } from "./server.js"

const takers = new Map() // node -> what it does with a result
let ended = null // of the run that is told again just now, in ms

// `take` gets { lines, scenes, ended }: the report, a row for each scene, and for an earlier run when that was. Or
// { gone: true } for a result that ComfyUI had already, and of which it does not know any more what was said.
export function onResult(node, take) {
  takers.set(node, take)
  const onExecuted = node.onExecuted
  node.onExecuted = function (output) {
    if (output) take(read(output))
    return onExecuted?.apply(this, arguments)
  }
  const onRemoved = node.onRemoved
  node.onRemoved = function () {
    takers.delete(node)
    return onRemoved?.apply(this, arguments)
  }
}

function read(output) {
  const lines = (output.text ?? []).flatMap((text) => String(text).split("\n"))
  return { lines, scenes: (output.storymotion ?? []).map((row) => JSON.parse(row)), ended }
}

// Those of the graph itself; the ids of nodes in subgraphs are not theirs alone.
function ourNodes() {
  const graph = app.rootGraph ?? app.graph
  return new Map([...takers.keys()].filter((node) => node.graph === graph).map((node) => [String(node.id), node]))
}

async function lastResults(nodes, values) {
  const got = await tell("runs/results", { ...values, nodes: [...nodes.keys()] })
  return got.ok ? got.answer.results : null
}

// As if the node had run just now, so that the editor shows its pictures and videos too.
function tellAgain(id, found) {
  ended = found.ended
  const detail = { node: id, display_node: id, output: found.output, prompt_id: found.prompt_id }
  api.dispatchEvent(new CustomEvent("executed", { detail }))
  ended = null
}

api.addEventListener("execution_cached", async ({ detail }) => {
  const nodes = new Map([...ourNodes()].filter(([id]) => detail.nodes.map(String).includes(id)))
  if (!nodes.size) return
  const told = new Set() // of this run by ComfyUI: nodes that save are
  const onTold = ({ detail: one }) => one.prompt_id === detail.prompt_id && told.add(String(one.node))
  api.addEventListener("executed", onTold)
  const results = await lastResults(nodes, { prompt_id: detail.prompt_id })
  api.removeEventListener("executed", onTold)
  if (!results) return
  for (const [id, node] of nodes) {
    if (results[id]) tellAgain(id, results[id])
    else if (!told.has(id)) takers.get(node)?.({ gone: true })
  }
})

app.registerExtension({
  name: "storymotion.Results",
  async afterConfigureGraph() {
    const nodes = ourNodes()
    if (!nodes.size) return
    let graph
    try {
      graph = drawn([...nodes.values()])
    } catch {
      return // a graph with parts that are not there
    }
    const results = (await lastResults(nodes, { graph })) ?? {}
    const still = ourNodes() // another workflow may have been opened meanwhile
    for (const [id, node] of nodes) if (results[id] && still.get(id) === node) tellAgain(id, results[id])
  },
})
