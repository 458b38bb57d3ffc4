// The editor's own dialogs: they hold the focus, close with Escape, and look like the rest.
import { app } from "../../scripts/app.js"

// Whether the user said yes; `what` is listed below the message.
export async function confirmed(title, message, what) {
  return (await app.extensionManager.dialog.confirm({ title, message, itemList: [what] })) === true
}

// What the user wrote, without the spaces around it; "" for nothing.
export async function written(title, message) {
  return ((await app.extensionManager.dialog.prompt({ title, message, defaultValue: "" })) ?? "").trim()
}
