// A film of the run to take away: the same episode played by its policies, from the first to the best.

import { element, select, write } from "./dom.js"

const FORMATS = { webp: "WebP", mp4: "MP4", gif: "GIF" }
const WAIT = "The film is being made: this takes some seconds."

// Returns buttons under `root`, one a format: `ask(query)` promises the file's Blob, `named(format)` is its name.
export function createFilm(root, { ask, named }) {
  const order = select("Policies of the film", { beside: "beside each other", turn: "one after the other" }, () => null)
  const notice = element("p", "lab-micro-film-notice", { role: "status" })
  const buttons = Object.entries(FORMATS).map(([format, text]) => {
    const button = element("button", "lab-player-button", { type: "button", "aria-label": `Film as ${text}` }, text)
    button.onclick = async () => {
      write(notice, WAIT)
      for (const each of buttons) each.disabled = true
      try {
        save(await ask({ film: format, ...(order.value === "turn" && { in_turn: 1 }) }), named(format))
        write(notice, "")
      } catch (error) {
        write(notice, error.message)
      }
      for (const each of buttons) each.disabled = false
      button.focus()
    }
    return button
  })
  const title = "The same episode played by up to six policies, from the first to the best"
  const node = element("div", "lab-micro-film", {}, element("span", "", { title }, "Film"), order, ...buttons, notice)
  root.append(node)
  return { destroy: () => node.remove() }
}

function save(blob, name) {
  const href = URL.createObjectURL(blob)
  element("a", "", { href, download: name }).click()
  URL.revokeObjectURL(href)
}
