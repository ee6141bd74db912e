// The learning curve of a run, with a cursor where one is in it; a click goes to another update.

import { createChart } from "./charts.js"

// Returns a curve under `root`; `onPick` is called with the number of updates done where it was clicked.
export function createRunCurve(root, { onPick }) {
  const curve = { rows: null, done: 0 }
  const chart = createChart(root, { onClick: (x) => onPick(updateAt(curve.rows, x)) })
  const mark = () => curve.rows && chart.mark(placeOf(curve.rows, curve.done))
  return {
    // Draws what the server tells of a run.
    take({ charts, rows }) {
      curve.rows = rows
      chart.take(charts[0])
      mark()
    },
    mark(done) {
      curve.done = done
      mark()
    },
    destroy: () => chart.destroy(),
  }
}

function placeOf({ x, update }, done) {
  return done === 0 ? 0 : x.at(update.findIndex((value) => value >= done))
}

function updateAt({ x, update }, at) {
  const place = x.findIndex((value) => value >= at)
  return place < 0 ? update.at(-1) : update[place]
}
