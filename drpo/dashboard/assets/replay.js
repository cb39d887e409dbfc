// A finished run, played again in the browser from figures that came with the page: no server.

const players = new WeakMap()
const MARGIN = { left: 8, right: 8, top: 30, bottom: 8 }
const LABEL_ROW = 15 // pixels
const SHORTEST = 12 // seconds that the first play takes, about

const two = (value) => {
  if (value === null || value === undefined) return "–"
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2
  return value.toFixed(digits).replace("-", "\u2212")
}

const clockText = (seconds) => {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const pad = (n) => String(n).padStart(2, "0")
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`
}

// The newest entry at or before a step.
const at = (steps, step) => {
  let found = -1
  for (let i = 0; i < steps.length && steps[i] <= step + 1e-9; i++) found = i
  return found
}

const build = (host, data) => {
  // Data that come before the first call is through end that call and leave what it built.
  host.replaceChildren()
  const root = make("div", "replay", host)
  const head = make("header", "", root)
  const badge = make("span", "badge", head)
  make("h3", "name", head)
  const clock = make("p", "clock", head)
  const body = make("div", "body", root)
  const charts = make("div", "charts", body)
  const reader = make("section", "reader", body)
  const verdict = make("p", "verdict", root)
  const controls = make("div", "controls", root)
  const play = make("button", "play", controls)
  play.type = "button"
  const scrub = make("input", "scrub", controls)
  scrub.type = "range"
  scrub.min = 0
  const speedBox = make("label", "speed", controls)
  const speedText = make("span", "", speedBox)
  const speed = make("input", "", speedBox)
  Object.assign(speed, { type: "range", min: 0, max: 3, step: 0.01 })
  const next = make("button", "next", controls)
  next.type = "button"
  const full = make("button", "full", controls)
  full.type = "button"

  const player = {
    host, root, badge, clock, charts, reader, verdict, controls, play, scrub, speed, speedText,
    next, full, data, item: 0, position: data.updates, width: 0,
  }
  const real = data.updates * data.secondsPerUpdate
  speed.value = Math.log10(Math.min(1000, Math.max(1, real / SHORTEST)))
  player.clock_ = clockFor((passed) => advance(player, passed))
  play.onclick = () => toggle(player)
  scrub.oninput = () => {
    player.position = Number(scrub.value)
    show(player)
  }
  speed.oninput = () => show(player)
  next.onclick = () => {
    player.item += 1
    show(player)
  }
  full.onclick = () => {
    if (root.getRootNode().fullscreenElement) document.exitFullscreen()
    else root.requestFullscreen()
  }
  root.addEventListener("fullscreenchange", () => redraw(player))
  root.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.target.tagName === "BUTTON") return
    if (event.key === " ") toggle(player)
    else if (event.key === "ArrowRight") jump(player, 1)
    else if (event.key === "ArrowLeft") jump(player, -1)
    else return
    event.preventDefault()
  })
  root.tabIndex = 0
  player.resize = new ResizeObserver(() => {
    if (charts.clientWidth !== player.width || charts.clientHeight !== player.height) redraw(player)
  })
  player.resize.observe(charts)
  players.set(host, player)
  return player
}

const speedOf = (player) => 10 ** Number(player.speed.value)

const toggle = (player) => {
  if (player.clock_.running) {
    player.clock_.stop()
  } else {
    if (player.position >= player.data.updates) player.position = 0
    player.clock_.start()
  }
  show(player)
}

const jump = (player, by) => {
  const { updates } = player.data
  player.position = Math.min(updates, Math.max(0, Math.round(player.position) + by))
  show(player)
}

const advance = (player, passed) => {
  const { updates, secondsPerUpdate } = player.data
  player.position += (passed * speedOf(player)) / Math.max(secondsPerUpdate, 1e-6)
  if (player.position >= updates) {
    player.position = updates
    player.clock_.stop()
  }
  show(player)
}

const redraw = (player) => {
  player.width = player.charts.clientWidth
  player.height = player.charts.clientHeight
  if (!player.width) return
  drawCharts(player)
  show(player)
}

const rangeOf = (panel) => {
  const values = []
  for (const line of panel.lines) {
    line.values.forEach((value, i) => {
      const half = line.errors ? 1.96 * line.errors[i] : 0
      values.push(value - half, value + half)
    })
  }
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const room = 0.08 * (high - low || 1)
  return panel.zero ? [Math.min(0, low), high + room] : [low - room, high + room]
}

const drawCharts = (player) => {
  const { charts, data, width } = player
  const size = parseFloat(getComputedStyle(charts).fontSize)
  const gap = size * 0.9
  const height = Math.max(
    size * 6,
    (charts.clientHeight - gap * (data.panels.length - 1)) / data.panels.length
  )
  charts.replaceChildren()
  player.drawn = data.panels.map((panel, index) => {
    const box = make("figure", "panel", charts)
    const head = make("figcaption", "", box)
    make("span", "what", head, panel.title)
    make("span", "unit", head, panel.unit)
    const now = make("span", "value", head)
    now.style.color = `var(--${panel.meaning}-ink)`
    const svg = shape("svg", { width, height: height - size * 2, role: "img" }, box)
    svg.setAttribute("aria-label", panel.alt)
    return { panel, now, ...drawPanel(svg, panel, data, width, height - size * 2, index) }
  })
}

const drawPanel = (svg, panel, data, width, height, index) => {
  const [low, high] = rangeOf(panel)
  const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.bottom - 6 }
  const x = (step) => MARGIN.left + (inner.w * step) / Math.max(1, data.updates)
  const y = (value) => 6 + inner.h * (1 - (value - low) / (high - low || 1))
  const start = panel.start
  shape("line", { x1: x(0), x2: x(data.updates), y1: y(low), y2: y(low), class: "axis" }, svg)
  if (start !== null) {
    shape("line", { x1: x(0), x2: x(data.updates), y1: y(start), y2: y(start), class: "start" }, svg)
    if (index === 0) {
      const below = y(start) < height / 2
      const label = { x: x(data.updates) - 7, y: y(start) + (below ? 14 : -5), class: "startlabel" }
      shape("text", label, svg, data.words.start)
    }
  }
  const clip = `reveal-${index}`
  const rect = shape("rect", { x: 0, y: 0, width: 0, height }, shape("clipPath", { id: clip }, svg))
  const shown = shape("g", { "clip-path": `url(#${clip})` }, svg)
  for (const line of panel.lines) drawLine(shown, line, panel, x, y)
  const taken = []
  for (const mark of data.marks) {
    const at_ = { x1: x(mark.step), x2: x(mark.step), y1: 0, y2: height, class: "mark" }
    shape("line", at_, shown)
    if (index === 0) {
      const right = mark.step > data.updates * 0.7
      const spot = { x: x(mark.step) + (right ? -4 : 4), y: 12, class: right ? "markright" : "" }
      settle(shape("text", spot, shown, mark.label), spot.x, right, taken)
    }
  }
  const head = shape("line", { y1: 0, y2: height, class: "playhead" }, svg)
  const dot = shape("circle", { r: 5, fill: `var(--${panel.meaning})` }, svg)
  return { x, y, rect, head, dot }
}

// Labels of marks that are close stand one below the other; what finds no row is not written.
const settle = (label, at, right, taken) => {
  const long = label.getComputedTextLength()
  const [left, end] = right ? [at - long, at] : [at, at + long]
  const clashes = (row) => taken.some((t) => t.row === row && t.left < end && left < t.end)
  const row = [0, 1, 2, 3].find((one) => !clashes(one))
  if (row === undefined) return label.remove()
  label.setAttribute("y", 12 + row * LABEL_ROW)
  taken.push({ row, left, end })
}

const drawLine = (parent, line, panel, x, y) => {
  const points = line.steps.map((step, i) => [x(step), y(line.values[i])])
  if (line.errors) {
    const up = line.steps.map((s, i) => [x(s), y(line.values[i] + 1.96 * line.errors[i])])
    const down = line.steps.map((s, i) => [x(s), y(line.values[i] - 1.96 * line.errors[i])])
    const ring = [...up, ...down.reverse()].map((p) => p.join(",")).join(" ")
    shape("polygon", { points: ring, fill: `var(--${panel.meaning})`, opacity: 0.18 }, parent)
  }
  const style = {
    points: points.map((p) => p.join(",")).join(" "), fill: "none",
    stroke: `var(--${panel.meaning})`, "stroke-width": line.heldout ? 3 : 1.2,
    "stroke-dasharray": line.heldout && panel.dash ? panel.dash : "none",
    opacity: line.heldout ? 1 : 0.45, "stroke-linejoin": "round",
  }
  shape("polyline", style, parent)
  if (line.heldout) {
    for (const [cx, cy] of points) {
      shape("circle", { cx, cy, r: 3, fill: `var(--${panel.meaning})` }, parent)
    }
  }
}

const show = (player) => {
  const { data, position, words = data.words } = player
  if (!player.drawn) return
  const done = position >= data.updates
  for (const one of player.drawn) {
    const px = one.x(position)
    one.rect.setAttribute("width", done ? px + 8 : px)
    for (const end of ["x1", "x2"]) one.head.setAttribute(end, px)
    const line = one.panel.lines[one.panel.lines.length - 1]
    const i = at(line.steps, position)
    write(one.now, i < 0 ? "–" : two(line.values[i]))
    one.dot.setAttribute("visibility", i < 0 ? "hidden" : "visible")
    if (i >= 0) {
      one.dot.setAttribute("cx", one.x(line.steps[i]))
      one.dot.setAttribute("cy", one.y(line.values[i]))
    }
  }
  const seconds = position * data.secondsPerUpdate
  const place = {
    update: Math.floor(position + 1e-9), updates: data.updates, time: clockText(seconds),
    total: clockText(data.updates * data.secondsPerUpdate),
  }
  write(player.clock, fill(words.clock, place))
  player.scrub.value = position
  player.scrub.setAttribute("aria-valuetext", player.clock.textContent)
  write(player.play, player.clock_.running ? words.pause : done ? words.again : words.play)
  write(player.speedText, fill(words.speed, { times: Number(speedOf(player).toPrecision(2)) }))
  player.verdict.classList.toggle("hidden", !done)
  showAnswer(player)
}

const showAnswer = (player) => {
  const { data, reader, position } = player
  const { words, prompts } = data
  player.next.hidden = prompts.length < 2
  reader.hidden = !prompts.length
  if (!prompts.length) return
  const prompt = prompts[player.item % prompts.length]
  const steps = prompt.answers.map((answer) => answer.step)
  const index = Math.max(0, at(steps, position))
  const key = `${player.item % prompts.length}/${index}`
  if (reader.dataset.shown === key) return
  reader.dataset.shown = key
  reader.replaceChildren()
  make("h4", "", reader, words.prompt)
  make("p", "prompt", reader, prompt.prompt)
  const now = prompt.answers[index]
  addAnswer(reader, now, fill(words.answer_at, { step: now.step }), words, "now")
  if (index > 0) addAnswer(reader, prompt.answers[0], words.answer_start, words, "before")
}

const addAnswer = (reader, answer, title, words, kind) => {
  const box = make("section", `answer ${kind}`, reader)
  const head = make("div", "answerhead", box)
  make("h4", "", head, title)
  for (const [name, meaning] of [["score", "learned"], ["gold", "gold"]]) {
    if (answer[name] === null) continue
    const figure = make("span", "figure", head, `${words[name]} ${two(answer[name])}`)
    figure.style.color = `var(--${meaning}-ink)`
  }
  make("p", "text", box, answer.text.trim() || words.empty)
}

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".host")
  if (!host) return
  const player = players.get(host) ?? build(host, data)
  const other = player.data.run !== data.run
  // It stands at the run's end until it is played, also while the run goes on.
  const ended = !player.clock_.running && player.position >= player.data.updates
  player.data = data
  if (other) {
    player.clock_.stop()
    player.item = 0
  }
  if (other || ended) player.position = data.updates
  delete player.reader.dataset.shown
  applyColours(player.root, data.colours)
  player.root.classList.toggle("stage", data.stage)
  const { words } = data
  write(player.badge, words.replay)
  write(player.root.querySelector(".name"), data.name)
  write(player.verdict, data.verdict)
  write(player.next, words.next)
  write(player.full, words.full)
  player.scrub.max = data.updates
  player.scrub.step = "any"
  player.scrub.setAttribute("aria-label", words.scrub)
  player.speed.setAttribute("aria-label", words.speed_label)
  player.root.setAttribute("aria-label", words.region)
  player.root.setAttribute("role", "region")
  redraw(player)
  return () => {
    player.clock_.stop()
    player.resize.disconnect()
    players.delete(host)
  }
}
