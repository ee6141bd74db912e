// The elements of the player: the stage, what is thought, the caption, the controls.

import { element } from "./dom.js"
import { cell } from "./thought.js"

const SPEEDS = [[0.25, "¼×"], [0.5, "½×"], [1, "1×"], [2, "2×"], [4, "4×"]]
const KEYS = "Space plays and pauses, arrows step, Home and End jump, < and > change the speed"
const CLOSER = "Under the microscope"
export const ICONS = {
  previous: "M4 3h1.6v10H4zM13 3v10L6.4 8z",
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  next: "M12 3h-1.6v10H12zM3 3v10l6.6-5z",
  film: "M1.5 2.5h13v11h-13zM3 4v1.6h1.5V4zm0 3.2v1.6h1.5V7.2zm0 3.2V12h1.5v-1.6zM11.5 4v1.6H13V4zm0 3.2v1.6H13V7.2z" +
    "m0 3.2V12H13v-1.6zM6 4v8h4V4z",
  closer: "M7 2a5 5 0 1 0 2.9 9.1l3.6 3.5 1.1-1.1-3.5-3.6A5 5 0 0 0 7 2zm0 1.6a3.4 3.4 0 1 1 0 6.8 3.4 3.4 0 0 1 0-6.8z",
}

export function build(root) {
  const canvas = element("canvas", "lab-player-canvas", { role: "img", "aria-label": "No episode yet" })
  const notice = element("p", "lab-player-notice", {}, "The policy is on its way.")
  const role = { tabindex: "0", role: "group", "aria-label": `Stage: ${KEYS}` }
  const screen = element("div", "lab-player-screen", role, canvas, notice)
  const thought = element("div", "lab-player-thought")
  const [policy, step, outcome] = ["policy", "step", "outcome"].map((name) => cell(name))
  const caption = element("p", "lab-player-caption", {}, policy, step, outcome)
  const controls = buildControls()
  const bar = element("div", "lab-player-controls", {}, ...Object.values(controls))
  const node = element("div", "lab-player", {}, element("div", "lab-player-picture", {}, screen, thought), caption, bar)
  root.append(node)
  return { node, canvas, notice, screen, thought, policy, step, outcome, ...controls }
}

function buildControls() {
  const speed = picker("speed", "Speed")
  speed.append(...SPEEDS.map(([value, text]) => element("option", "", { value }, text)))
  speed.value = 1
  const slider = { type: "range", min: "0", step: "1", value: "0", "aria-label": "Time step" }
  return {
    previous: button("Previous time step", icon("previous")),
    toggle: button("Pause the episode", icon("pause")),
    next: button("Next time step", icon("next")),
    slider: element("input", "lab-player-slider", slider),
    speed,
    agent: picker("agent", "Agent in front"),
    film: button("Gymnasium's frames", icon("film")),
    closer: element("a", "lab-player-button lab-player-closer", { role: "link", "aria-label": CLOSER, title: CLOSER }, icon("closer")),
    follow: button("Live", element("span", "lab-player-dot"), "Live"),
  }
}

function picker(name, label) {
  return element("select", `lab-player-select lab-player-${name}`, { "aria-label": label, title: label })
}

function button(name, ...children) {
  return element("button", "lab-player-button", { type: "button", "aria-label": name, title: name }, ...children)
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  path.setAttribute("d", ICONS[name])
  path.setAttribute("fill-rule", "evenodd")
  svg.append(path)
  return svg
}
