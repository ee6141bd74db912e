// What of a policy's episodes is on the stage: fetched as it is wanted, and how much of it there is to play.

import { agentOf, entryOf } from "./episodes.js"

// Fetches a policy's episode, with the front agent among its entries; and Gymnasium's frames of it if these are wanted.
export async function fetched({ episodes, front, frames, on }, update) {
  const named = typeof front === "number" && on?.base.kind === "frames" ? front : null
  let base = await episodes.get(update, { agent: named })
  const agent = agentOf(base, front)
  if (!entryOf(base, front)) base = joined(base, await episodes.get(update, { agent }))
  const withFrames = frames && base.kind !== "frames"
  return { base, episode: withFrames ? await episodes.get(update, { agent, frames }) : base }
}

function joined(base, more) {
  if (base.kind === "frames") return { ...base, ...more, roles: base.roles ?? more.roles }
  const agents = new Set(base.episodes.map(({ agent }) => agent))
  return { ...base, episodes: [...base.episodes, ...more.episodes.filter(({ agent }) => !agents.has(agent))] }
}

// Returns what there is to play of an episode: the front agent's entry, and how many moments, how long each.
export function measured({ episode, front }) {
  const entry = entryOf(episode, front) ?? episode.episodes[0]
  const film = episode.kind === "frames"
  const entries = front === "all" && !film ? episode.episodes : [entry, ...(episode.beside ?? [])]
  const length = Math.max(...entries.map((entry) => entry.length))
  const steps = film ? entry.steps : null // done before each picture
  const [last, tick] = film ? [steps.length - 1, entry.frame_ms] : [length, episode.step_ms]
  return { entry, film, steps, length, last, tick }
}
