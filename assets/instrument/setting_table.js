// All settings as a table, the best one first.

import { element, write } from "./dom.js"

// Returns a table under `root`; `onPick` is called with the number of the setting whose row was pressed.
export function createSettingTable(root, { onPick }) {
  const [head, body, caption] = [element("tr"), element("tbody"), element("caption")]
  const table = element("table", "", {}, caption, element("thead", "", {}, head), body)
  root.append(element("h2", "", {}, "All settings"), element("div", "lab-table-box", { tabindex: "0", role: "region", "aria-label": "All settings" }, table))
  const rows = new Map() // setting's number → its row
  let columns = ""
  return {
    show(shown) {
      const names = columnsOf(shown)
      if (columns !== names.join()) {
        columns = names.join()
        rows.clear()
        head.replaceChildren(...names.map((name) => element("th", "", { scope: "col" }, name)))
      }
      const { measures, measure, settings, picked } = shown
      write(caption, `By ${measures[measure].name}, ${measures[measure].more ? "highest" : "fewest"} first. ${measures[measure].meaning}`)
      const wanted = settings.map((setting, place) => {
        if (!rows.has(setting.number)) rows.set(setting.number, rowOf(setting.number, names.length, onPick))
        const row = rows.get(setting.number)
        fill(row, cellsOf(setting, place, shown), picked?.number === setting.number)
        return row
      })
      place(body, wanted)
    },
  }
}

function columnsOf({ axes, measures, measure }) {
  const others = Object.keys(measures).filter((name) => name !== measure)
  return ["rank", ...axes.map(({ label }) => label), ...[measure, ...others].map((name) => measures[name].name), "solved", "state"]
}

function cellsOf({ shown, measures: found, solved, seeds, state }, place, { measures, measure }) {
  const others = Object.keys(measures).filter((name) => name !== measure)
  const numbers = [measure, ...others].map((name) => `${found[name].text}${found[name].beside && ` (${found[name].beside})`}`)
  return [String(place + 1), ...shown, ...numbers, solved === null ? "–" : `${solved} of ${seeds}`, state]
}

function rowOf(number, count, onPick) {
  const button = element("button", "lab-button", { type: "button" })
  const cells = Array.from({ length: count - 1 }, () => element("td"))
  const row = element("tr", "", {}, element("th", "", { scope: "row" }, button), ...cells)
  row.onclick = () => onPick(number)
  return row
}

function fill(row, [rank, ...texts], isPicked) {
  const [first, ...cells] = row.children
  write(first.firstChild, rank)
  first.firstChild.ariaLabel = `${rank}: show this setting`
  first.firstChild.ariaPressed = String(isPicked)
  row.classList.toggle("lab-picked", isPicked)
  texts.forEach((text, i) => write(cells[i], text))
}

// Puts the rows into their order; the keyboard stays where it is.
function place(body, rows) {
  if (rows.length === body.rows.length && rows.every((row, i) => row === body.rows[i])) return
  const held = body.contains(document.activeElement) ? document.activeElement : null
  body.replaceChildren(...rows)
  held?.focus({ preventScroll: true })
}
