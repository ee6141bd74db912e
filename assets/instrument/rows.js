// The rows of a long table: only those around what is seen are there, so that thousands cost no more than a screenful.

import { element, write } from "./dom.js"

const AROUND = 24 // rows beyond what is seen, above and below
const HEAD = 2 // a row's index is counted from 1, and the head is the first
const MOVES = { ArrowUp: -1, ArrowDown: 1 }

// Returns rows of so many cells in a table's `body`, which scrolls with it in `scroller`; `onPick` is called with the
// index of a row that was pressed, or of the one that an arrow leads to.
export function createRows(scroller, body, columns, { onPick }) {
  const space = () => element("tr", "", { "aria-hidden": "true" }, element("td", "", { colspan: String(columns) }))
  const view = {
    scroller, body, columns, above: space(), below: space(),
    made: [], count: 0, height: 0, text: null, first: 0, shown: 0, spaced: 0, marked: null,
  }
  scroller.onscroll = () => draw(view)
  body.onclick = ({ target }) => {
    const row = target.closest("tr[aria-rowindex]")
    if (row) onPick(row.ariaRowIndex - HEAD)
  }
  scroller.onkeydown = (event) => {
    if (!MOVES[event.key] || event.ctrlKey || event.metaKey || event.altKey || !view.count) return
    event.preventDefault()
    onPick(view.marked === null ? 0 : Math.max(0, Math.min(view.marked + MOVES[event.key], view.count - 1)))
  }
  return {
    // Shows `count` rows; `text(index)` returns what is in the cells of one.
    show(count, text) {
      Object.assign(view, { count, text, height: 0, spaced: -1, marked: null })
      draw(view)
    },
    // Marks a row, null: none; it is scrolled to where it can be seen between head and foot.
    mark(index) {
      view.marked = index
      if (index !== null) reveal(view)
      draw(view)
    },
  }
}

function reveal({ scroller, body, height, marked }) {
  const top = (marked + 1) * height // below the head
  const place = top - scroller.scrollTop
  const bottom = scroller.clientHeight - (body.nextElementSibling?.offsetHeight ?? 0) // above the foot
  if (place < 2 * height || place > bottom - 2 * height) scroller.scrollTop = top - scroller.clientHeight / 2
}

function draw(view) {
  const { scroller, count, made } = view
  const height = (view.height ||= made[0]?.offsetHeight ?? 0) // 0 before there is a row
  const seen = height && Math.ceil(scroller.clientHeight / height)
  const top = height && Math.floor(scroller.scrollTop / height)
  const ends = view.first + view.shown
  const covers = view.first <= Math.max(0, top - AROUND / 2) && ends >= Math.min(count, top + seen + AROUND / 2)
  if (!covers || height !== view.spaced) place(view, Math.max(0, Math.min(top, count - seen) - AROUND), seen + 2 * AROUND)
  if (!height && made[0]?.offsetHeight) return draw(view)
  for (const row of made) {
    if (row.ariaRowIndex - HEAD === view.marked) row.setAttribute("aria-current", "step")
    else row.removeAttribute("aria-current")
  }
}

function rowOf(columns) {
  const cells = Array.from({ length: columns - 1 }, () => element("td"))
  return element("tr", "", {}, element("th", "", { scope: "row" }), ...cells)
}

// Has the rows from `first` on, `most` of them. One that was there before stays the element that it was.
function place(view, first, most) {
  const { body, made, columns, above, below, count, text, height } = view
  const shown = Math.min(count - first, most)
  while (made.length < shown) made.push(rowOf(columns))
  const rows = Array.from({ length: shown }, (_, i) => made[(first + i) % made.length])
  rows.forEach((row, i) => {
    const index = String(first + i + HEAD)
    if (row.ariaRowIndex !== index) row.remove() // it comes where another one was seen
    row.ariaRowIndex = index
    text(first + i).forEach((words, k) => write(row.cells[k], words))
  })
  const after = count - first - shown
  above.cells[0].style.height = `${first * height}px`
  below.cells[0].style.height = `${after * height}px`
  arrange(body, [...(first ? [above] : []), ...rows, ...(after ? [below] : [])])
  Object.assign(view, { first, shown, spaced: height })
}

// Has the body hold these rows in this order. One that keeps its place is not taken out and put in again: a press on it
// that is not over yet would be none.
function arrange(body, wanted) {
  const kept = new Set(wanted)
  for (const row of [...body.rows]) if (!kept.has(row)) row.remove()
  let next = body.firstElementChild
  for (const row of wanted) {
    if (row === next) next = next.nextElementSibling
    else body.insertBefore(row, next)
  }
}
