// Which policy of a run takes over on the stage, and when.

// That a policy is played before a newer one takes over: by then in any case; after less, or at its episode's end, as soon
// as news comes, for nothing is newer than that.
const [STAY_MS, STAY_WITH_NEWS_MS] = [900, 600]
const NONE_SKIPPED = 3 // so many newer policies are shown one by one, where every one is to be seen

// Whether a newer policy may take over.
export function isLive({ following, held }) {
  return following && !held
}

// Returns the policy that is due, null if the one on the stage stays.
export function nextUpdate(player, isNews) {
  const { on, offered, known, picked, playing, front, frames } = player
  if (picked !== null) return picked
  if (on && known && (on.front !== front || on.frames !== frames)) return on.update
  if (!isLive(player) || offered.newest === null) return null
  if (!known) return offered.newest
  const newer = offered.kept.filter((update) => update > on.update)
  const eachOne = offered.every && playing && newer.length > 0 && newer.length <= NONE_SKIPPED
  const stay = eachOne ? STAY_MS / newer.length : isNews ? STAY_WITH_NEWS_MS : STAY_MS
  const over = !playing || player.played >= stay || (player.ended && (isNews || eachOne))
  if (offered.newest === on.update || !over) return null
  return eachOne ? newer[0] : offered.newest
}
