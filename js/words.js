// The extension's own words, in the editor's language: texts/en.json and texts/ko.json. Sentences of the library come
// from the server in both languages.
import { app } from "../../scripts/app.js"

const LANGUAGES = ["en", "ko"]
const words = {}
for (const language of LANGUAGES) {
  fetch(new URL(`./texts/${language}.json`, import.meta.url))
    .then((response) => response.json())
    .then((read) => Object.assign(words, { [language]: read }))
    .catch(() => {})
}

export function language() {
  const chosen = String(app.extensionManager?.setting?.get("Comfy.Locale") ?? "en").toLowerCase()
  return chosen.startsWith("ko") ? "ko" : "en"
}

// The text of `key`, with its {names} filled in; "" until the texts are here.
export function say(key, values = {}) {
  const text = words[language()]?.[key] ?? words.en?.[key] ?? ""
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)
}

export function areHere() {
  return LANGUAGES.every((each) => words[each])
}

// A sentence of the server.
export function said(sentence) {
  return sentence?.[language()] || sentence?.text || ""
}
