// The setting that is picked: what it has come to, its runs, and where each of them is seen.

import { element, write } from "./dom.js"

const HINT = "Choose a cell, a row or a curve: its runs and all that is known of it are shown here."

export function createSettingPanel(root, { onStop, onClose }) {
  const title = element("h2")
  const stop = element("button", "lab-button", { type: "button" }, "Stop this setting")
  const close = element("button", "lab-button", { type: "button" }, "Close")
  const [words, list] = [element("p"), element("ul", "lab-setting-runs")]
  root.append(element("div", "lab-head", {}, title, stop, close), words, list)
  const panel = { title, stop, close, words, list, number: null }
  stop.onclick = () => onStop(panel.number)
  close.onclick = onClose
  return {
    show(setting, { measures, mine }) {
      panel.number = setting?.number ?? null
      write(title, setting ? `Setting ${setting.number + 1}: ${setting.name}` : "Setting")
      stop.hidden = !setting?.active || !mine
      close.hidden = !setting
      write(words, setting ? said(setting, measures) : HINT)
      listRuns(list, setting?.runs ?? [])
    },
  }
}

function said({ state, seeds, solved, left_out: leftOut, measures: found }, measures) {
  const words = [state, `${seeds} seed${seeds === 1 ? "" : "s"} pooled`]
  if (solved !== null) words.push(`${solved} solved`)
  for (const [name, { name: called }] of Object.entries(measures)) words.push(`${called} ${found[name].text}${found[name].beside && ` (${found[name].beside})`}`)
  if (leftOut) words.push(`${leftOut} run${leftOut > 1 ? "s" : ""} left out: changed on the way, or failed`)
  return `${words.join(" · ")}.`
}

function listRuns(list, runs) {
  while (list.children.length > runs.length) list.lastChild.remove()
  while (list.children.length < runs.length) list.append(entry())
  runs.forEach(({ id, name, words }, place) => {
    const [text, ...links] = list.children[place].children
    write(text, words)
    const to = { Train: `./?run=${id}`, Policy: `policy?run=${id}`, Runs: `runs?selected=${id}` }
    links.forEach((link) => {
      link.setAttribute("href", to[link.textContent])
      link.setAttribute("aria-label", `${link.textContent}: ${name}`)
    })
  })
}

function entry() {
  return element("li", "", {}, element("span"), ...["Train", "Policy", "Runs"].map((text) => element("a", "", {}, text)))
}
