// The learning curve of a run, with a cursor where one is in it; a click goes to another update.

import { createChart } from "./charts.js"
import { newest } from "./newest.js"
import { grown, positionOf, updateAt } from "./places.js"

// Returns a curve under `root`: `ask(query)` promises what the server says, `onPick` is called with the number of updates
// done where it was clicked, `fail` with what went wrong.
export function createRunCurve(root, { ask, onPick, fail }) {
  const curve = { rows: null, version: "", done: 0 }
  const chart = createChart(root, { onClick: (x) => onPick(updateAt(curve.rows, x)) })
  const mark = () => curve.rows && chart.mark(positionOf(curve.rows, curve.done))
  const asking = newest(() => ask({ version: curve.version }), {
    show(_, { charts, rows, version }) {
      if (!charts) return
      curve.rows = chart.take(charts[0]) ? grown(curve.rows, rows) : null
      curve.version = curve.rows ? version : ""
      if (!curve.rows) asking(true) // what came belongs to more than is here: all of it, then
      mark()
    },
    fail: (_, error) => fail(error),
  })
  return {
    // Begins with another run.
    begin() {
      Object.assign(curve, { rows: null, version: "" })
      chart.forget()
    },
    // Asks what is new.
    refresh: () => asking(true),
    mark(done) {
      curve.done = done
      mark()
    },
    destroy: () => chart.destroy(),
  }
}
