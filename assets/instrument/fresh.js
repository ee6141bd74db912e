// Which episode of a policy is played: the update's own, or a fresh one, whose seed gives first state and random numbers.

import { element, select, write } from "./dom.js"
import { createEpisodes } from "./episodes.js"
import { alone } from "./played.js"

const PLAYS = { sampled: "on stage: fresh, sampled", greedy: "on stage: fresh, greedy" }
const [OWN, ANOTHER] = ["on stage: the update’s episode", "on stage: the policy, elsewhere"]
const MAX_SEED = 2 ** 31 - 1

// Returns the controls under `root`; `onChange` is called when another episode is chosen.
export function createFresh(root, { onChange }) {
  const seed = element("input", "lab-fresh-seed", { type: "number", min: "0", max: MAX_SEED, step: "1", value: "0" })
  const label = element("label", "", { hidden: "" }, "seed ", seed)
  const show = () => {
    label.hidden = !play.value
  }
  const play = select("Episode played", { "": OWN, ...PLAYS }, () => show() || onChange())
  seed.onchange = () => {
    seed.value = Math.max(0, Math.min(Math.round(Number(seed.value)), MAX_SEED))
    onChange()
  }
  const node = element("span", "lab-fresh", {}, play, label)
  root.append(node)
  return {
    // Begins with another run: of environments that the browser cannot play, an update's own episode is not shown.
    begin(hasOwn) {
      write(play.options[0], hasOwn ? OWN : ANOTHER)
    },
    place(at) {
      play.value = at.play
      seed.value = at.play_seed
      show()
    },
    // What the server is asked for such an episode, null where it is the update's own.
    get query() {
      return play.value ? { seed: seed.value, greedy: Number(play.value === "greedy") } : null
    },
    // What of it the page's address keeps.
    get at() {
      return play.value ? [play.value, seed.value] : ["", ""]
    },
    destroy: () => node.remove(),
  }
}

// Promises the episode of an agent's policy after `update` updates, which `ask` asks the server for.
export function freshEpisode(ask, { update, agent }, query) {
  return createEpisodes(async () => alone(await ask({ policy: update, agent, ...query }), agent)).get(update)
}
