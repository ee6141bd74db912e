// Another policy beside the one at the slider: of an update and an agent of this run or of another of its environment.

import { element, select, write } from "./dom.js"
import { shortNumber } from "./stage.js"

const NOBODY = { run: "", update: 0, agent: 0 }

// Returns the controls under `root`, and what came of it in words under `stage`; `onChange` is called when another policy
// is chosen.
export function createRival(root, stage, { onChange }) {
  const rival = { known: [], at: NOBODY }
  const change = (more) => {
    rival.at = { ...rival.at, ...more }
    show(rival)
    onChange()
  }
  // A run's newest policy at first, of this one the untrained one.
  const first = (run) => ({ run, agent: 0, update: run === rival.known[0].run ? 0 : Infinity })
  rival.run = select("Compare with", {}, (run) => change(first(run)))
  const number = { type: "number", min: "0", step: "1", "aria-label": "Update of the other policy" }
  rival.update = element("input", "lab-fresh-seed", number)
  rival.update.onchange = () => change({ update: Number(rival.update.value) })
  rival.agent = select("Agent of the other policy", {}, (agent) => change({ agent: Number(agent) }))
  rival.more = element("span", "lab-fresh", {}, "after update", rival.update, rival.agent)
  rival.words = element("p", "lab-rival-words", { role: "status" })
  const node = element("span", "lab-fresh", {}, rival.run, rival.more)
  root.append(node)
  stage.append(rival.words)
  show(rival)
  return {
    // Begins where the page's address says; which policies there are is known later.
    place(at) {
      Object.assign(rival, { known: [], at: { run: at.versus, update: at.versus_update, agent: at.versus_agent } })
      show(rival)
    },
    // Tells whose policies may be chosen: `{run, name, updates, agents, address}` each, this run first.
    offer(known) {
      rival.known = known
      if (!chosen(rival)) rival.at = NOBODY
      show(rival)
    },
    clear() {
      rival.at = NOBODY
      show(rival)
    },
    // The policy that was chosen, `{address, name, update, agent}`, or null.
    get policy() {
      const run = chosen(rival)
      return run ? { address: run.address, name: run.name, update: rival.at.update, agent: rival.at.agent } : null
    },
    // What of it the page's address keeps.
    get at() {
      const { run, update, agent } = rival.at
      return run ? [run, update, agent] : ["", "", ""]
    },
    // Says what came of both episodes, or nothing of one.
    tell: (mine, other, policy) => write(rival.words, other ? said(mine, other, policy) : ""),
    destroy: () => [node, rival.words].forEach((each) => each.remove()),
  }
}

function chosen({ known, at }) {
  return known.find(({ run }) => run === at.run)
}

function show(rival) {
  const { known, at, run, update, agent, more } = rival
  const found = chosen(rival)
  fill(run, [["", "Compare with…"], ...known.map(({ run, name }, i) => [run, i ? name : `${name}, this run`])], at.run)
  run.disabled = !known.length // they are on their way
  more.hidden = !found
  if (!found) return
  at.update = Math.max(0, Math.min(Math.round(at.update), found.updates))
  at.agent = Math.min(at.agent, found.agents - 1)
  Object.assign(update, { max: found.updates, value: at.update })
  fill(agent, Array.from({ length: found.agents }, (_, i) => [i, `agent ${i}`]), at.agent)
}

function fill(node, options, value) {
  node.replaceChildren(...options.map(([value, text]) => element("option", "", { value }, text)))
  node.value = value
}

// Names a policy.
export function named({ name, update, agent }) {
  return `${name}, ${update ? `after update ${update}` : "untrained"}, agent ${agent}`
}

function said(mine, other, policy) {
  const [a, b] = [mine, other].map(({ episodes: [entry] }) => `return ${shortNumber(entry.return)} in ${entry.length} steps`)
  const where = mine.kind === "frames" ? "on the right" : "orange"
  return `This policy: ${a}. ${named(policy)} (${where}): ${b}. Same first state, same random numbers.`
}

// Returns an episode with another one beside it; of pictures both are as long as the longer one.
export function beside(mine, other) {
  if (!other) return mine
  const [entries, others] = [mine.episodes, other.episodes]
  if (mine.kind !== "frames") return { ...mine, beside: others }
  const longer = entries[0].length < others[0].length ? others[0] : entries[0]
  const [episodes, beside] = [entries, others].map((each) => each.map((entry) => stretched(entry, longer)))
  return { ...mine, episodes, beside }
}

function stretched(entry, { steps, frame_ms }) {
  const places = steps.map((step) => entry.steps.findLastIndex((at) => at <= step))
  const at = (each) => places.map((place) => each[place])
  return { ...entry, steps, frame_ms, frames: at(entry.frames), thoughts: at(entry.thoughts) }
}
