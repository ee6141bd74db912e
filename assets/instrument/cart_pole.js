// The dynamics of Gymnasium's CartPole-v1, in its order of operations, for a cart and pole of any kind.

const SECONDS = 0.02 // a step
const LIMITS = { x: 2.4, theta: (12 * 2 * Math.PI) / 360 } // beyond which an episode ends

// Gymnasium's: m/s², kg, kg, m, N.
export const CART_POLE = { gravity: 9.8, cartMass: 1, poleMass: 0.1, halfLength: 0.5, force: 10 }

const TERMS = 11 // of a series; up to the last one's, factorials are exact
const FACTORIALS = [1]
for (let n = 1; n < 2 * TERMS; n++) FACTORIALS.push(n * FACTORIALS[n - 1])

const DEGREES = 180 / Math.PI

// What is observed: `factor` and `digits` are those of the unit in which it is shown, `low` and `high` its usual range.
export const DIMENSIONS = [
  { name: "x", unit: "m", factor: 1, digits: 2, low: -LIMITS.x, high: LIMITS.x },
  { name: "ẋ", unit: "m/s", factor: 1, digits: 2, low: -3, high: 3 },
  { name: "θ", unit: "°", factor: DEGREES, digits: 1, low: -LIMITS.theta, high: LIMITS.theta },
  { name: "θ̇", unit: "°/s", factor: DEGREES, digits: 1, low: -3.5, high: 3.5 },
]

// Returns x, ẋ, θ, θ̇ one step later, after a push to the left (0) or to the right (1).
export function step([x, xDot, theta, thetaDot], action, parameters = CART_POLE) {
  const { gravity, cartMass, poleMass, halfLength, force } = parameters
  const [mass, moment] = [poleMass + cartMass, poleMass * halfLength]
  const [sin, cos] = sineAndCosine(theta)
  const temp = ((action === 1 ? force : -force) + moment * (thetaDot * thetaDot) * sin) / mass
  const thetaAcc = (gravity * sin - cos * temp) / (halfLength * (4 / 3 - (poleMass * (cos * cos)) / mass))
  const xAcc = temp - (moment * thetaAcc * cos) / mass
  return [x + SECONDS * xDot, xDot + SECONDS * xAcc, theta + SECONDS * thetaDot, thetaDot + SECONDS * thetaAcc]
}

// Returns both by their series, to rounding for |θ| ≤ 1: browsers differ in the last bit of their own, and the lab plays
// games again, bit for bit (pg_core.learning.games).
function sineAndCosine(angle) {
  const square = angle * angle
  let [sine, cosine] = [0, 0]
  for (let k = TERMS - 1; k >= 0; k--) {
    const sign = k % 2 ? -1 : 1
    sine = sine * square + sign / FACTORIALS[2 * k + 1]
    cosine = cosine * square + sign / FACTORIALS[2 * k]
  }
  return [sine * angle, cosine]
}

export function failed([x, , theta]) {
  return Math.abs(x) > LIMITS.x || Math.abs(theta) > LIMITS.theta
}
