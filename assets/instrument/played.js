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

// Returns what is random in an episode: `choose` chooses an action at a step by its probability, the likelier one, or
// drawn, as in training; `normals` are the step's noise, of four sensors. Episodes that are compared share them.
export function createLuck(greedy) {
  const [numbers, noise] = [[], []]
  return {
    choose: (chance, step) => Number(greedy ? chance > 0.5 : (numbers[step] ??= Math.random()) < chance),
    normals: (step) => (noise[step] ??= Array.from({ length: 4 }, normal)),
  }
}

// Returns a standard normal number, by Box and Muller.
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

// Plays an episode from a state by a policy: `dynamics` say where each action leads. It observes with normal noise of
// standard deviation `sensorNoise`, and an action is one on what was observed `actionDelay` steps before, on the first
// observation until then, as in pg_core.learning.robustness.
export function rollout(network, state, { update, agent, env_id, limit, for_failure }, { dynamics, physics }, luck) {
  const { sensorNoise, actionDelay } = physics
  const [states, seen, right] = [[state], [], []]
  while (right.length < limit && !failed(states.at(-1))) {
    const now = right.length
    const noise = luck.normals(now)
    seen.push(states[now].map((value, i) => value + sensorNoise * noise[i]))
    const chance = network.probabilities(seen[Math.max(now - actionDelay, 0)])[RIGHT]
    right.push(chance)
    states.push(dynamics(states[now], luck.choose(chance, now)))
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
