// What stands on a node and what hangs on its sockets.
const BYPASSED = 4

export function isLinked(node, name) {
  return node.inputs?.find((input) => input.name === name)?.link != null
}

// The node behind an input; undefined when nothing is connected, or the edge of a subgraph.
export function sourceOf(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1
  return slot < 0 ? undefined : (node.getInputNode(slot) ?? undefined)
}

export function isBypassed(node) {
  return node.mode === BYPASSED
}

export function valueOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name)?.value
}

// The values of the widgets `names`, and how those are called whose value comes over a link.
export function inputsOf(node, names) {
  const values = {}
  const linked = []
  for (const name of names) {
    const outer = isLinked(node, name) ? outerWidget(node, name) : undefined
    if (outer) values[name] = outer.value
    else if (isLinked(node, name)) linked.push(labelOf(node, name))
    else if (valueOf(node, name) !== undefined) values[name] = valueOf(node, name)
  }
  return { values, linked }
}

// The widget of a subgraph's node that stands for an input of `node` inside it; newer editors take seeds out by
// themselves. Undefined where it has a link of its own, and where several nodes share the subgraph.
function outerWidget(node, name) {
  const link = linkOf(node.graph, node.inputs.find((input) => input.name === name).link)
  if (!link || link.origin_id !== node.graph.inputNode?.id) return undefined
  const around = [node.graph.rootGraph, ...node.graph.rootGraph.subgraphs.values()]
    .flatMap((graph) => graph.nodes)
    .filter((each) => each.subgraph === node.graph)
  const input = around.length === 1 ? around[0].inputs[link.origin_slot] : undefined
  return input?.link == null ? around[0]?.widgets?.find((widget) => widget.name === input?.name) : undefined
}

function linkOf(graph, id) {
  return graph.links.get?.(id) ?? graph.links[id]
}

// What the server would get of `nodes` and of all that they depend on, as far as it can be seen from here: widgets as
// they stand, links past bypassed nodes and reroutes. What is missed makes a graph look like another, never like a same.
export function drawn(nodes) {
  const found = {}
  const waiting = [...nodes]
  while (waiting.length) {
    const node = waiting.pop()
    if (found[node.id]) continue
    const inputs = {}
    found[node.id] = { class_type: node.comfyClass ?? "", inputs }
    for (const widget of node.widgets ?? []) {
      if (widget.serialize !== false && widget.options?.serialize !== false) inputs[widget.name] = widget.value
    }
    for (const input of node.inputs ?? []) {
      const { source, slot } = originOf(node, input)
      if (!source) continue
      inputs[input.name] = [String(source.id), slot]
      waiting.push(source)
    }
  }
  return found
}

function originOf(node, input) {
  const link = input.link == null ? undefined : linkOf(node.graph, input.link)
  const source = link && node.graph.getNodeById(link.origin_id)
  if (!source || !(isBypassed(source) || source.isVirtualNode)) return { source, slot: link?.origin_slot }
  const type = source.outputs[link.origin_slot].type
  const through = source.inputs?.find((each) => each.link != null && (source.isVirtualNode || each.type === type))
  return through ? originOf(source, through) : {}
}

function labelOf(node, name) {
  const input = node.inputs?.find((each) => each.name === name)
  return input?.label || input?.localized_name || name
}
