// Draws an arrow with a pen that has colour and width; its head is at most half as long as itself.
export function drawArrow(pen, [x0, y0], [x1, y1], head) {
  const [angle, barb] = [Math.atan2(y1 - y0, x1 - x0), Math.min(head, Math.hypot(x1 - x0, y1 - y0) / 2)]
  pen.beginPath()
  pen.moveTo(x0, y0)
  pen.lineTo(x1, y1)
  for (const turn of [-0.45, 0.45]) {
    pen.moveTo(x1, y1)
    pen.lineTo(x1 - barb * Math.cos(angle + turn), y1 - barb * Math.sin(angle + turn))
  }
  pen.stroke()
}
