// A line of text at the head of a node, which is seen when the node is collapsed too. ComfyUI's own price badge is not
// used: it stands on nodes of comfy.org's paid service only, and those are handed the user's comfy.org key.
import { app } from "../../scripts/app.js"

// A function that shows a text there, or nothing for "". Where the editor has no badges it does nothing. `widget` is
// one of the node's whose label nothing else shows (the panel is hidden from the list of inputs).
export function badgeOf(node, widget) {
  const { LGraphBadge: Badge, LiteGraph } = globalThis
  if (typeof Badge !== "function" || !Array.isArray(node.badges)) return () => {}
  // Where nodes are parts of the page, a badge is made again when something changes that it was made of. Editors that
  // see to the labels of widgets (1.49) put it below the node; older ones (1.33) would keep an old price, over the title.
  const followed = !Object.hasOwn(widget, "label")
  const first = node.badges[0] // the editor's own, in the theme's colours
  let badge = new Badge({ text: "" })
  node.badges.push(() => {
    const text = (followed || !LiteGraph?.vueNodesMode ? widget.label : undefined) ?? ""
    const { fgColor, bgColor } = (typeof first === "function" ? first() : first) ?? {}
    if (badge.text !== text || badge.fgColor !== fgColor || badge.bgColor !== bgColor) {
      badge = new Badge({ text, fgColor, bgColor })
    }
    return badge
  })
  return (text) => {
    widget.label = text
    app.canvas?.setDirty(true, true)
  }
}
