// Cart and pole, where Gymnasium's own renderer has them.

import { drawArrow } from "./arrow.js"

// Lengths are pixels of Gymnasium's picture, angles are radians.
export const PICTURE = { left: 0, top: 0, width: 600, height: 400 }
export const METRE = 125
export const TRACK = 299.5
export const CART = { width: 50, height: 30 }
export const AXLE = 7.5 // above the cart's middle
export const POLE = { width: 10, length: 125 }

const HEAD = 7 // of an arrow, CSS pixels

export function drawFigure({ pen, pixel, colors }, { x, theta }, { cart, pole }) {
  pen.save()
  pen.strokeStyle = colors.back
  pen.lineWidth = 2 * pixel
  pen.translate(PICTURE.width / 2 + METRE * x, TRACK)
  block(pen, cart, -CART.width / 2, -CART.height / 2, CART.width, CART.height)
  pen.translate(0, -AXLE)
  pen.rotate(theta)
  block(pen, pole, -POLE.width / 2, POLE.width / 2 - POLE.length, POLE.width, POLE.length)
  pen.fillStyle = colors.back
  pen.beginPath()
  pen.arc(0, 0, 2, 0, 2 * Math.PI)
  pen.fill()
  pen.restore()
}

// Fills a block with a rim of the background around it, which parts it from what is behind.
function block(pen, color, left, top, width, height) {
  pen.beginPath()
  pen.roundRect(left, top, width, height, 2.5)
  pen.stroke()
  pen.fillStyle = color
  pen.fill()
}

// Returns what of a figure is at a point of Gymnasium's picture, give or take some pixels.
export function bodyAt({ x, theta }, left, top, slack) {
  const [right, down] = [left - PICTURE.width / 2 - METRE * x, top - TRACK]
  const up = -AXLE - down // from the axle, about which the pole turns
  const along = up * Math.cos(theta) + right * Math.sin(theta)
  const across = right * Math.cos(theta) - up * Math.sin(theta)
  const near = (distance, size) => Math.abs(distance) <= size / 2 + slack
  if (along > CART.height / 2 - AXLE && near(along - POLE.length / 2, POLE.length) && near(across, POLE.width)) return "pole"
  if (near(right, CART.width) && near(down, CART.height)) return "cart"
}

// Draws from the cart's middle, or from half of the pole's height, how far it is pulled.
export function drawPull({ pen, pixel, colors }, { x, theta }, { body, metres }) {
  const up = body === "pole" ? POLE.length / 2 : 0
  const left = PICTURE.width / 2 + METRE * x + up * Math.sin(theta)
  const top = TRACK - (up && AXLE + up * Math.cos(theta))
  for (const [strokeStyle, lineWidth] of [[colors.back, 5 * pixel], [colors.text, 2 * pixel]]) {
    Object.assign(pen, { strokeStyle, lineWidth, lineCap: "round" })
    drawArrow(pen, [left, top], [left + METRE * metres, top], HEAD * pixel)
  }
}
