// The settings of a sweep: which is better, and by how much, by a measure.

const LOGARITHMIC = new Set(["env_steps_to_solve"])

// Returns settings with the best one first, those without a value last: first of these whose agents have solved the most.
export function inOrder(settings, measure, more) {
  const sign = more ? -1 : 1
  const rank = (setting) => {
    const { measures, solved, number } = setting
    return [counts(setting, measure) ? 0 : 1, sign * (measures[measure].value ?? 0), -(solved ?? 0), number]
  }
  return settings.toSorted((a, b) => compare(rank(a), rank(b)))
}

function compare(a, b) {
  const place = a.findIndex((value, i) => value !== b[i])
  return place < 0 ? 0 : a[place] - b[place]
}

// Returns a function that says how good a setting is among others: 1 the best, 0 the worst, null without a value; in
// the measure's own scale. `settings` are in order.
export function goodness(settings, measure) {
  const scale = LOGARITHMIC.has(measure) ? (value) => Math.log(Math.max(value, 1)) : (value) => value
  const known = settings.filter((setting) => counts(setting, measure)).map(({ measures }) => scale(measures[measure].value))
  const [best, worst] = [known[0], known.at(-1)]
  return (setting) => {
    if (!counts(setting, measure)) return null
    return best === worst ? 1 : (scale(setting.measures[measure].value) - worst) / (best - worst)
  }
}

// Whether a setting has a value.
export function counts({ measures }, measure) {
  return measures[measure].value !== null
}

// Returns which setting is the best, in a sentence.
export function sentence({ settings, measure, measures }) {
  const best = settings.find((setting) => counts(setting, measure))
  if (!best) return settings.some(({ active }) => active) ? "No setting has a result yet." : "No setting has a result by this measure: choose another one."
  const { text, beside } = best.measures[measure]
  const soFar = settings.some(({ active }) => active) ? "Best so far" : "Best"
  return `${soFar}: ${best.name}, with ${measures[measure].name} ${text} (${beside}).`
}
