// The list of runs: a table on a desk, cards on a phone. A click on a line opens its run, ticks select several.

import { element, write } from "./dom.js"
import { beOneEntry } from "./page.js"
import { forget, unpressed } from "./press.js"

const COLUMNS = [
  ["run", "Run", "name"], ["curve", "Typical return", null], ["settings", "Settings", null], ["solved", "Solved", "solved"],
  ["steps", "Median steps to solve", "solved"], ["return", "Mean return", "return"], ["updates", "Updates", "updates"],
]
const NUMBERS = ["solved", "steps", "return", "updates"]
const ORDERS = { name: "ascending", solved: "ascending", return: "descending", updates: "descending" }
const NARROW = "(max-width: 1099px)" // where the drawer covers the list: as in run_list.css

const lists = new WeakMap() // parentElement → its list

export function mount({ data, parentElement, setTriggerValue }) {
  if (!lists.has(parentElement)) lists.set(parentElement, create(parentElement))
  const list = lists.get(parentElement)
  list.tell = setTriggerValue
  unpressed(list, () => receive(list, JSON.parse(new TextDecoder().decode(data))))
}

export function unmount(parentElement) {
  forget(lists.get(parentElement))
  lists.get(parentElement)?.root.remove()
  lists.delete(parentElement)
}

function create(parentElement) {
  const body = element("tbody", "", { role: "rowgroup" })
  const heads = COLUMNS.map(([name, label, sort]) => head(name, label, sort))
  const row = element("tr", "", { role: "row" }, element("th", "lab-runs-tick", { role: "columnheader" }, unseen("Selected")), ...heads)
  const table = element(
    "table", "lab-runs-table", { role: "table", "aria-label": "Runs" }, element("thead", "", { role: "rowgroup" }, row), body,
  )
  const more = element("button", "lab-runs-more", { type: "button" })
  const compare = element("button", "lab-runs-compare", { type: "button" })
  const clear = element("button", "lab-runs-clear", { type: "button" }, "Clear")
  const bar = element("div", "lab-runs-bar", { role: "status" }, compare, clear)
  const root = element("div", "lab-runs", {}, table, more, bar)
  parentElement.append(root)
  beOneEntry()
  const list = { root, body, row, more, compare, bar, rows: new Map(), selected: [], open: false, click: 0, current: null, tell: null }
  row.onclick = ({ target }) => target.dataset.sort && list.tell("sorted", target.dataset.sort)
  more.onclick = () => list.tell("more", true)
  compare.onclick = () => choose(list, list.selected, true)
  clear.onclick = () => choose(list, [], false)
  body.onclick = (event) => click(list, event)
  body.onkeydown = (event) => press(list, event)
  return list
}

function head(name, label, sort) {
  const attributes = { role: "columnheader" }
  if (!sort) return element("th", `lab-runs-${name}`, attributes, label)
  return element("th", `lab-runs-${name}`, attributes, element("button", "", { type: "button", "data-sort": sort }, label))
}

function unseen(text) {
  return element("span", "lab-unseen", {}, text)
}

function receive(list, told) {
  // A selection that the page has not heard of yet is not taken back by what it told before.
  if (told.click >= list.click) Object.assign(list, { selected: told.selected, open: told.open, click: told.click })
  const rows = told.lines.map((line) => rowOf(list, line))
  const kept = new Set(told.lines.map(({ id }) => id))
  for (const id of list.rows.keys()) if (!kept.has(id)) list.rows.delete(id)
  if (rows.length !== list.body.childNodes.length || rows.some((row, i) => row !== list.body.childNodes[i])) {
    const focused = document.activeElement
    list.body.replaceChildren(...rows)
    if (list.body.contains(focused)) focused.focus({ preventScroll: true })
  }
  if (!list.rows.has(list.current)) list.current = told.lines[0]?.id ?? null
  for (const th of list.row.children) {
    const sort = th.querySelector("button")?.dataset.sort
    if (sort) th.setAttribute("aria-sort", sort === told.sort && !th.matches(".lab-runs-solved") ? ORDERS[sort] : "none")
  }
  list.more.hidden = !told.left
  write(list.more, `Show more: ${told.left.toLocaleString("en")} are not listed yet`)
  mark(list)
}

// Returns the row of a line: the one that is there, if it says the same.
function rowOf(list, line) {
  const [known, said] = [list.rows.get(line.id), JSON.stringify(line)]
  if (known?.said === said) return known.row
  const row = build(line)
  if (known?.row.contains(document.activeElement)) {
    known.row.replaceWith(row)
    row.querySelector(document.activeElement.matches("input") ? "input" : ".lab-runs-name").focus({ preventScroll: true })
  }
  list.rows.set(line.id, { row, said, runs: line.runs })
  return row
}

