// A map of settings over two axes: a table whose cells are buttons, each with its number, its interval and its colour.

import { element, select, write } from "./dom.js"
import { channels, mixed, onNewLook } from "./paper.js"
import { counts, goodness } from "./settings.js"

const FAINTEST = 0.1 // share of the colour that the worst setting has

// Returns a map under `root`; `onPick` is called with the number of the setting in a cell that was pressed.
export function createHeatMap(root, { onPick }) {
  const [title, choices] = [element("h2", "", {}, "Map"), element("span", "lab-map-choices")]
  const table = element("table", "lab-map")
  const legend = element("p", "lab-map-legend")
  const box = element("div", "lab-map-box", { tabindex: "0", role: "region", "aria-label": "Map of settings" }, table)
  root.append(element("div", "lab-head", {}, title, choices), box, legend)
  const map = { root, table, legend, choices, title, onPick, built: "", chosen: [], cells: [], shown: null }
  const stop = onNewLook(box, () => map.shown && paint(map))
  return {
    show(shown) {
      map.shown = shown
      build(map)
      fill(map)
      paint(map)
    },
    destroy: stop,
  }
}

// Builds the table for the axes that are chosen; while these are the same, every cell stays the node that it is.
function build(map) {
  const { axes } = map.shown
  const wanted = JSON.stringify([axes, map.chosen])
  if (map.built === wanted) return
  const known = new Set(axes.map(({ name }) => name))
  if (!map.chosen.length || !map.chosen.every((name) => known.has(name))) {
    map.chosen = [...axes].sort((a, b) => b.headings.length - a.headings.length).slice(0, 2).map(({ name }) => name)
  }
  map.built = JSON.stringify([axes, map.chosen])
  offer(map)
  const [across, down] = map.chosen.map((name) => axes.find((axis) => axis.name === name))
  map.across = axes.indexOf(across)
  map.down = down ? axes.indexOf(down) : -1
  const head = element("tr", "", {}, element("td"), ...across.headings.map((text) => element("th", "", { scope: "col" }, text)))
  map.cells = (down?.headings ?? [""]).map(() => across.headings.map(() => cellOf(map)))
  const rows = map.cells.map((cells, i) => element("tr", "", {}, element("th", "", { scope: "row" }, down?.headings[i] ?? ""), ...cells.map(({ node }) => node)))
  const caption = element("caption", "", {}, down ? `${across.label} across, ${down.label} down` : `${across.label} across`)
  map.table.replaceChildren(caption, element("thead", "", {}, head), element("tbody", "", {}, ...rows))
}

// Offers the choice of two axes where there are more.
function offer(map) {
  const { axes } = map.shown
  map.choices.replaceChildren()
  if (axes.length < 3) return
  const options = Object.fromEntries(axes.map(({ name, label }) => [name, label]))
  const choose = (place) => (name) => {
    const other = map.chosen[1 - place]
    map.chosen[1 - place] = name === other ? map.chosen[place] : other
    map.chosen[place] = name
    build(map)
    fill(map)
    paint(map)
    map.choices.children[place].focus()
  }
  const selects = ["Axis across", "Axis down"].map((label, place) => select(label, options, choose(place)))
  selects.forEach((node, place) => (node.value = map.chosen[place]))
  map.choices.append(...selects)
}

function cellOf(map) {
  const [text, beside, more] = ["b", "small", "small"].map((tag) => element(tag))
  const button = element("button", "lab-cell", { type: "button" }, text, beside, more)
  const cell = { node: element("td", "", {}, button), button, text, beside, more, setting: null }
  button.onclick = () => cell.setting && map.onPick(cell.setting.number)
  return cell
}

// Writes into each cell its setting; of several there, in which other axes differ, the best one.
function fill(map) {
  const { settings, measure, picked, axes } = map.shown
  const [best] = settings.filter((setting) => counts(setting, measure))
  const others = axes.length > 2
  for (const [i, row] of map.cells.entries()) {
    for (const [j, cell] of row.entries()) {
      const here = settings.filter(({ cell: at }) => at[map.across] === j && (map.down < 0 || at[map.down] === i))
      const setting = (cell.setting = here[0] ?? null)
      const { text, beside } = setting?.measures[measure] ?? { text: "–", beside: "not tried" }
      const solved = setting && setting.solved !== null && setting.seeds ? `${setting.solved} of ${setting.seeds} solved` : ""
      write(cell.text, setting && setting === best ? `★ ${text}` : text)
      write(cell.beside, beside)
      write(cell.more, others && here.length > 1 ? `best of ${here.length}` : solved === beside ? "" : solved)
      cell.button.disabled = !setting
      cell.button.dataset.kind = kindOf(setting, measure)
      cell.button.ariaPressed = String(Boolean(setting && setting.number === picked?.number))
      cell.button.ariaLabel = setting ? `${setting.name}: ${text}${beside && `, ${beside}`}${setting === best ? ", the best" : ""}` : "not tried"
    }
  }
}

function kindOf(setting, measure) {
  if (!setting) return "none"
  if (counts(setting, measure)) return "known"
  if (setting.state === "diverged") return "diverged"
  return setting.active ? "waiting" : "unsolved"
}

// Colours the cells in the page's theme: the fuller, the better.
function paint(map) {
  const { settings, measure } = map.shown
  const css = getComputedStyle(map.root)
  const [back, full] = ["background-color", "primary-color"].map((name) => css.getPropertyValue(`--st-${name}`).trim())
  const good = goodness(settings, measure)
  const shade = (share) => mixed(back, full, FAINTEST + (1 - FAINTEST) * share)
  for (const { button, setting } of map.cells.flat()) {
    const share = setting && good(setting)
    const color = share === null ? "" : shade(share)
    Object.assign(button.style, { backgroundColor: color, color: color && textOn(color) })
  }
  const known = settings.filter((setting) => counts(setting, measure))
  map.legend.hidden = known.length < 2
  if (known.length < 2) return
  const ramp = element("span", "lab-map-ramp", { "aria-hidden": "true" })
  ramp.style.background = `linear-gradient(to right, ${shade(0)}, ${shade(1)})`
  const ends = [known.at(-1), known[0]].map((setting) => setting.measures[measure].text)
  map.legend.replaceChildren(`worst ${ends[0]} `, ramp, ` best ${ends[1]}`)
}

// Returns black or white, whichever can be read better: a contrast of 4.5 at least.
export function textOn(color) {
  const [r, g, b] = channels(color).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
  return luminance > 0.179 ? "#000000" : "#ffffff"
}

