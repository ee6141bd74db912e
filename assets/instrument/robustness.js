// How long policies balance if cart and pole, or what they are told of them, are others than in training.

import { createChart } from "./charts.js"
import { element, select, write } from "./dom.js"

const PARAMETERS = { // name in the question: what it is called, and its unit
  gravity: ["gravity", "m/s²"],
  half_length: ["half of the pole’s length", "m"],
  pole_mass: ["mass of the pole", "kg"],
  cart_mass: ["mass of the cart", "kg"],
  force: ["force of an action", "N"],
  sensor_noise: ["sensor noise σ", "m, m/s, rad, rad/s"],
  action_delay: ["action delay", "steps"],
}
const COLORS = ["@0", "@3", "@7"] // of this policy, the other one, and the untrained one
const WAIT = "Playing 100 episodes at each of nine values: this takes a second or two."

// Returns controls and a chart under `root`: a press has `ask(parameter)` promise what the server says of each policy,
// `[[name, place among COLORS, answer], …]`.
export function createRobustness(root, { ask }) {
  const names = Object.fromEntries(Object.entries(PARAMETERS).map(([key, [name]]) => [key, name]))
  const choice = select("What is changed", names, () => null)
  const button = element("button", "lab-player-button", { type: "button" }, "Measure robustness")
  const notice = element("p", "", { role: "status" })
  const place = element("div", "lab-robustness-chart", { hidden: "" })
  const node = element("div", "lab-robustness", {}, element("div", "lab-estimators-head", {}, button, choice), notice, place)
  root.append(node)
  const view = { notice, place, chart: createChart(place), ticket: 0 }
  button.onclick = () => measure(view, choice.value, ask)
  return {
    node,
    // Takes away what is true of other policies.
    forget() {
      view.ticket += 1
      write(notice, "")
      place.hidden = true
    },
    destroy() {
      view.chart.destroy()
      node.remove()
    },
  }
}

async function measure(view, parameter, ask) {
  const ticket = ++view.ticket
  write(view.notice, WAIT)
  const found = await ask(parameter).catch((error) => ({ error: error.message }))
  if (ticket !== view.ticket) return
  write(view.notice, found.error ?? [actionsOf(found[0][2]), ...found.map(said)].join(" "))
  view.place.hidden = Boolean(found.error)
  if (!found.error) view.chart.take(figure(parameter, found))
}

function actionsOf({ greedy }) {
  return greedy ? "By the most probable actions." : "By sampled actions, as in training."
}

// Says where a policy's mean length is the highest and the lowest.
function said([name, , { values, mean, nominal }]) {
  const lowest = mean.indexOf(Math.min(...mean))
  const inTraining = Math.round(mean[values.indexOf(nominal)])
  return `${name}: ${inTraining} steps at ${nominal}, as in training; fewest, ${Math.round(mean[lowest])}, at ${values[lowest]}.`
}

function figure(parameter, found) {
  const [name, unit] = PARAMETERS[parameter]
  const { limit, nominal, episodes } = found[0][2]
  const line = { color: "@faint", width: 1, dash: "dot" }
  return {
    data: found.flatMap(traces),
    layout: {
      xaxis: { title: { text: `${name} (${unit})` } },
      yaxis: { title: { text: "mean length" }, range: [0, 1.05 * limit] },
      shapes: [{ type: "line", x0: nominal, x1: nominal, y0: 0, y1: 1, yref: "paper", line }],
      annotations: [{ x: nominal, y: 1, yref: "paper", yanchor: "bottom", text: "as in training", showarrow: false }],
      uirevision: parameter,
    },
    label: `Mean length over ${name}, of ${episodes} episodes each, with 95 % intervals: ${found.map(([name]) => name).join(", ")}`,
  }
}

function traces([name, color, { values, mean, low, high }]) {
  const all = { type: "scatter", x: values, legendgroup: name }
  const edge = { ...all, mode: "lines", line: { width: 0 }, showlegend: false, hoverinfo: "skip" }
  const hovertemplate = "%{fullData.name}<br>mean length %{y:.1f} at %{x}<extra></extra>"
  return [
    { ...edge, uid: `${name} low`, y: low },
    { ...edge, uid: `${name} high`, y: high, fill: "tonexty", fillcolor: `${COLORS[color]}/0.2` },
    { ...all, uid: name, name, mode: "lines+markers", y: mean, line: { color: COLORS[color], width: 2 }, hovertemplate },
  ]
}
