"use strict"

// The page shows openapi.json, which stands beside it. What the document says
// is put in as text, never as markup.

const methods = ["get", "post", "put", "patch", "delete"]
let api

// make builds an element: attributes (functions are listeners), then children.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value)
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value)
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== ""))
  return element
}

// at follows a reference inside the document.
function at(thing) {
  for (let hops = 0; thing && thing.$ref !== undefined && hops < 20; hops++) {
    let found = api
    if (!thing.$ref.startsWith("#")) return {}
    for (const step of thing.$ref.slice(1).split("/").filter(Boolean)) {
      found = found?.[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")]
    }
    const { $ref, ...beside } = thing
    thing = found && typeof found === "object" ? { ...found, ...beside } : {}
  }
  return thing ?? {}
}

const json = (value) => JSON.stringify(value, null, 2)

// kind says in a few words what values a schema takes.
function kind(given) {
  if (given === true || given === undefined) return "anything"
  if (given === false) return "nothing"
  const s = at(given)
  const words = []
  let type = [].concat(s.type ?? []).join(" or ")
  if (!type && s.properties) type = "object"
  if (!type && s.items) type = "array"
  if (type === "array" && s.items) type = "list of " + kind(s.items)
  if (type) words.push(type)
  if (s.format) words.push(s.format)
  for (const [word, key] of [["any of", "anyOf"], ["one of", "oneOf"], ["all of", "allOf"]]) {
    if (s[key]) words.push(`${word}: ${s[key].map((one) => kind(one)).join(" | ")}`)
  }
  if (s.const !== undefined) words.push("always " + JSON.stringify(s.const))
  if (s.enum) words.push(s.enum.map((one) => JSON.stringify(one)).join(" | "))
  const bounds = {
    minimum: "≥ ", exclusiveMinimum: "> ", maximum: "≤ ", exclusiveMaximum: "< ", multipleOf: "multiple of ",
    minLength: "length ≥ ", maxLength: "length ≤ ", minItems: "items ≥ ", maxItems: "items ≤ ", pattern: "matches ",
  }
  for (const [key, word] of Object.entries(bounds)) if (s[key] !== undefined) words.push(word + s[key])
  if (s.default !== undefined) words.push("default " + JSON.stringify(s.default))
  return words.join(", ") || "anything"
}

// fields lists what an object has, or a list's objects; seen are the
// references that lead here.
function fields(given, seen = []) {
  if (given?.$ref) {
    if (seen.includes(given.$ref)) return
    seen = [...seen, given.$ref]
  }
  if (seen.length > 12) return
  const s = at(given)
  const parts = ["allOf", "anyOf", "oneOf"].flatMap((key) => s[key] ?? [])
  if (!s.properties && s.items) return fields(s.items, seen)
  const rows = Object.entries(s.properties ?? {}).map(([name, inner]) =>
    make("div", { class: "field" },
      make("div", {}, make("code", {}, name), " ", s.required?.includes(name) ? make("b", {}, "required") : ""),
      make("div", {}, make("span", { class: "kind" }, kind(inner)), at(inner).description ? make("p", {}, at(inner).description) : ""),
      fields(inner, [...seen, "."])))
  rows.push(...parts.map((part) => fields(part, seen)).filter(Boolean))
  if (rows.length) return make("div", { class: "fields" }, rows)
}

// content shows bodies by media type, with their examples.
function content(by) {
  return Object.entries(by ?? {}).map(([type, media]) => make("div", {},
    make("p", { class: "kind" }, make("code", {}, type), media.schema === undefined ? "" : " · " + kind(media.schema)),
    fields(media.schema),
    Object.values(media.examples ?? {}).map((example) => [
      make("p", { class: "quiet" }, example.summary || "Example"), make("pre", {}, json(example.value))])))
}

// callers says who may call.
function callers(operation) {
  const ways = (operation.security ?? api.security ?? []).map((way) => Object.entries(way).map(([name, scopes]) => {
    const s = api.components?.securitySchemes?.[name] ?? {}
    const what = s.type === "apiKey" ? `header ${s.name}` : s.type === "http" ? `${s.scheme} token` : name
    return what + (scopes.length ? ` with scope ${scopes.join(", ")}` : "")
  }).join(" and "))
  const said = operation["x-trama-callers"]
  const needs = ways.length && ways.every(Boolean) ? "Needs " + ways.join(", or ") : "Open to anyone"
  return make("div", { class: "who" }, said ? `For ${said}` : needs)
}

function parameters(list) {
  if (!list.length) return
  return [make("h4", {}, "Parameters"), make("div", { class: "fields" }, list.map((p) => make("div", { class: "field" },
    make("div", {}, make("code", {}, p.name), " ", p.required ? make("b", {}, "required") : ""),
    make("div", {}, make("span", { class: "kind" }, `${p.in}, ${kind(p.schema)}`), p.description ? make("p", {}, p.description) : ""))))]
}

function responses(operation) {
  return [make("h4", {}, "Answers"), Object.entries(operation.responses ?? {}).map(([status, given]) => {
    const r = at(given)
    const problem = /^[45]/.test(status)
    return make("details", { open: !problem && Object.keys(r.content ?? {}).length > 0 },
      make("summary", {}, make("span", { class: "status" }, status), make("span", { class: problem ? "quiet" : undefined }, r.description)),
      make("div", { class: "inside" },
        Object.keys(r.headers ?? {}).length ? make("p", { class: "kind" }, "Headers: " + Object.keys(r.headers).join(", ")) : "",
        content(r.content)))
  })]
}

// attempt is the form that sends a request, and shows what comes back.
function attempt(method, path, operation, list) {
  const inputs = []
  const ask = (where, name, value, required, hint) => {
    const input = make("input", { name, value, required, placeholder: hint, autocomplete: "off", spellcheck: "false" })
    inputs.push({ where, name, input })
    return make("label", {}, make("code", {}, name), input)
  }
  const first = (examples) => Object.values(examples ?? {})[0]?.value
  const rows = list.map((p) => ask(p.in, p.name, first(p.examples) ?? "", p.required, p.in))
  const headers = new Map()
  for (const way of operation.security ?? api.security ?? []) {
    for (const name of Object.keys(way)) {
      const s = api.components?.securitySchemes?.[name]
      if (s?.type === "apiKey" && s.in === "header") headers.set(s.name, s.description ?? "")
      if (s?.type === "http") headers.set("Authorization", "Bearer …")
    }
  }
  for (const [name, hint] of headers) rows.push(ask("header", name, "", false, hint))
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  const body = type && make("textarea", { spellcheck: "false", "aria-label": "Body" })
  const kindOfBody = type?.includes("*") ? "application/json" : type
  if (body) {
    const example = first(media.examples)
    body.value = example === undefined ? "" : typeof example === "string" ? example : json(example)
    rows.push(make("label", { class: "wide" }, make("span", {}, "Body ", make("code", {}, kindOfBody)), body))
  }
  const out = make("div", { "aria-live": "polite" })
  const button = make("button", {}, "Send")
  const send = async (event) => {
    event.preventDefault()
    button.disabled = true
    let target = path
    const query = new URLSearchParams()
    const given = new Headers()
    for (const { where, name, input } of inputs) {
      if (where === "path") target = target.replace(`{${name}}`, input.value.split("/").map(encodeURIComponent).join(/\/\*/.test(operation["x-trama-path"] ?? "") ? "/" : "%2F"))
      else if (!input.value) continue
      else if (where === "query") query.append(name, input.value)
      else given.set(name, input.value)
    }
    const options = { method: method.toUpperCase(), headers: given, credentials: "omit", cache: "no-store" }
    if (body && body.value) {
      given.set("Content-Type", kindOfBody)
      options.body = body.value
    }
    const base = new URL((api.servers?.[0]?.url ?? "").replace(/\/$/, "") + target, location.href)
    base.search = query
    const began = performance.now()
    try {
      const answer = await fetch(base, options)
      const text = await answer.text()
      const took = Math.round(performance.now() - began)
      let shown = text
      try { shown = json(JSON.parse(text)) } catch { /* it is no JSON, and shown as it is */ }
      out.replaceChildren(
        make("p", {}, make("b", {}, `${answer.status} ${answer.statusText}`), make("span", { class: "quiet" }, ` in ${took} ms`)),
        make("pre", {}, [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n")),
        shown ? make("pre", {}, shown) : make("p", { class: "quiet" }, "No body."))
    } catch (failure) {
      out.replaceChildren(make("p", {}, `No answer: ${failure.message}`))
    }
    button.disabled = false
  }
  return make("details", {}, make("summary", {}, "Try it"), make("div", { class: "inside" }, make("form", { submit: send }, rows, button), out))
}

function show(method, path, operation, shared) {
  const list = [...(shared ?? []), ...(operation.parameters ?? [])].map(at)
  const words = operation.description ? operation.description.split(/\n\s*\n/).map((p) => make("p", {}, p)) : []
  return make("article", { id: operation.operationId },
    make("div", { class: "call" }, make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, (api.servers?.[0]?.url ?? "").replace(/\/$/, "") + path)),
    operation.summary ? make("h3", {}, operation.summary) : "",
    words, callers(operation), parameters(list),
    operation.requestBody ? [make("h4", {}, "Body"), content(operation.requestBody.content)] : "",
    responses(operation), attempt(method, path, operation, list))
}

function render() {
  document.title = api.info.title
  document.getElementById("title").textContent = api.info.title
  const groups = new Map((api.tags ?? []).map((tag) => [tag.name, []]))
  // What every gateway has (/.status/…) stands behind what is this one's.
  const own = ([path]) => path.startsWith("/.") ? 1 : 0
  for (const [path, item] of Object.entries(api.paths).sort((a, b) => own(a) - own(b))) {
    for (const method of methods.filter((m) => item[m])) {
      const tag = item[method].tags?.[0] ?? "Routes"
      if (!groups.has(tag)) groups.set(tag, [])
      groups.get(tag).push({ method, path, operation: item[method], shared: item.parameters })
    }
  }
  const index = document.getElementById("index")
  const main = document.getElementById("main")
  main.replaceChildren()
  if (api.info.description) main.append(make("p", {}, api.info.description))
  for (const [tag, operations] of groups) {
    if (!operations.length) continue
    index.append(make("section", {}, make("h2", {}, tag), operations.map(({ method, path, operation }) =>
      make("a", { class: "link", href: "#" + operation.operationId, title: operation.summary },
        make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path)))))
    main.append(make("h2", {}, tag), ...operations.map(({ method, path, operation, shared }) => show(method, path, operation, shared)))
  }
  if (!main.childElementCount) main.append(make("p", { class: "quiet" }, "There are no routes yet."))
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase()
    for (const section of index.children) {
      let any = false
      for (const link of section.querySelectorAll(".link")) {
        link.hidden = !(link.textContent + " " + (link.title ?? "")).toLowerCase().includes(wanted)
        any ||= !link.hidden
      }
      section.hidden = !any
    }
  })
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView()
}

fetch("openapi.json").then(async (answer) => {
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`)
  api = await answer.json()
  render()
}).catch((failure) => { document.getElementById("state").textContent = `The document can't be shown: ${failure.message}` })
