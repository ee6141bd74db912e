// What a map shows of networks: how likely an action is, the mean of a component of vectors, or the value of a state.

import { option, signed } from "./thought.js"
import { short } from "./update_table.js"

const VALUE = "value"
const UNBOUNDED = 1e10 // a bound beyond this means that there is none

// Returns what there is to be shown, {key: words}, of policies with these `choices`, or vectors of so many numbers.
// Of states all probabilities are shown together.
export function offered({ choices, action_size: count, actions, states, has_value: hasValue }) {
  const name = choices.length ? (k) => chanceOf(k, choices, actions) : (k) => meanOf(k, count)
  const each = Array.from({ length: count }, (_, k) => [k, name(k)])
  const found = states ? { actions: "actions" } : Object.fromEntries(each)
  return hasValue ? { ...found, [VALUE]: "value V(s)" } : found
}

// Returns a quantity: its `name`, what the `ends` of its scale are called, the `scale`, null where that is what is found,
// the `level` at which a line is drawn, `at` an observation and `over` a grid, as network.js has it; `more` in words.
export function quantityOf(key, { policy, value = null }, { choices = [], actions = null, bounds = [[], []] }) {
  if (key === VALUE) return valueOf(value)
  const of = Number(key)
  return policy.gaussian ? mean(policy, of, bounds) : chance(policy, of, choices, actions)
}

export function isValue(key) {
  return key === VALUE
}

function valueOf(network) {
  return {
    network, name: "V(s)", ends: null, scale: null, level: null, more: "",
    at: (observation) => network.outputs(observation)[0], over: (grid) => network.outputsOver({ ...grid, of: 0 }),
  }
}

// A policy's ±1 are the bounds of what the environment takes: what lies beyond is played as these.
function mean(network, of, bounds) {
  const [low, high] = bounds.map((each) => each[of])
  const isBounded = low > -UNBOUNDED && high < UNBOUNDED
  const within = low === -high ? `±${short(high)}` : `${short(low)} to ${short(high)}`
  return {
    network, name: meanOf(of, network.count), scale: [-1, 1], level: 0,
    ends: isBounded ? [`−1: plays ${short(low)}`, `1: plays ${short(high)}`] : ["−1", "1"],
    more: ` · σ ${signed(network.spread[of], 2)} in every state${isBounded ? ` · played within ${within}` : ""}`,
    at: (observation) => network.outputs(observation)[of], over: (grid) => network.outputsOver({ ...grid, of }),
  }
}

function chance(network, of, choices, actions) {
  const named = (k) => actions?.[k] ?? option([network.count], k)
  return {
    network, name: chanceOf(of, choices, actions), ends: network.count === 2 ? [named(1 - of), named(of)] : ["0", "1"],
    scale: [0, 1], level: 0.5, more: "",
    at: (observation) => network.probabilities(observation)[of], over: (grid) => network.probabilitiesOver({ ...grid, of }),
  }
}

function chanceOf(k, choices, actions) {
  return `π(${actions?.[k] ?? (choices.length > 1 ? option(choices, k) : k)})`
}

function meanOf(k, count) {
  return count > 1 ? `mean a${k}` : "mean a"
}
