// Draws the figures in the reader's theme, on paper always in the light one.
const read = (id) => JSON.parse(document.getElementById(id).textContent)
const figures = read("figures")
const colours = read("colours")
const dark = matchMedia("(prefers-color-scheme: dark)")

const paint = (value, codes) => {
  if (typeof value === "string") {
    const found = /^@([a-z0-9-]+)(?:\/([0-9.]+))?$/.exec(value)
    if (!found || !codes[found[1]]) return value
    if (!found[2]) return codes[found[1]]
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(codes[found[1]].slice(i, i + 2), 16))
    return `rgba(${r},${g},${b},${found[2]})`
  }
  if (Array.isArray(value)) return value.map((item) => paint(item, codes))
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, codes)]))
  }
  return value
}

const draw = (theme, width) => {
  for (const { id, height, data, layout } of figures) {
    const host = document.getElementById(id)
    const painted = paint({ data, layout }, colours[theme])
    const around = {
      height, width: width ?? host.clientWidth, paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", separators: ".\u202f", dragmode: "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13 },
    }
    // On a narrow page the legend takes several lines: it stands at the bottom, clear of the axis.
    const narrow = around.width < 560
    const { legend, margin } = painted.layout
    if (legend) Object.assign(legend, { yref: "container", y: 0, yanchor: "bottom" })
    if (legend && narrow) margin.b += 46
    const config = { displaylogo: false, modeBarButtons: [["resetScale2d", "toImage"]] }
    Plotly.react(host, painted.data, { ...painted.layout, ...around }, config)
  }
}

const theme = () => (dark.matches ? "dark" : "light")
draw(theme())
dark.addEventListener("change", () => draw(theme()))
addEventListener("resize", () => draw(theme()))
// A sheet of A4 is about this many pixels wide between its margins.
addEventListener("beforeprint", () => {
  draw("light", 680)
  for (const folded of document.querySelectorAll("details")) folded.open = true
})
addEventListener("afterprint", () => draw(theme()))
