// A combination lock learned twice side by side, from traces that came with the page.

const pictures = new WeakMap()
const SECONDS = 14 // for the whole trace
const WIDTH = 460
const DIAL = { top: 26, height: 64, gap: 8 }
const CHART = { top: 138, height: 92 }

const build = (host) => {
  // Data that come before the first call is through end that call and leave what it built.
  host.replaceChildren()
  const root = make("div", "lock", host)
  const sides = make("div", "sides", root)
  const controls = make("div", "controls", root)
  const play = make("button", "play", controls)
  play.type = "button"
  const scrub = make("input", "scrub", controls)
  scrub.type = "range"
  const box = make("label", "prob", controls)
  const probText = make("span", "", box)
  const prob = make("input", "", box)
  Object.assign(prob, { type: "range", min: 1, step: 1 })
  const clock = make("p", "clock", controls)
  const picture = { root, sides, play, scrub, prob, probText, clock, position: 0 }
  picture.timer = clockFor((passed) => {
    const last = picture.data.traces[0].value.length - 1
    picture.position = Math.min(last, picture.position + (passed * last) / SECONDS)
    if (picture.position >= last) picture.timer.stop()
    show(picture)
  })
  play.onclick = () => {
    const last = picture.data.traces[0].value.length - 1
    if (picture.timer.running) picture.timer.stop()
    else {
      if (picture.position >= last) picture.position = 0
      picture.timer.start()
    }
    show(picture)
  }
  scrub.oninput = () => {
    picture.timer.stop()
    picture.position = Number(scrub.value)
    show(picture)
  }
  prob.oninput = () => {
    picture.chosen = Number(prob.value)
    draw(picture)
  }
  pictures.set(host, picture)
  return picture
}

const draw = (picture) => {
  const { data, sides } = picture
  sides.replaceChildren()
  picture.drawn = [0, picture.chosen].map((index) => drawSide(sides, data, data.traces[index], index))
  show(picture)
}

const drawSide = (parent, data, trace, index) => {
  const side = make("section", index ? "with" : "without", parent)
  const head = make("div", "head", side)
  const title = index ? fill(data.words.with, { prob: trace.prob }) : data.words.without
  make("h4", "", head, title)
  const opens = make("p", "opens", head)
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${CHART.top + CHART.height + 28}`, role: "img" })
  side.appendChild(svg)
  svg.setAttribute("aria-label", fill(data.words.alt, { last: percent(trace.value.at(-1)) }))
  const dials = trace.advance[0].map((_, dial) => drawDial(svg, data, dial, trace.advance[0].length))
  shape("text", { x: 0, y: 14, class: "note" }, svg, data.words.dials)
  const chart = drawChart(svg, data, trace)
  return { trace, opens, dials, chart, svg }
}

const dialBox = (dial, count) => {
  const width = (WIDTH - DIAL.gap * (count - 1)) / count
  return { x: dial * (width + DIAL.gap), width }
}

const drawDial = (svg, data, dial, count) => {
  const { x, width } = dialBox(dial, count)
  const box = { x, y: DIAL.top, width, height: DIAL.height, rx: 6 }
  shape("rect", { ...box, class: "dial" }, svg)
  const level = shape("rect", { x, width, rx: 6, class: "level" }, svg)
  const figure = shape("text", { x: x + width / 2, y: DIAL.top + DIAL.height / 2 + 5, class: "share" }, svg)
  const starts = shape("g", { class: "starts" }, svg)
  return { level, figure, starts, x, width }
}

const drawChart = (svg, data, trace) => {
  const last = trace.value.length - 1
  const x = (step) => (WIDTH * step) / last
  const y = (value) => CHART.top + CHART.height * (1 - value)
  for (const value of [0, 0.5, 1]) {
    shape("line", { x1: 0, x2: WIDTH, y1: y(value), y2: y(value), class: "grid" }, svg)
    if (value) shape("text", { x: 2, y: y(value) - 4, class: "note" }, svg, percent(value))
  }
  const bottom = { x: WIDTH, y: CHART.top + CHART.height + 20, class: "note end" }
  shape("text", bottom, svg, data.words.axis)
  const points = trace.value.map((value, step) => `${x(step)},${y(value)}`).join(" ")
  shape("polyline", { points, class: "ahead" }, svg)
  const line = shape("polyline", { class: "line" }, svg)
  const dot = shape("circle", { r: 6, class: "dot" }, svg)
  return { line, dot, x, y }
}

const percent = (value) =>
  value > 0 && value < 0.01 ? "< 1\u202f%" : `${Math.round(100 * value)}\u202f%`

const show = (picture) => {
  const { data, position, drawn } = picture
  const last = data.traces[0].value.length - 1
  const step = Math.round(position)
  for (const side of drawn) showSide(side, step, data)
  picture.scrub.value = step
  const told = { step, last, episodes: step * data.episodes }
  write(picture.clock, fill(data.words.clock, told))
  picture.scrub.setAttribute("aria-valuetext", picture.clock.textContent)
  const word = picture.timer.running ? "pause" : position >= last ? "again" : "play"
  write(picture.play, data.words[word])
  write(picture.probText, fill(data.words.prob, { prob: data.traces[picture.chosen].prob }))
}

const showSide = (side, step, data) => {
  const { trace, dials, chart } = side
  write(side.opens, fill(data.words.opens, { share: percent(trace.value[step]) }))
  dials.forEach((dial, index) => {
    const chance = trace.advance[step][index]
    const height = Math.max(2, DIAL.height * chance)
    dial.level.setAttribute("height", height)
    dial.level.setAttribute("y", DIAL.top + DIAL.height - height)
    write(dial.figure, percent(chance))
    dial.starts.replaceChildren()
    // One dot for every few episodes that began here: where the learner looks.
    const dots = Math.ceil(trace.starts[step][index] / 4)
    for (let i = 0; i < dots; i++) {
      const across = dial.x + dial.width / 2 + (i - (dots - 1) / 2) * 7
      shape("circle", { cx: across, cy: DIAL.top + DIAL.height + 12, r: 2.6 }, dial.starts)
    }
  })
  const points = trace.value.slice(0, step + 1).map((v, i) => `${chart.x(i)},${chart.y(v)}`)
  chart.line.setAttribute("points", points.join(" "))
  chart.dot.setAttribute("cx", chart.x(step))
  chart.dot.setAttribute("cy", chart.y(trace.value[step]))
}

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".host")
  if (!host) return
  const fresh = !pictures.has(host)
  const picture = pictures.get(host) ?? build(host)
  picture.data = data
  picture.chosen ??= data.chosen
  picture.scrub.max = data.traces[0].value.length - 1
  picture.prob.max = data.traces.length - 1
  picture.prob.value = picture.chosen
  picture.scrub.setAttribute("aria-label", data.words.scrub)
  picture.prob.setAttribute("aria-label", data.words.prob_label)
  applyColours(picture.root, data.colours)
  // It stands at its end until someone plays it; nothing moves unasked.
  if (fresh) picture.position = data.traces[0].value.length - 1
  draw(picture)
  return () => {
    picture.timer.stop()
    pictures.delete(host)
  }
}
