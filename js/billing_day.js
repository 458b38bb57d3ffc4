// What the settings page says of the billing day. It only looks: no page can change what may be spent.
import { part, rows } from "./panel.js"
import { ask } from "./server.js"
import { said, say } from "./words.js"

const PLACES = { environment: "zone-environment", file: "zone-file", default: "zone-default" }

export function billingDay() {
  const place = part("div", "zone")
  place.setAttribute("role", "status")
  ask("paid/spend").then((got) => {
    if (!got.ok) return place.replaceChildren(part("div", "problem", said(got.said) || say("no-answer")))
    const { time_zone: zone, time_zone_from: from, time_zone_variable: variable, billing_file: file, notes } = got.answer
    const where = part("div", "quiet", say(PLACES[from], { variable, file }))
    place.replaceChildren(part("div", "main", zone), where, ...rows(notes.map(said), "problem"))
  })
  return place
}
