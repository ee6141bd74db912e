// Where in an episode one is: the stage, the table and the map are at the same step.

import { stateAt } from "./episodes.js"

const VELOCITY = { cart: 1, pole: 3 } // where a state has what a push changes

// Takes what is on the stage, and the moment it is at.
export function atMoment(microscope, entry, moment) {
  const isNew = entry !== microscope.entry
  microscope.entry = entry
  if (!entry.states) return // what a picture shows is not known
  if (isNew) follow(microscope, Array.from({ length: entry.length + 1 }, (_, t) => stateAt(entry, t)))
  microscope.moment = moment
  microscope.table.mark(entry.ofBatch ? moment : null)
  drawMap(microscope)
}

// Has the map follow the observations of an episode, from its start.
export function follow(microscope, path) {
  Object.assign(microscope, { path, moment: 0 })
  microscope.map.hold(path)
}

// Goes to a step of the update's episode: on the stage, or, where that shows another one's pictures, on the map alone.
export function goTo(microscope, step) {
  if (microscope.told.kind === "cart_pole") return microscope.player.hold(step)
  microscope.moment = step
  microscope.table.mark(step)
  drawMap(microscope)
}

export function drawMap({ map, network: policy, compared, value, path, moment, pushes, told }) {
  if (!path.length) return
  const arrows = told.kind === "cart_pole" ? pushes.dynamics : null
  map.show({ policy, rival: compared.network, value, path, at: Math.min(moment, path.length - 1), arrows })
}

// Returns the state on the stage; at the end of an episode that at its start, since from there none goes on.
function present({ path, moment }) {
  return moment < path.length - 1 ? path[moment] : path[0]
}

// Plays on from the state on the stage, after a push that adds `more` to the velocity of "cart" or "pole".
export function push(microscope, body, more) {
  playFrom(microscope, present(microscope)?.map((value, i) => value + (i === VELOCITY[body] ? more : 0)))
}

// Plays on from the state on the stage.
export function playOn(microscope) {
  playFrom(microscope, present(microscope))
}

// Plays on from a state, by the policy of this moment.
export function playFrom({ network, compared, pushes }, state) {
  if (network && state) compared.playFrom(network, state, pushes)
}
