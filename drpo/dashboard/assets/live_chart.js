// Keeps one Plotly drawing alive over all reruns and feeds it new points.

const GROUP_EVENT = "drpo-chart-zoom"
const TOKEN = /^@([a-z0-9-]+)(?:\/([0-9.]+))?$/
const charts = new WeakMap()

// What a person wrote, which may look like the name of a meaning.
const WRITTEN = ["name", "text", "alt"]

// Names of meanings become colours; everything else is passed on as it is.
const paint = (value, colours) => {
  if (typeof value === "string") {
    const found = TOKEN.exec(value)
    if (!found || !colours[found[1]]) return value
    if (!found[2]) return colours[found[1]]
    const [r, g, b] = hexToRgb(colours[found[1]])
    return `rgba(${r},${g},${b},${found[2]})`
  }
  if (Array.isArray(value)) return value.map((item) => paint(item, colours))
  if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([k, v]) => [k, WRITTEN.includes(k) ? v : paint(v, colours)])
    )
  }
  return value
}

// The library looks for what it drew by ".cb" and the trace's uid, and a metric's name has slashes.
const selectable = (trace) =>
  trace.uid ? { ...trace, uid: trace.uid.replace(/[^\w-]/g, (c) => `_${c.codePointAt(0)}_`) } : trace

const stepAxes = (layout) => Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name))

// How many rows a legend under a chart takes: one if all entries fit, else columns that are all as
// wide as its longest entry.
const legendRows = (traces, width) => {
  const shown = traces.filter((trace) => trace.showlegend)
  const widths = shown.map((trace) => writtenWidth(trace.name ?? "") + 46)
  const room = width - 24
  if (widths.reduce((sum, w) => sum + w, 0) <= room) return 1
  return Math.ceil(widths.length / Math.max(1, Math.floor(room / Math.max(...widths))))
}

// About: letters of Chinese and Japanese are as wide as high, others half of that.
const writtenWidth = (text) => [...text].reduce((sum, c) => sum + (c > "\u2e80" ? 13 : 6.4), 0)

// The margin for what is written beside the plot, at its right end; on a phone it gets no more room
// than it needs. A margin without such notes is there for something else and stays.
const besideWidth = (layout) => {
  const notes = layout.annotations ?? []
  const beside = notes.filter((note) => note.x === 1 && note.xanchor === "left")
  if (!beside.length) return layout.margin.r
  const lines = beside.flatMap((note) => note.text.split("<br>"))
  return Math.min(layout.margin.r, Math.max(16, ...lines.map((line) => writtenWidth(line) + 10)))
}

// The step axes at the zoom that a group shares; those of a plan where there is none.
const sharedAxes = (layout, range) =>
  Object.fromEntries(
    stepAxes(layout).map((name) => [name, range ? { ...layout[name], range: [...range] } : layout[name]])
  )

const layoutFor = (layout, { data, host, shared }) => {
  const style = getComputedStyle(host)
  const narrow = host.clientWidth < 460
  const below = layout.showlegend ? 46 + 24 * legendRows(data.figure.data, host.clientWidth) : 0
  const margin = {
    ...layout.margin,
    r: narrow ? besideWidth(layout) : layout.margin.r,
    b: Math.max(layout.margin.b, below),
  }
  return {
    ...layout,
    ...sharedAxes(layout, shared),
    margin,
    uirevision: data.revision,
    height: data.height,
    width: host.clientWidth,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: {
      family: style.getPropertyValue("--st-font") || "sans-serif",
      size: narrow ? 12 : 13,
      ...layout.font,
    },
    separators: ".\u202f",
    modebar: { bgcolor: "rgba(0,0,0,0)", orientation: "h" },
    dragmode: "zoom",
  }
}

const configFor = (words) => ({
  displaylogo: false,
  responsive: false,
  doubleClick: "reset",
  showTips: false,
  modeBarButtons: [["resetScale2d", "toImage"]],
  locale: "drpo",
  locales: {
    drpo: { dictionary: { "Reset axes": words.reset, "Download plot as a PNG": words.download } },
  },
})

