// What is on the stage beside an update's own episodes: fresh ones, of one policy or of two that begin alike.

import { asked } from "./asked.js"
import { createFresh, freshEpisode } from "./fresh.js"
import { createNetwork } from "./network.js"
import { newest } from "./newest.js"
import { createLuck, only, rollout } from "./played.js"
import { beside, createRival, named } from "./rival.js"

// Returns the controls in the bar `time`, with words under `stage`. `moment` returns where the slider is, `put` puts an
// episode on the stage; `onOwn` is called when the update's own episode is chosen, `onRest` after every choice, `onRival`
// when another network, or none, is beside; `fail` with what went wrong.
export function createCompared({ time, stage }, { moment, put, onOwn, onRest, onRival, fail }) {
  const compared = { told: null, network: null, moment, put, onOwn, onRest, onRival, fail: (_, error) => fail(error) }
  compared.fresh = createFresh(time, { onChange: () => chooseEpisode(compared) })
  compared.rival = createRival(time, stage, { onChange: () => chooseRival(compared) || onRest() })
  Object.assign(compared, questionsOf(compared))
  const { fresh, rival } = compared
  return {
    // Begins with another run, as the page's address has it.
    begin(told) {
      compared.told = told
      fresh.begin(told.kind === "cart_pole")
      fresh.place(told.at)
      rival.place(told.at)
      asked(told.address, { rivals: told.at.versus }).then(({ rivals }) => offer(compared, rivals)).catch(fail)
    },
    play: (at) => play(compared, at),
    // Plays on from a state of a `world`, {dynamics, physics}, by a network, and by that of the other policy, by the same
    // random numbers.
    playFrom(network, state, world) {
      const { told } = compared
      const luck = createLuck(fresh.query?.greedy)
      const roll = (network) => network && rollout(network, state, { ...told, ...moment() }, world, luck)
      show(compared, { ...moment(), rival: rival.policy }, [network, compared.network].map(roll))
    },
    // Forgets what was told of two episodes: another one is on the stage.
    forget: () => rival.tell(),
    get fresh() {
      return Boolean(fresh.query)
    },
    // Promises what the server says of the policy at a moment, the other one and the untrained one, each with its name and
    // its place among them; `about` is what is asked of them.
    measure(at, about) {
      const { address, name } = compared.told
      const untrained = { ...at, address, name, update: 0 }
      const policies = [at.update ? { ...at, address, name } : null, rival.policy, untrained]
      const asking = policies.map((policy, place) => policy && measured(policy, place, about, fresh.query))
      return Promise.all(asking.filter(Boolean))
    },
    get network() {
      return compared.network
    },
    get at() {
      return [...fresh.at, ...rival.at]
    },
    destroy() {
      fresh.destroy()
      rival.destroy()
    },
  }
}

async function measured(policy, place, about, query) {
  const { address, update, agent } = policy
  return [named(policy), place, await asked(address, { robustness: update, agent, greedy: query?.greedy ?? 0, ...about })]
}

function questionsOf(compared) {
  const { fail } = compared
  const weights = (policy) => policy && asked(policy.address, { weights: policy.update, agent: policy.agent })
  return {
    weigh: newest(weights, { show: (policy, params) => think(compared, policy, params), fail }),
    load: newest((at) => both(compared, at), { show: (at, found) => compared.fresh.query && show(compared, at, found), fail }),
  }
}

function offer(compared, rivals) {
  compared.rival.offer(rivals)
  if (compared.rival.policy) chooseRival(compared)
}

// An update's own episode is nobody else's: policies are compared in a fresh one.
function chooseRival(compared) {
  const { rival, fresh, weigh, moment } = compared
  if (rival.policy && !fresh.query) fresh.place({ play: "sampled", play_seed: 0 })
  weigh(rival.policy ?? false)
  play(compared, moment())
}

function chooseEpisode(compared) {
  const { fresh, rival, weigh, moment, onOwn, onRest } = compared
  if (fresh.query) play(compared, moment())
  else {
    rival.clear()
    weigh(false)
    onOwn()
  }
  onRest()
}

function think(compared, policy, params) {
  compared.network = policy && createNetwork(params, compared.told.choices)
  compared.onRival()
}

function play({ fresh, rival, load }, at) {
  if (fresh.query) load({ ...at, query: fresh.query, rival: rival.policy })
}

// Promises the fresh episode of the policy at the slider, and that of the other one, if there is one.
function both({ told }, { query, rival, ...mine }) {
  const policies = [{ ...mine, address: told.address }, rival].filter(Boolean)
  return Promise.all(policies.map((policy) => freshEpisode((wanted) => asked(policy.address, wanted), policy, query)))
}

function show({ put, rival }, at, [mine, other]) {
  put(only(beside(mine, other)), at.update)
  rival.tell(mine, other, at.rival)
}
