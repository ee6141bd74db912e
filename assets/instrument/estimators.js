// Every estimator of the policy gradient on the same fresh batches of the policy: how each points, its noise, its bias.

import { element, write } from "./dom.js"
import { short } from "./update_table.js"

const BATCHES = { 64: "64 batches", 256: "256 batches" }
const MEASURES = [ // name in the answer, head of the column, what it means
  ["cosine", "cosine", "of one estimate and ∇J: 1 points along it, 0 is noise"],
  ["snr", "signal-to-noise", "of one estimate; 1 is pure noise"],
  ["relative_variance", "variance", "of one estimate, by the square of its mean length"],
  ["along", "along ∇J", "mean component along ∇J, by its length: 1 if unbiased"],
  ["across", "across", "squared part of the mean across ∇J, by its own square: 0 if only the length is another"],
]
const [FEWEST, MOST] = [2, 3] // that race
const WAIT = "Playing fresh batches and calculating every estimator: this takes a few seconds."

// Returns a table under `root` that is asked for by a press: `ask(batches)` promises what the server says of it; `onRace`
// is called with the settings of two or three of its estimators.
export function createEstimators(root, { ask, onRace }) {
  const choice = element("select", "lab-select", { "aria-label": "Batches" }, ...Object.entries(BATCHES).map(([value, text]) => element("option", "", { value }, text)))
  const button = element("button", "lab-player-button", { type: "button" }, "Compare all estimators at this policy")
  const race = element("button", "lab-player-button", { type: "button", title: "Fork the run here for each, and see which learns faster" }, "Race them")
  const notice = element("p", "", { role: "status" })
  const place = element("div", "lab-estimators-scroll", { tabindex: "0", role: "region", "aria-label": "Estimators" })
  const node = element("div", "lab-estimators", {}, element("div", "lab-estimators-head", {}, button, choice, race), notice, place)
  root.append(node)
  const view = { place, notice, race, ticket: 0 }
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
      place.replaceChildren()
      race.hidden = true
    },
    destroy: () => node.remove(),
  }
}

async function compare(view, ask) {
  const ticket = ++view.ticket
  write(view.notice, WAIT)
  const found = await ask().catch((error) => ({ error: error.message }))
  if (ticket !== view.ticket) return
  write(view.notice, found.error ?? `Of ${found.batches} batches, those that point best first; 95 % intervals. The run learns with: ${found.own}.`)
  if (found.error) return
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
  const heads = [["estimator", ""], ...MEASURES.map(([, name, title]) => [name, title]), ["biased, as", ""]]
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

function interval([value, low, high]) {
  return value === null ? "–" : `${short(value)} (${short(low)} to ${short(high)})`
}
