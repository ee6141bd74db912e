// The rows of a long table: only those around what is seen are there, so that thousands cost no more than a screenful.

import { element, write } from "./dom.js"

const AROUND = 24 // rows beyond what is seen, above and below
const MOVES = { ArrowUp: -1, ArrowDown: 1 }

// Returns rows of so many cells in a table's `body`, which scrolls with it in `scroller`; `onPick` is called with the
// index of a row that was pressed, or of the one that an arrow leads to.
export function createRows(scroller, body, columns, { onPick }) {
  const space = () => element("tr", "", { "aria-hidden": "true" }, element("td", "", { colspan: String(columns) }))
  const view = {
    scroller, body, columns, above: space(), below: space(),
    made: [], count: 0, height: 0, text: null, first: 0, shown: 0, marked: null,
  }
  scroller.onscroll = () => draw(view)
  body.onclick = ({ target }) => {
    const row = target.closest("tr[aria-rowindex]")
    if (row) onPick(view.first + view.made.indexOf(row))
  }
  scroller.onkeydown = (event) => {
    if (!MOVES[event.key] || event.ctrlKey || event.metaKey || event.altKey || !view.count) return
    event.preventDefault()
    onPick(view.marked === null ? 0 : Math.max(0, Math.min(view.marked + MOVES[event.key], view.count - 1)))
  }
  return {
    // Shows `count` rows; `text(index)` returns what is in the cells of one.
    show(count, text) {
      Object.assign(view, { count, text, height: 0, shown: -1, marked: null })
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
  const first = Math.max(0, Math.min(top, count - seen) - AROUND)
  const shown = Math.min(count - first, seen + 2 * AROUND)
  if (first !== view.first || shown !== view.shown) place(view, first, shown)
  if (!height && made[0]?.offsetHeight) return draw(view)
  made.forEach((row, i) => {
    if (i < shown && first + i === view.marked) row.setAttribute("aria-current", "step")
    else row.removeAttribute("aria-current")
  })
}

function rowOf(columns) {
  const cells = Array.from({ length: columns - 1 }, () => element("td"))
  return element("tr", "", {}, element("th", "", { scope: "row" }), ...cells)
}

function place(view, first, shown) {
  const { body, made, columns, above, below, count, text, height } = view
  while (made.length < shown) made.push(rowOf(columns))
  for (let i = 0; i < shown; i++) {
    made[i].setAttribute("aria-rowindex", first + i + 2) // the head is the first
    text(first + i).forEach((words, k) => write(made[i].cells[k], words))
  }
  const after = count - first - shown
  above.cells[0].style.height = `${first * height}px`
  below.cells[0].style.height = `${after * height}px`
  const wanted = [...(first ? [above] : []), ...made.slice(0, shown), ...(after ? [below] : [])]
  if (wanted.length !== body.rows.length || wanted.some((row, i) => row !== body.rows[i])) body.replaceChildren(...wanted)
  Object.assign(view, { first, shown })
}
