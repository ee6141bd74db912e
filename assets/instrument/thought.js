// What the policy thinks at a moment: bars of probabilities, or the mean action; of CartPole with the state.

import { DIMENSIONS } from "./cart_pole.js"
import { element, write } from "./dom.js"
import { rightAt, stateAt } from "./episodes.js"

const MOST_BARS = 6
const SUBSCRIPTS = "₀₁₂₃₄₅"

// Builds what tells the policy's thought, if it is to tell another kind of thought than before.
export function showThought({ parts, on, actions, moment }) {
  const { entry, film } = on
  const wanted = JSON.stringify(film ? [entry.choices, entry.thoughts[0].length, actions] : "cart_pole")
  if (parts.thought.dataset.tells !== wanted) {
    const [nodes, tell] = film ? thoughts(entry, actions) : cartPoleThought()
    parts.thought.replaceChildren(...nodes)
    parts.thought.dataset.tells = wanted
    parts.tell = tell
  }
  parts.think = (moment) => parts.tell(entry, Math.min(moment, film ? on.last : entry.length))
  parts.think(Math.floor(moment))
}

function cartPoleThought() {
  const { bar, set } = gauge("lab-player-split")
  const number = cell("number")
  const title = "Probability of each push: π(left | s), π(right | s)"
  const [left, right] = [cell("word", "◀ left"), cell("word", "right ▶")]
  const row = element("div", "lab-player-push", { title }, left, bar, right, number)
  const values = DIMENSIONS.map(() => cell("number"))
  const named = DIMENSIONS.map(({ name, unit }, i) => {
    return element("span", "lab-player-quantity", {}, element("i", "", {}, name), values[i], cell("unit", unit))
  })
  const tell = (entry, step) => {
    const right = rightAt(entry, step)
    set(right === null ? null : 1 - right)
    write(number, right === null ? "end" : right.toFixed(2))
    stateAt(entry, step).forEach((value, i) => write(values[i], inUnits(value, DIMENSIONS[i])))
  }
  return [[row, element("div", "lab-player-state", {}, ...named)], tell]
}

// Tells a probability for each action, or each option of several choices, with a bar; or each number of the mean action.
function thoughts({ choices, thoughts }, actions) {
  const discrete = choices.length > 0
  const count = thoughts[0].length
  const rows = Array.from({ length: Math.min(count, MOST_BARS) }, (_, i) => {
    const name = discrete ? actions?.[i] ?? option(choices, i) : `mean a${count > 1 ? SUBSCRIPTS[i] : ""}`
    return { name, number: cell("number"), ...(discrete ? gauge("") : { bar: "", set: () => null }) }
  })
  const nodes = rows.map(({ name, bar, number }) => {
    return element("div", "lab-player-action", { title: name }, cell("word", name), bar, number)
  })
  const tell = ({ thoughts }, moment) => rows.forEach(({ set, number }, i) => {
    const thought = thoughts[moment][i] ?? null
    set(thought)
    write(number, thought === null ? "end" : signed(thought, 2))
  })
  return [[element("div", "lab-player-actions", {}, ...nodes)], tell]
}

// Names the option at a place among those of all choices: the only choice's "action 2", the second's "a₁ = 2".
export function option(choices, place) {
  if (choices.length === 1) return `action ${place}`
  let choice = 0
  while (place >= choices[choice]) place -= choices[choice++]
  return `a${SUBSCRIPTS[choice]} = ${place}`
}

export function cell(name, text = "") {
  return element("span", `lab-player-${name}`, {}, text)
}

// Returns a bar and what sets its share, null for none.
function gauge(name) {
  const filled = element("div", "lab-player-filled")
  const bar = element("div", `lab-player-bar ${name}`, { "aria-hidden": "true" }, filled)
  const set = (share) => {
    bar.classList.toggle("lab-player-empty", share === null)
    if (share !== null) filled.style.transform = `scaleX(${share})`
  }
  return { bar, set }
}

// Returns what stands before the unit in which a dimension is shown.
export function inUnits(value, { factor, digits }) {
  return signed(value * factor, digits)
}

export function signed(number, digits) {
  const text = number.toFixed(digits)
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−")
}
