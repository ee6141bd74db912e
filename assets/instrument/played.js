// Episodes that the browser makes by itself: those that an update learned from, and those that go on from a picked state.

import { failed, step } from "./cart_pole.js"

const CERTAIN = 65535 // the integer that stands for a probability of one, as in episodes.js
const STEP_MS = 20
const RIGHT = 1

// Returns the episode of CartPole that a dissection tells of; where its last action led is calculated.
export function played({ update, agent, observations, steps }, told) {
  const right = steps.actions.map((action, t) => {
    const chance = Math.exp(steps.log_probs[t])
    return action === RIGHT ? chance : 1 - chance
  })
  const last = step(observations.at(-1), steps.actions.at(-1))
  const returned = steps.rewards.reduce((a, b) => a + b, 0)
  return episode({ update, agent, env_id: told.env_id, ofBatch: true }, [...observations, last], right, returned)
}

// Returns what chooses an action at a step by its probability: the likelier one, or drawn, as in training. Episodes that
// are compared share it: at each step all are drawn by the same number.
export function chooser(greedy) {
  const numbers = []
  return (chance, step) => Number(greedy ? chance > 0.5 : (numbers[step] ??= Math.random()) < chance)
}

// Plays an episode from a state by a policy, whose actions `choose` chooses; `dynamics` say where each leads.
export function rollout(network, state, { update, agent, env_id, limit, for_failure }, dynamics, choose) {
  const [states, right] = [[state], []]
  while (right.length < limit && !failed(states.at(-1))) {
    const chance = network.probabilities(states.at(-1))[RIGHT]
    right.push(chance)
    states.push(dynamics(states.at(-1), choose(chance, right.length - 1)))
  }
  const returned = for_failure ? -Number(failed(states.at(-1))) : right.length
  return episode({ update, agent, env_id, ofBatch: false }, states, right, returned)
}

function episode({ update, agent, env_id, ofBatch }, states, right, returned) {
  const entry = {
    agent, ofBatch, return: returned, length: right.length, scale: [1, 1, 1, 1], states: Float64Array.from(states.flat()),
    probs: Float64Array.from(right, (chance) => CERTAIN * chance),
  }
  return { kind: "cart_pole", update, env_id, num_agents: 1, roles: { median: agent }, step_ms: STEP_MS, episodes: [entry] }
}

// Returns an episode of which only one agent's is to be seen.
export function alone(episode, agent) {
  const mine = episode.episodes.filter((entry) => entry.agent === agent)
  return { ...episode, num_agents: 1, roles: { median: agent }, episodes: mine.length ? mine : episode.episodes }
}

// Returns what a player asks for episodes, of which there is one.
export function only(episode) {
  return { get: async () => episode, busy: 0, idle: async () => null }
}
