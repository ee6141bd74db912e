// Every estimator of the policy gradient on the same fresh batches of the policy: how each points, its noise, its bias.

import { element, write } from "./dom.js"
import { createEstimatorPicture } from "./estimator_picture.js"
import { short } from "./update_table.js"

const BATCHES = { 64: "64 batches", 256: "256 batches" }
const MEASURES = [ // name in the answer, head of the column, what it means
  ["cosine", "cosine", "of the angle between one estimate and ∇J: 1 points along it, 0 is noise"],
  ["length", "mean length", "length of the mean of all estimates"],
  ["snr", "signal-to-noise", "of one estimate; 1 is pure noise"],
  ["relative_variance", "variance", "of one estimate, by the square of the mean length"],
  ["along", "along ∇J", "how far the mean reaches along ∇J, by the length of ∇J: 1 if unbiased, less if it is too short"],
  ["across", "off direction", "how far the mean points elsewhere than ∇J, sin² of the angle: 0 is the right direction, 1 at right angles"],
]
const [FEWEST, MOST] = [2, 3] // that race
const WAIT = "Playing fresh batches and calculating every estimator: the larger the policy, and the more batches, the longer this takes."

// Returns a table under `root` that is asked for by a press: `ask(batches)` promises what the server says of it; `onRace`
// is called with the settings of two or three of its estimators.
export function createEstimators(root, { ask, onRace }) {
  const choice = element("select", "lab-select", { "aria-label": "Batches" }, ...Object.entries(BATCHES).map(([value, text]) => element("option", "", { value }, text)))
  const button = element("button", "lab-player-button", { type: "button" }, "Compare all estimators at this policy")
  const race = element("button", "lab-player-button", { type: "button", title: "Fork the run here for each, and see which learns faster" }, "Race them")
  const notice = element("p", "", { role: "status" })
  const picture = createEstimatorPicture()
  const place = element("div", "lab-estimators-scroll", { tabindex: "0", role: "region", "aria-label": "Estimators" })
  const node = element("div", "lab-estimators", {}, element("div", "lab-estimators-head", {}, button, choice, race), notice, picture.node, place)
  root.append(node)
  const view = { place, picture, notice, race, ticket: 0 }
  race.hidden = true
  place.onchange = () => limit(view)
  race.onclick = () => {
    race.disabled = true // until others are ticked: one press is one race
    onRace(ticked(view).map(({ value }) => JSON.parse(value)))
  }
  button.onclick = () => compare(view, () => ask(Number(choice.value)))
  return {
    // Takes away what is true of another policy.
    forget() {
      view.ticket += 1
      write(notice, "")
      picture.show(null)
      place.replaceChildren()
      race.hidden = true
    },
    destroy() {
      picture.destroy()
      node.remove()
    },
  }
}

async function compare(view, ask) {
  const ticket = ++view.ticket
  write(view.notice, WAIT)
  const found = await ask().catch((error) => ({ error: error.message }))
  if (ticket !== view.ticket) return
  write(view.notice, found.error ?? `Of ${found.batches} batches, those that point best first; 95 % intervals, of which ≥ and ≤ have one end: what is lost in noise may be 0. The run learns with: ${found.own}.`)
  if (found.error) return
  view.picture.show(found)
  view.place.replaceChildren(table(found))
  view.race.hidden = false
  limit(view)
}

function ticked({ place }) {
  return [...place.querySelectorAll("input:checked")]
}

// Lets two or three race.
function limit(view) {
  const { length } = ticked(view)
  view.race.disabled = length < FEWEST
  for (const box of view.place.querySelectorAll("input:not(:checked)")) box.disabled = length >= MOST
}

function table({ estimators, own }) {
  const heads = [["estimator", ""], ...MEASURES.map(([, name, title]) => [name, title]), ["why its mean is not ∇J", "empty: it is ∇J, the estimator is unbiased"]]
  const head = element("tr", "", {}, ...heads.map(([name, title]) => element("th", "", { scope: "col", title }, name)))
  const needsValue = ({ settings }) => settings.baseline === "value" // a value network is there from the start, or not at all
  const mine = estimators.find(({ name }) => name === own)
  const rows = estimators.map((each) => {
    const { name, measured, biases } = each
    const cells = [needsValue(each) === needsValue(mine) ? tick(each) : name, ...MEASURES.map(([key]) => interval(measured[key])), Object.values(biases).join("; ")]
    return element("tr", "", name === own ? { "aria-current": "true" } : {}, ...cells.map((text) => element("td", "", {}, text)))
  })
  return element("table", "lab-update", {}, element("thead", "", {}, head), element("tbody", "", {}, ...rows))
}

function tick({ name, settings }) {
  return element("label", "", { title: "Race it" }, element("input", "", { type: "checkbox", value: JSON.stringify(settings) }), name)
}

// Says a value and its interval, of which an end may be "unbounded": no value at that side can be ruled out.
function interval([value, low, high]) {
  if (low === null) return value === null ? "–" : rounded(value)
  const range = between(low, high).replaceAll(" ", "\u00a0") // which is not to be broken
  return value === null ? range : `${rounded(value)} (${range})`
}

function between(low, high) {
  if (low === "unbounded") return high === low ? "unknown" : `≤ ${rounded(high)}`
  return high === "unbounded" ? `≥ ${rounded(low)}` : `${rounded(low)} to ${rounded(high)}`
}

// The reference points along itself, but for rounding errors.
function rounded(number) {
  return short(Math.abs(number) < 1e-9 ? 0 : number)
}
