// The place on a node where StoryMotion says something. Nothing of it is saved with a workflow or queued.
const NAME = "storymotion_panel"
const MARGIN = 6 // pixels around it

// Adopted, so that nothing is put into the page's own document.
const sheet = new CSSStyleSheet()
document.adoptedStyleSheets.push(sheet)
fetch(new URL("./storymotion.css", import.meta.url))
  .then((answer) => (answer.ok ? answer.text() : ""))
  .then((rules) => sheet.replace(rules))
  .catch(() => {}) // without it the panels are plain, and say the same

// The widget that holds a node's panel.
export function panelWidgetOf(node) {
  return node.widgets?.find((widget) => widget.name === NAME)
}

// The panel's element; `height` is the least that it gets, in pixels. A node has one panel.
export function panelOf(node, height) {
  const known = panelWidgetOf(node)
  if (known) return known.element
  const element = document.createElement("section")
  element.className = "storymotion-panel"
  element.setAttribute("role", "status")
  element.setAttribute("aria-label", "StoryMotion")
  element.tabIndex = 0 // what is longer than the panel can be scrolled with the keyboard
  // Text can be selected; the node is not dragged along.
  element.addEventListener("pointerdown", (event) => event.stopPropagation())
  element.style.setProperty("--comfy-widget-min-height", String(height))
  const options = {
    serialize: false,
    hideInPanel: true, // of the editor, which lists a node's inputs
    margin: MARGIN,
    getMinHeight: () => height + 2 * MARGIN,
    getValue: () => "",
    setValue: () => {},
  }
  const widget = node.addDOMWidget(NAME, NAME, element, options)
  widget.serialize = false
  makeRoom(node)
  return element
}

// A new node has its size before it has a panel.
function makeRoom(node) {
  const [width, height] = node.computeSize()
  if (node.size[1] < height) node.setSize([Math.max(width, node.size[0]), height])
}

// An element with text in it, never markup.
export function part(tag, name, text = "") {
  const element = document.createElement(tag)
  element.className = `storymotion-${name}`
  element.textContent = text
  return element
}

export function addPart(parent, name) {
  return parent.appendChild(part("div", name))
}

export function addButton(parent, name, text = "") {
  const button = part("button", "button", text)
  button.classList.add(`storymotion-${name}`)
  button.type = "button"
  return parent.appendChild(button)
}

// One row for each line.
export function rows(lines, name = "row") {
  return lines.filter(Boolean).map((line) => part("div", name, line))
}
