// The stage of one policy: the episode that a run's last policy plays.

import { asked } from "./asked.js"
import { createEpisodes } from "./episodes.js"
import { createPlayer } from "./player.js"

const stages = new WeakMap() // parentElement → its stage

export function mount({ data, parentElement }) {
  const told = JSON.parse(new TextDecoder().decode(data))
  const known = stages.get(parentElement)
  const player = known?.player ?? createPlayer(parentElement, { episodes: null, closer: () => null })
  if (known?.address !== told.address) player.reset({ episodes: episodesAt(told.address), actions: told.actions })
  if (known?.address !== told.address || known.update !== told.update) player.play(told.update)
  stages.set(parentElement, { player, address: told.address, update: told.update })
}

export function unmount(parentElement) {
  stages.get(parentElement)?.player.destroy()
  stages.delete(parentElement)
}

function episodesAt(address) {
  return createEpisodes((update, agent, frames) =>
    asked(address, { policy: update, ...(agent !== null && { agent }), ...(frames && { frames: 1 }) }))
}
