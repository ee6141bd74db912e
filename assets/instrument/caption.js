// Words of the player: which policy, whose, what came of it.

import { element, write } from "./dom.js"
import { shortNumber } from "./stage.js"
import { showThought } from "./thought.js"

const ROLES = [
  ["median", "Median agent"], ["best", "Best agent"], ["worst", "Worst agent"], ["all", "All side by side"],
]

export function say({ parts }, sentence) {
  write(parts.notice, sentence)
  parts.notice.hidden = !sentence
}

// Writes what changes with the episode only.
export function describe(player) {
  const { on, parts } = player
  const { base, entry } = on
  const policy = on.update ? `update ${on.update}` : "untrained"
  const who = whoIs(on)
  const outcome = on.front === "all" && !on.film ? `returns ${spread(base)}` : `return ${shortNumber(entry.return)}`
  const among = who && on.front !== "all" ? ` of ${base.num_agents}` : ""
  write(parts.policy, who ? `${policy} · ${who}${among}` : policy)
  write(parts.outcome, ` · ${outcome}`)
  const what = [base.env_id, policy, who].filter(Boolean).join(", ")
  parts.canvas.setAttribute("aria-label", `${what}: ${outcome} in ${on.front === "all" ? on.length : entry.length} steps`)
  parts.slider.max = on.last
  offerAgents(player)
  showThought(player)
}

function whoIs({ front, film, base, entry }) {
  if (base.num_agents === 1) return ""
  if (front === "all" && !film) {
    const shown = base.episodes.length
    return shown === base.num_agents ? `all ${shown} agents` : `${shown} of ${base.num_agents} agents`
  }
  return `${typeof front === "number" ? "" : `${front === "all" ? "median" : front} `}agent ${entry.agent}`
}

function spread({ episodes }) {
  const returns = episodes.map((entry) => entry.return)
  return `${shortNumber(Math.min(...returns))} to ${shortNumber(Math.max(...returns))}`
}

// Lists the agents that may stand in front.
function offerAgents({ parts, on, front }) {
  const { num_agents: count, kind } = on.base
  const wanted = `${count} ${kind}`
  if (parts.agent.dataset.lists !== wanted) {
    const numbered = Array.from({ length: count }, (_, agent) => [agent, `Agent ${agent}`])
    const listed = count > 1 ? [...ROLES, ...numbered] : [["median", "Agent 0"]]
    parts.agent.replaceChildren(...listed.map(([value, text]) => element("option", "", { value }, text)))
    parts.agent.dataset.lists = wanted
  }
  const all = parts.agent.querySelector("[value=all]")
  if (all) all.disabled = kind === "frames"
  parts.agent.value = front
}
