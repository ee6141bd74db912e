// One update, taken apart: the steps of an episode as a table, each with what it was given credit for.

import { element } from "./dom.js"
import { createRows } from "./rows.js"
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
  ["∂log π/∂z", "scores", "score: how log π(aₜ|sₜ) grows with the action’s logit, of a vector with its mean (of several numbers the length)"],
  ["π(aₜ|sₜ)", "log_derivative", "probability of the action before the update; of a vector its density, which may exceed 1"],
  ["π′(aₜ|sₜ)", "ascent", "and after it"],
  ["share of ĝ", "reinforce", "⟨gₜ, ĝ⟩ / ‖ĝ‖²: with those of all steps of all episodes it adds up to 1"],
]

const FEET = 3 // rows of sums

// Returns a table under `root`; `onStep` is called with the step that was chosen.
export function createUpdateTable(root, { onStep }) {
  const shares = createShares(root, { onStep })
  const [body, foot] = [element("tbody"), element("tfoot")]
  const role = { tabindex: "0", role: "region", "aria-label": "Steps of the episode" }
  const table = element("table", "lab-update lab-update-steps", {}, head(), body, foot)
  const scroller = element("div", "lab-update-scroll", role, table)
  root.append(scroller)
  const view = { shares, table, foot, rows: createRows(scroller, body, COLUMNS.length, { onPick: onStep }), length: 0 }
  return {
    // Shows an update of a run of which the page told.
    show: (apart, told) => fill(view, apart, told),
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

function fill(view, apart, told) {
  const isVector = !told.choices.length
  view.length = apart.steps.rewards.length
  view.table.setAttribute("aria-rowcount", 1 + view.length + FEET)
  view.rows.show(view.length, (t) => numbers(apart, t, told.actions, isVector))
  view.foot.replaceChildren(...feet(apart))
  view.shares.show(apart.steps, told)
  mark(view, null)
}

function numbers(apart, t, actions, isVector) {
  const { steps } = apart
  const action = steps.actions[t]
  return [
    String(t), actionIn(action, actions), short(steps.rewards[t]), short(steps.returns[t]), short(steps.baseline[t]),
    short(steps.advantages[t]), short(steps.normalized[t]), short(steps.weights[t]), short(scoreOf(steps, t, isVector)),
    short(Math.exp(steps.log_probs[t])), short(Math.exp(steps.new_log_probs[t])), shareOf(apart, steps.shares[t]),
  ]
}

function actionIn(action, actions) {
  if (Array.isArray(action)) return action.map((number) => short(number)).join(" ")
  return actions?.[action] ?? String(action)
}

// Returns the score: of one log-odds or mean, of the logit of the action, or the length of those of several components.
function scoreOf({ scores, actions }, t, isVector) {
  const score = isVector ? scores[t].slice(0, scores[t].length / 2) : scores[t] // of means, and not of log σ
  if (score.length === 1) return score[0]
  return Number.isInteger(actions[t]) ? score[actions[t]] : Math.hypot(...score)
}

// Returns a share in words; where there is no gradient nothing has a share of it.
function shareOf({ sums }, share) {
  return sums.shares.some((each) => each !== 0) ? percent(share) : "–"
}

// Returns the sums of this episode, those of the whole update, and what its record says.
function feet({ episode, sums, measured, steps }) {
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0)
  const { episodic_returns: returns } = measured
  return [
    `episode ${episode}: return ${short(sum(steps.rewards))} · loss ${short(sums.losses[episode])} · share of ĝ ${shareOf({ sums }, sums.shares[episode])}`,
    `all ${returns.length} episodes: mean return ${short(sum(returns) / returns.length)} · loss ${short(sum(sums.losses))} · ` +
      `share of ĝ ${shareOf({ sums }, sum(sums.shares))}`,
    `the update’s record: loss ${short(measured.policy_loss)} · ‖ĝ‖ ${short(measured.grad_norm)} · entropy ${short(measured.entropy)} · ` +
      `KL of the step ${short(measured.approx_kl)}`,
  ].map((words, i) => {
    const cell = element("td", "", { colspan: COLUMNS.length }, element("div", "lab-update-sum", {}, words))
    return element("tr", "", { "aria-rowindex": steps.rewards.length + 2 + i }, cell)
  })
}

// Marks a step, null: none.
function mark({ shares, rows, length }, step) {
  const there = step !== null && step < length ? step : null
  shares.mark(there)
  rows.mark(there)
}

export function short(number) {
  if (number === null || !Number.isFinite(number)) return "–"
  const text = Math.abs(number) >= 1e5 || (number !== 0 && Math.abs(number) < 1e-3) ? number.toExponential(1) : String(Number(number.toPrecision(3)))
  return text.replaceAll("-", "−")
}

function percent(share) {
  return `${(100 * share).toFixed(2)} %`.replace("-", "−")
}
