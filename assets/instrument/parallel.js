// Parallel coordinates: each axis and the measure is a vertical line, each setting a line through its values.

import { element } from "./dom.js"
import { mixed, onNewLook } from "./paper.js"
import { counts, goodness } from "./settings.js"

const SVG = "http://www.w3.org/2000/svg"
const [HEIGHT, TOP, BOTTOM, SIDE] = [280, 40, 44, 72] // CSS pixels
const NOWHERE = -0.12 // share of the height at which a setting without a value ends
const FAINTEST = 0.3 // share of the colour that the worst setting has

// Returns the lines under `root`; `onPick` is called with the number of the setting whose line was clicked.
export function createParallel(root, { onPick }) {
  const picture = svg("svg", { role: "img", height: HEIGHT })
  const box = element("div", "lab-lines-box", {}, picture)
  root.append(element("div", "lab-head", {}, element("h2", "", {}, "All axes")), box)
  const lines = { box, picture, onPick, shown: null }
  const stop = onNewLook(box, () => lines.shown && draw(lines))
  return {
    show(shown) {
      lines.shown = shown
      draw(lines)
    },
    destroy: stop,
  }
}

function draw({ box, picture, onPick, shown }) {
  const { axes, settings, measure, measures, picked } = shown
  const width = box.clientWidth
  if (!width) return
  const css = getComputedStyle(box)
  const color = (name) => css.getPropertyValue(`--st-${name}`).trim()
  const good = goodness(settings, measure)
  const x = (place) => SIDE + (place * (width - 2 * SIDE)) / axes.length
  const y = (share) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
  const stroke = (share) => mixed(color("background-color"), color("primary-color"), FAINTEST + (1 - FAINTEST) * share)
  // The best ones lie on top, the one that is picked above all.
  const behind = settings.toReversed().toSorted((a, b) => (a.number === picked?.number) - (b.number === picked?.number))
  const drawn = behind.map((setting) => {
    const share = good(setting)
    const points = [...setting.at, share ?? NOWHERE].map((at, place) => `${x(place)},${y(at)}`).join(" ")
    const isPicked = setting.number === picked?.number
    const seen = svg("polyline", { points, stroke: isPicked ? color("text-color") : stroke(share ?? 0), "stroke-width": isPicked ? 3 : 1.5, ...(share === null ? { "stroke-dasharray": "4 4" } : {}) })
    const hit = svg("polyline", { points, stroke: "transparent", "stroke-width": 10, "pointer-events": "stroke" }, svg("title", {}, `${setting.name}: ${setting.measures[measure].text}`))
    hit.onclick = () => onPick(setting.number)
    return svg("g", { fill: "none" }, seen, hit)
  })
  picture.setAttribute("width", width)
  picture.setAttribute("aria-label", `${settings.length} settings over ${axes.map(({ label }) => label).join(", ")} and ${measures[measure].name}; the table has the same in numbers.`)
  picture.replaceChildren(...scales(shown, x, y, color), ...drawn)
}

function scales({ axes, settings, measure, measures }, x, y, color) {
  const known = settings.filter((setting) => counts(setting, measure))
  const write = (text, left, top, anchor) => words(text, left, top, color("text-color"), anchor)
  const line = (place) => svg("line", { x1: x(place), x2: x(place), y1: y(0), y2: y(1), stroke: color("border-color") })
  const scale = ({ label, headings }, place) => [
    line(place), write(label, x(place), 16, "middle"), write(headings[0], x(place), y(0) + 16, "middle"),
    write(headings.length > 1 ? headings.at(-1) : "", x(place), TOP - 8, "middle"),
  ]
  const [right, last] = [x(axes.length), axes.length]
  const ends = [[known[0], 1], [known.length > 1 ? known.at(-1) : null, 0]].filter(([setting]) => setting)
  const values = ends.map(([setting, at]) => write(setting.measures[measure].text, right + 8, y(at) + 4, "start"))
  const none = known.length < settings.length ? [write("no value", right + 8, y(NOWHERE) + 4, "start")] : []
  return [...axes.flatMap(scale), line(last), write(measures[measure].name, right, 16, "middle"), ...values, ...none]
}

function words(text, x, y, fill, anchor) {
  return svg("text", { x, y, fill, "text-anchor": anchor, "font-size": 11 }, text)
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}
