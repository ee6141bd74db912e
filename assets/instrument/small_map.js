// The map under the stage: what the policy on the stage does at each angle and angular velocity of CartPole's pole.

import { DIMENSIONS } from "./cart_pole.js"
import { stateAt } from "./episodes.js"
import { createNetwork } from "./network.js"
import { newest } from "./newest.js"
import { createPolicyMap } from "./policy_map.js"
import { quantityOf } from "./quantity.js"

const AXES = [2, 3] // θ and θ̇
const RIGHT = 1
const ACTIONS = ["left", "right"]
const NOTHING = DIMENSIONS.map(() => 0)

// Returns a map under `root`, which asks by `ask(update, agent)` for a policy's parameters: only while it is seen.
export function createSmallMap(root, ask) {
  const map = createPolicyMap(root, { small: true })
  const small = { root, map, wanted: null, asked: "", policy: null, state: null, seen: false }
  const show = (wanted, params) => {
    if (wanted.of !== small.wanted?.of) return // of another run
    small.policy = createNetwork(params)
    root.dataset.policy = wanted.update
    draw(small)
  }
  // Without this policy nothing is shown until the next one comes: it is not asked for again with every picture.
  small.weigh = newest(({ update, agent }) => ask(update, agent), { show, fail: () => blank(small) })
  const observer = new IntersectionObserver(([{ isIntersecting }]) => {
    small.seen = isIntersecting
    want(small)
  })
  observer.observe(root.firstChild)
  return {
    // Shows where an episode is at a moment, on the policy of an update of a run.
    at(entry, moment, update, of) {
      if (!entry.states) return
      small.state = stateAt(entry, moment)
      small.wanted = { update, agent: entry.agent, of }
      want(small)
      draw(small)
    },
    forget() {
      Object.assign(small, { wanted: null, asked: "" })
      blank(small)
    },
    destroy() {
      observer.disconnect()
      small.map.destroy()
    },
  }
}

function want(small) {
  const { seen, wanted, asked } = small
  const key = JSON.stringify(wanted)
  if (!seen || !wanted || key === asked) return
  small.asked = key
  small.weigh(wanted)
}

function blank(small) {
  small.policy = null
  delete small.root.dataset.policy
}

function draw({ map, policy, state }) {
  if (!policy || !state) return
  const quantity = quantityOf(RIGHT, { policy }, { actions: ACTIONS })
  map.show({ quantity, network: policy, dimensions: DIMENSIONS, axes: AXES, fixed: NOTHING, path: [state] })
}
