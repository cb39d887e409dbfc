// What our components share: elements, the meanings' colours, and a clock that can be held.
// Put in front of a component's own script, so it exports nothing.

const SVG = "http://www.w3.org/2000/svg"

const make = (tag, className, parent, text) => {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined) node.textContent = text
  parent?.appendChild(node)
  return node
}

const shape = (tag, attributes, parent, text) => {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  if (text !== undefined) node.textContent = text
  parent?.appendChild(node)
  return node
}

const write = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

const hexToRgb = (code) => [1, 3, 5].map((i) => parseInt(code.slice(i, i + 2), 16))

const isDark = (host) => {
  const code = getComputedStyle(host).getPropertyValue("--st-background-color").trim()
  if (!/^#[0-9a-f]{6}$/i.test(code)) return false
  const [r, g, b] = hexToRgb(code)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 128
}

// What the server wrote once for all who look; it comes as bytes.
const read = (bytes) => JSON.parse(new TextDecoder().decode(bytes))

const applyColours = (host, colours) => {
  for (const [meaning, code] of Object.entries(colours[isDark(host) ? "dark" : "light"])) {
    host.style.setProperty(`--${meaning}`, code)
  }
}

// Runs a script once for the whole page, however many components ask for it.
const loadScript = (url) => {
  const loads = (window.drpoScripts ??= {})
  loads[url] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = url
    script.onload = resolve
    script.onerror = () => {
      delete loads[url]
      reject(new Error(`${url} did not load`))
    }
    document.head.appendChild(script)
  })
  return loads[url]
}

const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches

const fill = (template, values) =>
  template.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole))

// Calls `tick(seconds since the last call)` while it runs. Those who asked for less motion get a
// still picture a second instead of a moving one.
const clockFor = (tick) => {
  let running = false
  let last = 0
  let handle = 0
  const frame = (now) => {
    if (!running) return
    const due = calm() ? 1000 : 0
    if (now - last >= due) {
      tick(Math.min((now - last) / 1000, 1.2))
      last = now
    }
    handle = requestAnimationFrame(frame)
  }
  return {
    get running() {
      return running
    },
    start() {
      if (running) return
      running = true
      last = performance.now()
      handle = requestAnimationFrame(frame)
    },
    stop() {
      running = false
      cancelAnimationFrame(handle)
    },
  }
}
