// A cursor over a Plotly figure: it moves with the picture of the stage, for which the figure is not drawn again.

import { element } from "./dom.js"

// Returns a cursor in a chart's `node`, once that has a figure; it stays at its x wherever the axes go.
export function createCursor(node) {
  const line = element("div", "lab-chart-cursor", { hidden: "" })
  const cursor = { node, line, x: null }
  node.append(line)
  for (const event of ["plotly_afterplot", "plotly_relayout", "plotly_relayouting"]) node.on(event, () => place(cursor))
  return {
    // Puts it at an x, null: nowhere.
    mark(x) {
      cursor.x = x
      place(cursor)
    },
  }
}

function place({ node, line, x }) {
  const { xaxis, _size: { l, t, h } } = node._fullLayout
  const at = x === null ? -1 : xaxis.d2p(x)
  line.hidden = !(at >= 0 && at <= xaxis._length)
  if (!line.hidden) Object.assign(line.style, { transform: `translate(${l + at}px, ${t}px)`, height: `${h}px` })
}