const draw = async (chart) => {
  const { data, host, plot } = chart
  await loadScript(data.library)
  if (!host.isConnected || host.clientWidth === 0) return
  const colours = data.colours[isDark(host) ? "dark" : "light"]
  const figure = paint(data.figure, colours)
  const traces = figure.data.map(selectable)
  await window.Plotly.react(plot, traces, layoutFor(figure.layout, chart), configFor(data.words))
  chart.waiting?.remove()
  chart.waiting = null
  // Not an image: its buttons can be reached with the keyboard.
  plot.setAttribute("role", "figure")
  plot.setAttribute("aria-label", data.alt)
  if (!chart.listening) {
    chart.listening = true
    plot.on("plotly_relayout", (change) => tellGroup(chart, change))
    listenToPicks(chart)
  }
}

const pickedIn = (event) => event.points?.find((point) => point.customdata !== undefined)

// A click on a point that means something goes to the server; the pointer says which ones do.
const listenToPicks = (chart) => {
  const { plot } = chart
  const point = (shape) => {
    for (const area of plot.querySelectorAll(".nsewdrag")) area.style.cursor = shape
  }
  plot.on("plotly_hover", (event) => point(chart.data.pickable && pickedIn(event) ? "pointer" : ""))
  plot.on("plotly_unhover", () => point(""))
  plot.on("plotly_click", (event) => {
    const found = pickedIn(event)
    if (chart.data.pickable && found) {
      chart.tell("picked", { point: found.customdata, nonce: Date.now() })
    }
  })
}

// A zoom on the step axis is shared by all charts of a group; the echo of a shared zoom is not.
// It is kept on the chart: the drawing keeps only what was zoomed in itself when new points come.
const tellGroup = (chart, change) => {
  if (!chart.data.group || chart.echo) return
  const axis = Object.keys(change).find((name) => name.startsWith("xaxis"))?.split(".")[0]
  if (!axis) return
  const range = chart.plot.layout[axis]?.range
  const planned = chart.data.figure.layout[axis]?.range
  const reset =
    Object.keys(change).some((name) => name.endsWith(".autorange")) ||
    (range && planned && range.every((end, index) => end === planned[index]))
  chart.shared = reset || !range ? null : [...range]
  const detail = { group: chart.data.group, from: chart, range: chart.shared }
  window.dispatchEvent(new CustomEvent(GROUP_EVENT, { detail }))
}

const hearGroup = (chart) => async (event) => {
  const { group, from, range } = event.detail
  if (from === chart || group !== chart.data.group) return
  chart.shared = range
  if (!chart.plot.layout) return
  const change = {}
  for (const axis of stepAxes(chart.plot.layout)) {
    const wanted = range ?? chart.data.figure.layout[axis]?.range
    if (wanted) change[`${axis}.range`] = [...wanted]
    else change[`${axis}.autorange`] = true
  }
  chart.echo = true
  await window.Plotly.relayout(chart.plot, change)
  chart.echo = false
}

const mount = (host, data) => {
  const plot = document.createElement("div")
  const waiting = document.createElement("div")
  waiting.className = "drpo-waiting"
  waiting.textContent = data.words.loading
  host.replaceChildren(plot, waiting)
  const chart = { host, plot, waiting, data }
  chart.onGroup = hearGroup(chart)
  window.addEventListener(GROUP_EVENT, chart.onGroup)
  chart.resize = new ResizeObserver(() => {
    if (host.clientWidth !== chart.width) {
      chart.width = host.clientWidth
      render(chart)
    }
  })
  chart.resize.observe(host)
  charts.set(host, chart)
  return chart
}

const render = (chart) => {
  draw(chart).catch((error) => {
    console.error("chart", error)
    if (chart.waiting) chart.waiting.textContent = chart.data.words.failed
  })
}

export default function ({ data: sent, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".drpo-chart")
  if (!host) return
  const data = read(sent)
  host.style.height = `${data.height}px`
  const chart = charts.get(host) ?? mount(host, data)
  if (chart.data.revision !== data.revision) chart.shared = null
  chart.data = data
  chart.tell = setTriggerValue
  render(chart)
  return () => {
    chart.resize.disconnect()
    window.removeEventListener(GROUP_EVENT, chart.onGroup)
    window.Plotly?.purge(chart.plot)
    charts.delete(host)
  }
}
