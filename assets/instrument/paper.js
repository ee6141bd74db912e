// What is drawn on: canvases as sharp as the screen, in the theme's colours.

// Calls `redraw` whenever a node's size or theme has become another; returns what ends that. CSS must give the node
// `transition: color 1ms`: so a new theme is heard of.
export function onNewLook(node, redraw) {
  const observer = new ResizeObserver(redraw)
  observer.observe(node)
  const onEnd = ({ target }) => target === node && redraw() // and not what is in it
  node.addEventListener("transitionend", onEnd)
  return () => {
    observer.disconnect()
    node.removeEventListener("transitionend", onEnd)
  }
}

// Returns a canvas's size and colours. To ask for them makes the browser lay out the page at once: so a stage that moves
// asks only when they change.
export function lookOf(canvas) {
  return { size: [canvas.clientWidth, canvas.clientHeight], colors: colorsOf(canvas) }
}

// Clears a canvas, at as many pixels as the screen has there.
export function open(canvas, { size, colors } = lookOf(canvas)) {
  const dense = devicePixelRatio
  const [width, height] = size.map((length) => Math.max(1, Math.round(length * dense)))
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
  const pen = canvas.getContext("2d")
  pen.setTransform(1, 0, 0, 1, 0, 0)
  pen.clearRect(0, 0, width, height)
  return { pen, dense, box: { left: 0, top: 0, width, height }, colors }
}

function colorsOf(canvas) {
  const css = getComputedStyle(canvas)
  const variable = (name, otherwise) => css.getPropertyValue(`--st-${name}`).trim() || otherwise
  const text = variable("text-color", "#000000")
  const back = variable("secondary-background-color", "#ffffff")
  return {
    text, back, pole: variable("primary-color", "#0068a3"), font: variable("font", "sans-serif"),
    track: mixed(back, text, 0.35), faint: mixed(back, text, 0.6),
    palette: variable("chart-categorical-colors", "#0072b2,#c17f00").split(","),
  }
}

export function mixed(from, to, share) {
  const [a, b] = [channels(from), channels(to)]
  return `rgb(${a.map((value, i) => Math.round(value + share * (b[i] - value))).join(" ")})`
}

const known = new Map() // colour → its red, green and blue
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true })

// Returns red, green and blue of whatever CSS calls a colour.
export function channels(color) {
  if (!known.has(color)) {
    probe.fillStyle = color
    probe.fillRect(0, 0, 1, 1)
    known.set(color, [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)])
  }
  return known.get(color)
}
