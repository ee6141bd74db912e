// Episodes of policies: fetched once, decoded once, and kept for a while. An episode is what the server sends, with
// its base64 replaced by typed arrays (`states`, `probs`) or by blobs (`frames`). It may have others `beside` it: entries
// of another policy, over the same time.

const KEPT = 64
const CERTAIN = 65535 // the integer that stands for a probability of one

// Returns episodes by policy, from `fetchEpisode(update, agent, frames)`: a promise of what the server sends.
export function createEpisodes(fetchEpisode) {
  const kept = new Map() // key → promise of an episode; the one that was used last is the last
  let busy = 0
  let waiting = []

  async function load(update, agent, frames) {
    busy += 1
    try {
      return decoded(await fetchEpisode(update, agent, frames))
    } finally {
      busy -= 1
      if (!busy) release()
    }
  }

  function release() {
    const released = waiting
    waiting = []
    for (const go of released) go()
  }

  function start(key, ...which) {
    const found = load(...which)
    found.catch(() => kept.get(key) === found && kept.delete(key))
    return found
  }

  return {
    get(update, { agent = null, frames = false } = {}) {
      const key = `${update} ${agent} ${frames}`
      const found = kept.get(key) ?? start(key, update, agent, frames)
      kept.delete(key)
      kept.set(key, found)
      if (kept.size > KEPT) kept.delete(kept.keys().next().value)
      return found
    },
    get busy() {
      return busy
    },
    // Resolves once nothing is being fetched.
    async idle() {
      while (busy) await new Promise((resolve) => waiting.push(resolve))
    },
  }
}

// Returns which agent stands in front: "median", "best", "worst", "all" (of which the median one speaks), or a number.
export function agentOf(episode, front) {
  if (typeof front === "number") return front
  return episode.roles?.[front === "all" ? "median" : front] ?? episode.episodes[0].agent
}

// Returns the front agent's entry, undefined if it is not among those that were sent.
export function entryOf(episode, front) {
  const agent = agentOf(episode, front)
  return episode.episodes.find((entry) => entry.agent === agent)
}

// Returns x, ẋ, θ, θ̇ after so many steps.
export function stateAt({ states, scale }, step) {
  return scale.map((unit, i) => unit * states[4 * step + i])
}

// Returns the probability of pushing to the right after so many steps, null at the end.
export function rightAt({ probs }, step) {
  return step < probs.length ? probs[step] / CERTAIN : null
}

function decoded(sent) {
  return { ...sent, episodes: sent.episodes.map(sent.kind === "frames" ? withFrames : withNumbers) }
}

function withNumbers(entry) {
  return { ...entry, states: integers(entry.states, "getInt16"), probs: integers(entry.probs, "getUint16") }
}

function withFrames(entry) {
  return { ...entry, frames: entry.frames.map((frame) => new Blob([bytes(frame)], { type: "image/webp" })) }
}

function integers(base64, read) {
  const view = new DataView(bytes(base64).buffer)
  const numbers = new (read === "getInt16" ? Int16Array : Uint16Array)(view.byteLength / 2)
  return numbers.map((_, i) => view[read](2 * i, true))
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
