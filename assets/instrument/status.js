// The state in words, how much is done, one sentence, and the line of numbers.

import { element, write } from "./dom.js"

// Only the state is announced by screen readers; what moves can be read, and is not announced.
export function createStatus(root) {
  const state = element("strong", "lab-state", { role: "status" })
  const words = element("span", "lab-words")
  const bar = element("div", "lab-progress-bar")
  const progress = element("div", "lab-progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, bar)
  root.append(element("div", "lab-status-line", {}, state, words), progress)
  return {
    show(told) {
      root.dataset.state = told.state.replace("…", "")
      write(state, told.state)
      write(words, told.words)
      words.title = told.words
      bar.style.transform = `scaleX(${told.progress})`
      progress.setAttribute("aria-valuenow", Math.round(100 * told.progress))
    },
  }
}

export function createNumbers(root) {
  const list = element("dl", "lab-numbers-list")
  root.append(list)
  return {
    show(numbers) {
      while (list.children.length < numbers.length) list.append(element("div", "", {}, element("dt"), element("dd")))
      numbers.forEach(({ name, value, title }, place) => {
        const cell = list.children[place]
        cell.title = title
        write(cell.children[0], name)
        write(cell.children[1], value)
      })
    },
  }
}

// The charts' numbers, asked for while the table is open.
export function createTable(root, ask) {
  const table = element("table")
  const details = element("details", "lab-table", {}, element("summary", "", {}, "Numbers as a table"), element("div", "lab-table-box", { tabindex: "0", role: "region", "aria-label": "Numbers of the charts" }, table))
  details.ontoggle = () => refresh()
  let ticket = 0 // of the last question: an answer to an earlier one comes too late
  root.append(details)

  async function refresh() {
    if (!details.open) return
    const mine = ++ticket
    const rows = await ask().catch(() => null) // the next news asks again
    if (!rows || mine !== ticket) return
    const names = Object.keys(rows[0] ?? { "no update yet": "" })
    const head = element("tr", "", {}, ...names.map((name) => element("th", "", { scope: "col" }, name)))
    const body = rows.map((row) => element("tr", "", {}, ...names.map((name) => element("td", "", {}, format(row[name])))))
    table.replaceChildren(element("thead", "", {}, head), element("tbody", "", {}, ...body))
  }

  return { refresh }
}

function format(number) {
  if (number === null) return "–"
  return number.toLocaleString("en", { maximumSignificantDigits: Number.isInteger(number) ? 21 : 4 }).replace("-", "−")
}
