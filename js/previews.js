// What nodes will say when they run, while their inputs are changed: the server answers with the nodes' own code.
import { app } from "../../scripts/app.js"
import { inputsOf, isBypassed, isLinked, sourceOf, valueOf } from "./graph.js"
import { watch } from "./live.js"
import { panelOf, part, rows } from "./panel.js"
import { onResult } from "./results.js"
import { said, say } from "./words.js"

const MAPPER = ["dialogue", "scene", "style", "guard", "preset", "engine", "seconds", "seed", "lint"]
const PLAN = ["seconds", "fps", "size", "stages"]
const FILES = ["checkpoint", "text_encoder", "video_vae", "audio_vae"]
const MODEL = [...FILES, "spatial_upscaler", "precision", "keep", "offload"]
const LORA = ["lora", "strength", "stages"]
const SHOT = ["width", "height", "frames", "fps"]
const OWN_LORA = { StoryMotionTwoStage: "distilled_lora", StoryMotionKeyframes: "distilled_lora", StoryMotionICLora: "ic_lora" }
const MAKERS = ["StoryMotionDistilled", "StoryMotionOneStage", "StoryMotionTwoStage", "StoryMotionKeyframes", "StoryMotionICLora"]

// Of each node: the least height of its panel, what it asks, and what of an answer stands above the report.
const PREVIEWS = {
  SafeMotionMapper: { height: 64, question: motionQuestion, title: (answer) => answer.preset },
  StoryMotionShotPlan: { height: 64, question: planQuestion },
  StoryMotionLTX2Model: { height: 84, question: fitQuestion, title: fitTitle, refresh: 30000 },
  StoryMotionLTX2Lora: { height: 64, question: loraQuestion },
}
const plans = new WeakMap() // Shot Plan node -> the plan that it shows

app.registerExtension({
  name: "storymotion.Previews",
  nodeCreated(node) {
    const preview = PREVIEWS[node.comfyClass]
    if (!preview) return
    const panel = panelOf(node, preview.height)
    let ran = null
    const show = ({ answer, text, problem }) => {
      if (answer?.frames && node.comfyClass === "StoryMotionShotPlan") plans.set(node, answer)
      else plans.delete(node)
      if (answer) {
        const title = preview.title?.(answer)
        panel.replaceChildren(...rows([title], "main"), ...rows(answer.report.map(said)))
      } else {
        panel.replaceChildren(part("div", problem ? "problem" : "quiet", text), ...rows(ran ?? []))
      }
    }
    const watched = watch(node, preview.question, show, preview)
    onResult(node, ({ lines }) => {
      // What came over links is known now.
      ran = lines
      watched.again()
    })
  },
})

function later(linked) {
  return { text: say("known-when-it-runs", { inputs: linked.join(", ") }) }
}

function motionQuestion(node) {
  const { values, linked } = inputsOf(node, MAPPER)
  return linked.length ? later(linked) : { post: "motion/map", values }
}

function planQuestion(node) {
  const { values, linked } = inputsOf(node, PLAN)
  if (linked.length) return later(linked)
  if (isLinked(node, "image")) {
    const size = pictureSize(sourceOf(node, "image"))
    if (size) Object.assign(values, size)
    else if (values.size === "from image") return later(["image"])
  }
  return { get: "shot/plan", values }
}

const pictures = new Map() // address -> its size, once it is known

// ComfyUI's nodes whose picture is named by their widget `image`.
const PICTURE_NODES = ["LoadImage"]

// The size of the picture that such a node has chosen, as the browser sees it.
function pictureSize(source) {
  if (!PICTURE_NODES.includes(source?.comfyClass)) return undefined
  const name = String(valueOf(source, "image") ?? "")
  const [, path, type] = name.match(/^(.*?)(?: \[(input|output|temp)\])?$/)
  const cut = path.lastIndexOf("/")
  const query = { filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(cut, 0)), type: type ?? "input" }
  const address = app.api?.apiURL?.(`/view?${new URLSearchParams(query)}`) ?? `/api/view?${new URLSearchParams(query)}`
  if (!pictures.has(address)) {
    pictures.set(address, undefined)
    const picture = new Image()
    picture.onload = () =>
      pictures.set(address, { image_width: picture.naturalWidth, image_height: picture.naturalHeight })
    picture.src = address
  }
  return pictures.get(address)
}

function loraQuestion(node) {
  const { values, linked } = inputsOf(node, LORA)
  if (linked.length) return later(linked)
  const { model } = upstream(node)
  if (!model) return { text: say("no-model") }
  const files = inputsOf(model, FILES)
  if (files.linked.length) return later(files.linked)
  return { get: "ltx/lora", values: { ...values, ...files.values } }
}

// The LTX-2 Model at the begin of a chain of LoRAs.
function upstream(node) {
  for (let steps = 0, at = node; at && steps < 100; steps++) {
    if (at.comfyClass === "StoryMotionLTX2Model") return { model: at }
    at = sourceOf(at, "model")
  }
  return {}
}

function fitQuestion(node) {
  const { values, linked } = inputsOf(node, MODEL)
  if (linked.length) return later(linked)
  const { maker, loras } = downstream(node, [], 0)
  values.loras = JSON.stringify(loras)
  if (maker) Object.assign(values, shotOf(maker))
  return { get: "ltx/fit", values }
}

// The first node down the links that makes shots, and the LoRAs on the way to it.
function downstream(node, loras, depth) {
  for (const next of depth < 100 ? (node.getOutputNodes(0) ?? []) : []) {
    if (MAKERS.includes(next.comfyClass)) return { maker: next, loras }
    if (next.comfyClass !== "StoryMotionLTX2Lora") continue
    const lora = LORA.map((name) => valueOf(next, name))
    const found = downstream(next, isBypassed(next) ? loras : [...loras, lora], depth + 1)
    if (found.maker) return found
  }
  return { loras }
}

// What is known of the shot; what a node other than Shot Plan will say is left at its usual value.
function shotOf(maker) {
  const values = { node: maker.comfyClass, tail_trim: valueOf(maker, "tail_trim") ?? 0 }
  for (const name of SHOT) {
    const value = isLinked(maker, name) ? plans.get(sourceOf(maker, name))?.[name] : valueOf(maker, name)
    if (value !== undefined) values[name] = value
  }
  const own = OWN_LORA[maker.comfyClass]
  if (own && !isLinked(maker, own)) {
    values.own_lora = valueOf(maker, own)
    values.own_lora_strength = valueOf(maker, `${own}_strength`) ?? 1
  }
  return values
}

function fitTitle(answer) {
  return say("fit-for", { width: answer.width, height: answer.height, frames: answer.frames })
}
