// Amounts in the currency that the user wants to see. The server writes both; nothing is computed here.
import { app } from "../../scripts/app.js"
import { language, say } from "./words.js"

const BOTH = "both"
const ONE = { KRW: "amount-krw", USD: "amount-usd" }

export function currency() {
  return app.extensionManager?.setting?.get("StoryMotion.Currency") ?? BOTH
}

export function amount({ krw_text: krw, usd_text: usd }) {
  return say(ONE[currency()] ?? "amount-both", { krw: grouped(krw), usd: grouped(usd) })
}

// "1450000.50" as "1,450,000.50": the places after the point stay what they are.
function grouped(text) {
  if (!text) return text
  const digits = text.split(".")[1]?.length ?? 0
  return new Intl.NumberFormat(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(text)
}
