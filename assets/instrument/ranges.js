// Between what the numbers of an observation are drawn: their bounds, where the environment tells sensible ones, else
// what was observed so far, and a little more.

const MARGIN = 0.1 // of what was observed, on each side
const PLAIN = { factor: 1, digits: 2 } // of numbers that are shown as they are

// Returns dimensions `told`, as the server tells them: `low` and `high` are null where there are no bounds.
export function createRanges(told) {
  const seen = told.map(() => [Infinity, -Infinity])
  const ranges = { dimensions: told.map((each) => ranged(each, [0, 0])) }
  return {
    get dimensions() {
      return ranges.dimensions
    },
    // Widens what has no bounds to hold these observations.
    hold(observations) {
      for (const observation of observations) {
        seen.forEach(([low, high], i) => (seen[i] = [Math.min(low, observation[i]), Math.max(high, observation[i])]))
      }
      if (observations.length) ranges.dimensions = told.map((each, i) => ranged(each, seen[i]))
    },
  }
}

function ranged(dimension, [low, high]) {
  const room = MARGIN * (high - low) || 1 // one that never changed has a range, too
  return { ...PLAIN, ...dimension, low: dimension.low ?? low - room, high: dimension.high ?? high + room }
}
