// One update, taken apart: the steps of an episode as a table, each with what it was given credit for.

import { element, write } from "./dom.js"
import { createShares } from "./shares.js"

const COLUMNS = [ // what is in each, where it is derived, what it means
  ["t", "", "step"],
  ["aₜ", "", "action"],
  ["rₜ", "returns", "reward"],
  ["Gₜ", "reward_to_go", "what the step gets credit for: the return"],
  ["bₜ", "baselines", "baseline"],
  ["Aₜ", "baselines", "advantage: Gₜ − bₜ"],
  ["Âₜ", "normalization", "advantage, normalised if it is to be"],
  ["wₜ", "surrogate_loss", "what the score is multiplied with"],
  ["∂log π/∂z", "scores", "score: how the log-probability of the action grows with its logit"],
  ["π(aₜ|sₜ)", "log_derivative", "probability of the action before the update"],
  ["π′(aₜ|sₜ)", "ascent", "and after it"],
  ["share of ĝ", "reinforce", "⟨gₜ, ĝ⟩ / ‖ĝ‖²: with those of all steps of all episodes it adds up to 1"],
]

// Returns a table under `root`; `onStep` is called with the step that was chosen.
export function createUpdateTable(root, { onStep }) {
  const shares = createShares(root, { onStep })
  const [body, foot] = [element("tbody"), element("tfoot")]
  const role = { tabindex: "0", role: "region", "aria-label": "Steps of the episode" }
  const scroller = element("div", "lab-update-scroll", role, element("table", "lab-update", {}, head(), body, foot))
  root.append(scroller)
  const view = { shares, body, foot, scroller, rows: [], length: 0, step: null }
  body.onclick = ({ target }) => onStep([...body.rows].indexOf(target.closest("tr")))
  return {
    show: (apart, actions) => fill(view, apart, actions),
    mark: (step) => mark(view, step),
    destroy() {
      shares.destroy()
      scroller.remove()
    },
  }
}

function head() {
  const cells = COLUMNS.map(([name, statement, title]) => {
    const text = statement ? element("a", "", { href: `derivations?statement=${statement}` }, name) : name
    return element("th", "", { title, scope: "col" }, text)
  })
  return element("thead", "", {}, element("tr", "", {}, ...cells))
}

// Writes the numbers into rows that stay: only those that are missing are made, those too many go.
function fill(view, apart, actions) {
  const { body, rows, shares } = view
  const { length } = apart.steps.rewards
  while (rows.length < length) {
    const cells = COLUMNS.map(() => element("td"))
    rows.push({ row: element("tr", "", {}, ...cells), cells })
  }
  if (view.length !== length) body.replaceChildren(...rows.slice(0, length).map(({ row }) => row))
  view.length = length
  for (let t = 0; t < length; t++) numbers(apart, t, actions).forEach((text, i) => write(rows[t].cells[i], text))
  view.foot.replaceChildren(...feet(apart))
  mark(view, null)
  shares.show(apart.steps)
}

function numbers({ steps }, t, actions) {
  const action = steps.actions[t]
  return [
    String(t), actionIn(action, actions), short(steps.rewards[t]), short(steps.returns[t]), short(steps.baseline[t]),
    short(steps.advantages[t]), short(steps.normalized[t]), short(steps.weights[t]), short(scoreOf(steps, t)),
    short(Math.exp(steps.log_probs[t])), short(Math.exp(steps.new_log_probs[t])), percent(steps.shares[t]),
  ]
}

function actionIn(action, actions) {
  if (Array.isArray(action)) return action.map((number) => short(number)).join(" ")
  return actions?.[action] ?? String(action)
}

// Returns the score: of one log-odds, of the logit of the action, or the length of that of several components.
export function scoreOf({ scores, actions }, t) {
  const score = scores[t]
  if (score.length === 1) return score[0]
  return Number.isInteger(actions[t]) ? score[actions[t]] : Math.hypot(...score)
}

// Returns the sums of this episode, those of the whole update, and what its record says.
function feet({ episode, sums, measured, steps }) {
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0)
  const { episodic_returns: returns } = measured
  return [
    `episode ${episode}: return ${short(sum(steps.rewards))} · loss ${short(sums.losses[episode])} · share of ĝ ${percent(sums.shares[episode])}`,
    `all ${returns.length} episodes: mean return ${short(sum(returns) / returns.length)} · loss ${short(sum(sums.losses))} · ` +
      `share of ĝ ${percent(sum(sums.shares))}`,
    `the update’s record: loss ${short(measured.policy_loss)} · ‖ĝ‖ ${short(measured.grad_norm)} · entropy ${short(measured.entropy)} · ` +
      `KL of the step ${short(measured.approx_kl)}`,
  ].map((words) => element("tr", "", {}, element("td", "", { colspan: String(COLUMNS.length) }, words)))
}

// Marks a step, null: none; it is scrolled to where it can be seen between head and foot.
function mark(view, step) {
  const { rows, scroller, shares } = view
  rows[view.step]?.row.removeAttribute("aria-current")
  view.step = step !== null && step < view.length ? step : null
  shares.mark(view.step)
  if (view.step === null) return
  const { row } = rows[view.step]
  row.setAttribute("aria-current", "step")
  const place = row.offsetTop - scroller.scrollTop
  if (place < 2 * row.offsetHeight || place > scroller.clientHeight - 6 * row.offsetHeight) {
    scroller.scrollTop = row.offsetTop - scroller.clientHeight / 2
  }
}

export function short(number) {
  if (number === null || !Number.isFinite(number)) return "–"
  const text = Math.abs(number) >= 1e5 || (number !== 0 && Math.abs(number) < 1e-3) ? number.toExponential(1) : String(Number(number.toPrecision(3)))
  return text.replaceAll("-", "−")
}

function percent(share) {
  return `${(100 * share).toFixed(2)} %`.replace("-", "−")
}
