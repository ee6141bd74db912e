// A policy's network, with the arithmetic of pg_core.policies.in_numpy: at one observation, or all over two dimensions.

const ACTIVATIONS = {
  tanh: (z) => 1 - 2 / (Math.exp(2 * z) + 1), // half the time of Math.tanh
  relu: (z) => Math.max(z, 0),
  silu: (z) => z / (1 + Math.exp(-z)),
}
const [EPSILON, LIMIT] = [1e-8, 10] // of observations that are normalised

// Returns the network of `params`, as the server sends them (`episodes.weights_to_json`). `outputs`, and
// `probabilities`, their softmax over the options of each of several `choices`, are of one observation. `outputsOver` and
// `probabilitiesOver` are of a grid `{axes, xs, ys, fixed, of}`: of the output or action `of`, where the observation
// dimensions `axes` have each of `xs` and `ys`, and the others are as in `fixed`; a Float32Array with a row for each y.
export function createNetwork(params, choices = []) {
  const network = { layers: layersOf(params), activate: ACTIVATIONS[params.activation], see: sight(params) }
  const rivals = rivalsOf(choices, network.layers.at(-1).sums.length)
  const at = (observation) => finish(network, affine(network.layers[0], observation.map(network.see)))
  return {
    gaussian: "log_std" in params,
    spread: params.log_std?.flat().map(Math.exp), // σ of each component, the same at all observations
    count: network.layers.at(-1).sums.length, // of outputs
    outputs: (observation) => [...at(observation)],
    probabilities: (observation) => [...at(observation)].map((_, k, outputs) => probability(outputs, k, rivals[k])),
    outputsOver: (grid) => over(network, grid, (outputs) => outputs[grid.of]),
    probabilitiesOver: (grid) => over(network, grid, (outputs) => probability(outputs, grid.of, rivals[grid.of])),
  }
}

// Returns the layers, each with room for its sums: none is made for each of thousands of observations. The server says
// float32 in as few digits as single them out: so they become float32 again.
function layersOf(params) {
  const count = Object.keys(params).filter((name) => name.startsWith("kernel_")).length
  return Array.from({ length: count }, (_, i) => {
    const [kernel, bias] = [params[`kernel_${i}`], Float32Array.from(params[`bias_${i}`].flat())]
    const columns = Array.from(bias, (_, k) => Float64Array.from(kernel, (row) => Math.fround(row[k])))
    return { columns, bias, sums: new Float64Array(bias.length) }
  })
}

// Returns what the network is given for a number of an observation.
function sight({ observation_mean: mean, observation_variance: variance }) {
  if (!mean) return (value) => value
  const middles = Float32Array.from(mean.flat())
  const scales = Float64Array.from(Float32Array.from(variance.flat()), (each) => Math.sqrt(each + EPSILON))
  return (value, i) => Math.max(-LIMIT, Math.min((value - middles[i]) / scales[i], LIMIT))
}

function affine({ columns, bias, sums }, inputs) {
  for (let k = 0; k < sums.length; k++) {
    const weights = columns[k]
    let sum = bias[k]
    for (let i = 0; i < weights.length; i++) sum += inputs[i] * weights[i]
    sums[k] = sum
  }
  return sums
}

// Returns the outputs for the sums of the first layer.
function finish({ layers, activate }, sums) {
  for (let layer = 1; layer < layers.length; layer++) {
    for (let k = 0; k < sums.length; k++) sums[k] = activate(sums[k])
    sums = affine(layers[layer], sums)
  }
  return sums
}

// Of the first layer's sums, only what the two dimensions add to them is another at each place.
function over(network, { axes, xs, ys, fixed }, read) {
  const { layers: [first], see } = network
  const others = fixed.map((value, i) => (axes.includes(i) ? 0 : see(value, i)))
  const [base, row] = [affine(first, others).slice(), new Float64Array(first.sums.length)]
  const [alongX, alongY] = axes.map((i) => first.columns.map((weights) => weights[i]))
  const seen = xs.map((x) => see(x, axes[0]))
  const found = new Float32Array(xs.length * ys.length)
  ys.forEach((y, j) => {
    const height = see(y, axes[1])
    for (let k = 0; k < row.length; k++) row[k] = base[k] + height * alongY[k]
    for (let i = 0; i < seen.length; i++) {
      for (let k = 0; k < row.length; k++) first.sums[k] = row[k] + seen[i] * alongX[k]
      found[j * seen.length + i] = read(finish(network, first.sums))
    }
  })
  return found
}

// Returns of each output between which two places those of the same choice are: by default there is one choice.
function rivalsOf(choices, count) {
  let from = 0
  const found = choices.flatMap((options) => Array(options).fill([from, (from += options)]))
  return found.length ? found : Array(count).fill([0, count])
}

// Returns exp zₖ / Σⱼ exp zⱼ.
function probability(outputs, k, [from, to]) {
  let sum = 0
  for (let j = from; j < to; j++) sum += Math.exp(outputs[j] - outputs[k])
  return 1 / sum
}
