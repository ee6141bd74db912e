// Where on the charts' axis updates are: rows {update, x}, of which only what is new comes.

import { joined } from "./charts.js"

const NONE = { update: [], x: [] }

// Returns the rows with what is new of them, null where what that begins with is not there.
export function grown(rows, { from, update, x }) {
  const before = rows ?? NONE
  if (from > before.update.length) return null
  return { update: joined(before.update, update, from), x: joined(before.x, x, from) }
}

// Returns where on the axis so many updates were done.
export function positionOf(rows, update) {
  return update === 0 ? 0 : rows.x.at(rows.update.findIndex((value) => value >= update))
}

// Returns the number of updates done at the row that is nearest to x.
export function updateAt({ x, update }, at) {
  const place = x.findIndex((value) => value >= at)
  if (place < 0) return update.at(-1)
  return place > 0 && at - x[place - 1] < x[place] - at ? update[place - 1] : update[place]
}
