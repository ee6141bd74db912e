// Where numbers on a grid pass a level.

const EDGES = [[[0, 0], [1, 0]], [[1, 0], [1, 1]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]] // of a cell, all around it

// Returns the pieces of the line along which `field`, rows of `columns` numbers, passes a level: `[[x, y], [x, y]]`,
// counted in columns and rows.
export function contour(field, columns, level) {
  const pieces = []
  for (let i = 0; i + columns + 1 < field.length; i++) {
    if (i % columns === columns - 1 || !passes(field, columns, level, i)) continue
    const ends = EDGES.map((edge) => crossing(field, columns, level, edge, i)).filter(Boolean)
    for (let end = 0; end < ends.length; end += 2) pieces.push([ends[end], ends[end + 1]])
  }
  return pieces
}

// Returns whether the line passes through the cell whose first corner is at `i`, as it does not through most.
function passes(field, columns, level, i) {
  const above = field[i] > level
  return [i + 1, i + columns, i + columns + 1].some((corner) => field[corner] > level !== above)
}

// Returns where an edge of that cell meets the line, null if it does not.
function crossing(field, columns, level, [[x0, y0], [x1, y1]], i) {
  const from = field[i + y0 * columns + x0] - level
  const to = field[i + y1 * columns + x1] - level
  if (from > 0 === to > 0) return null
  const share = from / (from - to)
  return [(i % columns) + x0 + share * (x1 - x0), Math.floor(i / columns) + y0 + share * (y1 - y0)]
}
