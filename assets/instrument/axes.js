// Axes around a plot, each a dimension `{name, unit, factor, low, high}`: values times the factor are in its unit.

const MARGIN = { left: 46, right: 12, top: 20, bottom: 36 } // CSS pixels around the plot

const NO_MARGIN = { left: 0, right: 0, top: 0, bottom: 0 }

// Returns where the plot lies on a canvas, all over it where there are to be no axes: `x` and `y` place a value of each dimension, `at` returns the values at a
// point, `holds` whether it is on the plot.
export function plotOf([width, height], [across, up], hasAxes = true) {
  const { left, top, ...margin } = hasAxes ? MARGIN : NO_MARGIN
  const right = Math.max(left + 1, width - margin.right)
  const bottom = Math.max(top + 1, height - margin.bottom)
  const share = (value, { low, high }) => (value - low) / (high - low)
  const within = (share, { low, high }) => low + share * (high - low)
  return {
    hasAxes, left, top, right, bottom, width: right - left, height: bottom - top, dimensions: [across, up],
    x: (value) => left + (right - left) * share(value, across),
    y: (value) => bottom - (bottom - top) * share(value, up),
    at: ([x, y]) => [within((x - left) / (right - left), across), within((bottom - y) / (bottom - top), up)],
    holds: ([x, y]) => x >= left && x <= right && y >= top && y <= bottom,
  }
}

export function drawAxes(pen, plot, { text, faint, track, font }) {
  const { left, top, right, bottom, width, height, dimensions: [across, up] } = plot
  Object.assign(pen, { strokeStyle: track, lineWidth: 1, fillStyle: faint, font: `11px ${font}` })
  pen.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1)
  Object.assign(pen, { textAlign: "center", textBaseline: "top" })
  for (const [value, label] of ticks(across, width / 50)) tick(pen, plot.x(value), bottom, 0, 4, label, [0, 7])
  Object.assign(pen, { textAlign: "right", textBaseline: "middle" })
  for (const [value, label] of ticks(up, height / 40)) tick(pen, left, plot.y(value), -4, 0, label, [-7, 0.5])
  Object.assign(pen, { fillStyle: text, font: `12px ${font}`, textAlign: "left", textBaseline: "top" })
  pen.fillText(titleOf(up), left, 2)
  Object.assign(pen, { textAlign: "center", textBaseline: "bottom" })
  pen.fillText(titleOf(across), (left + right) / 2, bottom + MARGIN.bottom - 1)
}

function tick(pen, x, y, right, down, label, [beside, below]) {
  pen.beginPath()
  pen.moveTo(x, y)
  pen.lineTo(x + right, y + down)
  pen.stroke()
  pen.fillText(label, x + beside, y + below)
}

function titleOf({ name, unit }) {
  return unit ? `${name} (${unit})` : name
}

// Returns round values, and how they are written, at about so many places.
function ticks({ low, high, factor }, count) {
  const raw = (factor * (high - low)) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(raw))
  const size = power * [1, 2, 5, 10].find((step) => step * power >= raw)
  const digits = Math.max(0, -Math.floor(Math.log10(size)))
  const [first, last] = [Math.ceil((factor * low) / size), Math.floor((factor * high) / size)]
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const value = (first + i) * size
    return [value / factor, value.toFixed(digits).replace("-", "−")]
  })
}
