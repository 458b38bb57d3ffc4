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
    if (isLinked(node, name)) linked.push(labelOf(node, name))
    else if (valueOf(node, name) !== undefined) values[name] = valueOf(node, name)
  }
  return { values, linked }
}

function labelOf(node, name) {
  const input = node.inputs?.find((each) => each.name === name)
  return input?.label || input?.localized_name || name
}
