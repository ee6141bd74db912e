// Plays one clip in a loop. Frames are drawn into one canvas, which shows the last one until the next is decoded.

const PLAY = "M4 2.5v11l9-5.5z"
const PAUSE = "M4 3h3v10H4zM9 3h3v10H9z"
const REST_MS = 700 // at the end of a loop, to see how the episode ended
const STAY_MS = 4000 // that a clip is played before a newer one may take over: good policies make long clips

const players = new WeakMap() // parentElement → its player

export default function ({ data, parentElement }) {
  if (!players.has(parentElement)) players.set(parentElement, mount(parentElement))
  const player = players.get(parentElement)
  if (data && data !== player.address) load(player, data)
  return () => unmount(player, parentElement)
}

function mount(parentElement) {
  const find = (selector) => parentElement.querySelector(selector)
  const player = {
    address: null, clip: null, next: null, frame: 0, timer: 0, playing: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    canvas: find("canvas"), slider: find("input"), caption: find(".caption"), outcome: find(".outcome"),
    placeholder: find(".placeholder"), buttons: [...parentElement.querySelectorAll("button")],
  }
  const actions = {
    back: () => hold(player, player.frame - 1),
    play: () => (player.playing ? hold(player, player.frame) : resume(player)),
    forward: () => hold(player, player.frame + 1),
  }
  for (const button of player.buttons) button.onclick = actions[button.dataset.do]
  player.slider.oninput = () => hold(player, Number(player.slider.value))
  enable(player)
  return player
}

function unmount(player, parentElement) {
  clearTimeout(player.timer)
  player.address = player.clip = null
  players.delete(parentElement)
}

async function load(player, address) {
  player.address = address
  try {
    const answer = await fetch(new URL(address, document.baseURI))
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`)
    const clip = await answer.json()
    if (player.address === address) offer(player, clip)
  } catch {
    if (player.address === address) player.address = null // the next look tries again
  }
}

function offer(player, clip) {
  const blobs = clip.frames.map((frame) => new Blob([Uint8Array.from(atob(frame), (c) => c.charCodeAt(0))]))
  player.next = { ...clip, blobs }
  if (!player.clip || !player.playing) {
    start(player)
    if (player.playing) schedule(player)
  }
}

// Puts the newest clip on; while paused the frame's number stays, so that a finger on the slider is not thrown back.
function start(player) {
  player.clip = player.next
  player.next = null
  player.slider.max = player.clip.blobs.length - 1
  player.outcome.textContent = player.clip.outcome
  player.canvas.setAttribute("aria-label", player.clip.label)
  enable(player)
  show(player, player.playing ? 0 : player.frame)
}

function hold(player, frame) {
  player.playing = false
  clearTimeout(player.timer)
  if (player.next) start(player)
  enable(player)
  show(player, frame)
}

function resume(player) {
  player.playing = true
  enable(player)
  advance(player)
}

function schedule(player) {
  const last = player.frame === player.clip.blobs.length - 1
  player.timer = setTimeout(() => advance(player), player.clip.frame_ms + (last ? REST_MS : 0))
}

function advance(player) {
  const ended = player.frame === player.clip.blobs.length - 1
  if (player.next && (ended || player.frame * player.clip.frame_ms >= STAY_MS)) start(player)
  else if (!ended) show(player, player.frame + 1)
  else show(player, 0)
  schedule(player)
}

async function show(player, frame) {
  const { clip } = player
  player.frame = Math.max(0, Math.min(frame, clip.blobs.length - 1))
  player.slider.value = player.frame
  player.slider.setAttribute("aria-valuetext", clip.captions[player.frame])
  player.caption.textContent = clip.captions[player.frame]
  const wanted = player.frame
  const picture = await createImageBitmap(clip.blobs[wanted])
  if (player.clip === clip && player.frame === wanted) paint(player, picture)
  picture.close()
}

function paint({ canvas, placeholder }, picture) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width
    canvas.height = picture.height
  }
  canvas.getContext("2d").drawImage(picture, 0, 0)
  canvas.hidden = false
  placeholder.hidden = true
}

function enable({ clip, playing, slider, buttons }) {
  for (const control of [slider, ...buttons]) control.disabled = !clip
  const button = buttons.find((button) => button.dataset.do === "play")
  button.setAttribute("aria-label", playing ? "Pause the clip" : "Play the clip")
  button.title = playing ? "Pause the clip" : "Play the clip"
  button.querySelector("path").setAttribute("d", playing ? PAUSE : PLAY)
}
