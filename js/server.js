// Questions to ComfyUI's own server. They never throw: an editor goes on when its server does not answer.
import { api } from "../../scripts/api.js"

// Each answers { ok: true, answer } or { ok: false, said, again }: `said` is the server's sentence if it has one,
// `again` says whether the same question may be answered later.
export async function ask(path, values = {}) {
  return settle(() => api.fetchApi(`/storymotion/${path}?${new URLSearchParams(values)}`))
}

export async function tell(path, values = {}) {
  const headers = { "Content-Type": "application/json" }
  return settle(() => api.fetchApi(`/storymotion/${path}`, { method: "POST", headers, body: JSON.stringify(values) }))
}

async function settle(fetching) {
  try {
    const response = await fetching()
    const answer = await response.json().catch(() => null)
    if (response.ok && answer) return { ok: true, answer }
    return { ok: false, said: answer?.error ?? null, again: response.status >= 500 || !answer }
  } catch {
    return { ok: false, said: null, again: true }
  }
}