function build(line) {
  const tick = element("input", "", { type: "checkbox", "aria-label": `Select ${line.name}` })
  const fold = line.runs ? { "aria-expanded": line.unfolded } : {}
  const name = element("button", "lab-runs-name", { type: "button", ...fold }, `${line.pinned ? "📌 " : ""}${line.name}`)
  const state = element("span", "lab-runs-state", { "data-color": line.color }, line.state)
  const about = element("div", "lab-runs-about", {}, state, element("span", "", {}, line.started), ...line.tags.map(tag))
  if (line.note) about.append(element("span", "lab-runs-note", { title: line.note }, line.note))
  const cells = {
    run: [name, about],
    curve: line.spark ? [spark(line)] : [unseen("No update yet")],
    settings: [element("div", "lab-runs-setting", { title: line.settings }, line.settings), element("div", "lab-runs-about", {}, line.of)],
    ...Object.fromEntries(NUMBERS.map((column) => [column, [line[column]]])),
  }
  const filled = COLUMNS.map(([column, label]) =>
    element("td", `lab-runs-${column}`, { role: "cell", "data-label": label }, ...cells[column]))
  const kind = line.runs ? "lab-runs-sweep" : line.inside ? "lab-runs-inside" : ""
  return element("tr", `lab-runs-line ${kind}`, { role: "row", "data-id": line.id }, element("td", "lab-runs-tick", { role: "cell" }, tick), ...filled)
}

function tag(text) {
  return element("span", "lab-runs-tag", {}, text)
}

function spark({ name, spark: { path, marks, threshold } }) {
  const svg = shape("svg", { viewBox: "-1 -1 102 26", preserveAspectRatio: "none", role: "img", "aria-label": `Typical return of ${name}` })
  if (threshold !== null) svg.append(shape("path", { class: "lab-runs-threshold", d: `M0 ${threshold}H100` }))
  for (const x of marks) svg.append(shape("path", { class: "lab-runs-mark", d: `M${x} 0V24` }))
  svg.append(shape("path", { class: "lab-runs-path", d: path }))
  return svg
}

function shape(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}

function click(list, event) {
  const id = event.target.closest("tr")?.dataset.id
  if (!id) return
  list.current = id
  const { runs } = list.rows.get(id)
  if (runs) return event.target.closest(".lab-runs-tick") ? toggleAll(list, runs) : list.tell("unfold", id)
  if (event.target.matches("input") || event.ctrlKey || event.metaKey) return toggle(list, id)
  if (event.target.closest(".lab-runs-tick")) return toggle(list, id)
  if (event.shiftKey) return choose(list, between(list, id), shows())
  choose(list, [id], true)
}

// On a narrow page the drawer covers the list: whoever ticks wants to go on ticking.
function toggle(list, id) {
  const { selected } = list
  choose(list, selected.includes(id) ? selected.filter((other) => other !== id) : [...selected, id], shows())
}

function toggleAll(list, runs) {
  const all = runs.every((id) => list.selected.includes(id))
  const others = list.selected.filter((id) => !runs.includes(id))
  choose(list, all ? others : [...others, ...runs], shows())
}

function shows() {
  return !matchMedia(NARROW).matches
}

// Returns the selected runs and those from the last of them to another one, as they are listed.
function between(list, id) {
  const ids = [...list.body.children].map((row) => row.dataset.id).filter((each) => !list.rows.get(each).runs)
  const [from, to] = [ids.indexOf(list.selected.at(-1) ?? id), ids.indexOf(id)].sort((a, b) => a - b)
  return [...new Set([...list.selected, ...ids.slice(Math.max(from, 0), to + 1)])]
}

function press(list, event) {
  const row = event.target.closest("tr")
  const act = {
    ArrowDown: () => focus(list, row.nextElementSibling),
    ArrowUp: () => focus(list, row.previousElementSibling),
    Home: () => focus(list, row.parentElement.firstElementChild),
    End: () => focus(list, row.parentElement.lastElementChild),
    Escape: () => choose(list, [], false),
    " ": event.target.matches("button") ? () => row.querySelector("input").click() : null,
  }[event.key]
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  act()
}

function focus(list, row) {
  if (!row) return
  list.current = row.dataset.id
  mark(list)
  row.querySelector(".lab-runs-name").focus()
}

function choose(list, ids, open) {
  Object.assign(list, { selected: ids, open: open && ids.length > 0, click: list.click + 1 })
  mark(list)
  list.tell("chosen", { ids, open: list.open, click: list.click })
}

// Marks what is selected; one line of all is reached by Tab, the others by the arrows.
function mark(list) {
  const selected = new Set(list.selected)
  for (const [id, { row, runs }] of list.rows) {
    const chosen = runs ? runs.every((run) => selected.has(run)) : selected.has(id)
    row.dataset.selected = chosen
    const [tick, name] = [row.querySelector("input"), row.querySelector(".lab-runs-name")]
    tick.checked = chosen
    tick.indeterminate = Boolean(runs) && !chosen && runs.some((run) => selected.has(run))
    if (!runs) name.setAttribute("aria-pressed", chosen)
    tick.tabIndex = name.tabIndex = id === list.current ? 0 : -1
  }
  list.bar.hidden = list.open || !list.selected.length
  write(list.compare, list.selected.length > 1 ? `Compare ${list.selected.length} runs` : "Open the selected run")
}
