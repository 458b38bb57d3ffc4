// Amounts in the currency that the user wants to see. The server writes both; nothing is computed here.
import { app } from "../../scripts/app.js"
import { say } from "./words.js"

const BOTH = "both"
const ONE = { KRW: "amount-krw", USD: "amount-usd" }

export function currency() {
  return app.extensionManager?.setting?.get("StoryMotion.Currency") ?? BOTH
}

export function amount({ krw_text: krw, usd_text: usd }) {
  return say(ONE[currency()] ?? "amount-both", { krw, usd })
}
