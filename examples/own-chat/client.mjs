// A chat of one's own, connected to Trama by API: Node 18 or newer, nothing to
// install. It registers its webhook, checks what comes there, and sends what its
// users write. Here the users are lines of the terminal: "ana: hello" writes,
// "ana# yes" presses the button with that payload.
//
//   TRAMA          the channel's address, http://127.0.0.1:8093/hooks/chat
//   API_KEY        manages the webhook: the channel's secret api_key
//   FLOW_KEY       sends what users write: the channel's secret flow_key
//   SIGNING        checks what comes: the channel's secret "secret"
//   WORKSPACE, EMAIL  what the channel's config says
//   PORT           where this client listens; PUBLIC, how Trama reaches that
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'

const env = process.env
const port = Number(env.PORT ?? 8095)
const webhook = `${env.PUBLIC ?? `http://127.0.0.1:${port}`}/webhook`
const verifyToken = randomBytes(16).toString('hex') // of this registration
const tolerance = 5 * 60 // seconds between a signature and now
const seen = new Map() // ids of messages that came, with when: keep them in your database
const signing = env.SIGNING?.startsWith('whsec_') ? Buffer.from(env.SIGNING.slice(6), 'base64') : env.SIGNING
if (!signing?.length) { // an empty key would let anybody in
  console.error('SIGNING is not set, or is no key: see the head of client.mjs')
  process.exit(2)
}

// verified says whether a request is Trama's (Standard Webhooks 1.0.0): it is
// signed over id, time and the body as it came, and it is not old.
function verified(headers, body) {
  const id = headers['webhook-id'], time = headers['webhook-timestamp'], given = headers['webhook-signature']
  if (!id || !given || !/^\d+$/.test(time ?? '') || Math.abs(Date.now() / 1000 - Number(time)) > tolerance) return false
  const want = createHmac('sha256', signing).update(`${id}.${time}.`).update(body).digest()
  return given.split(' ').some(part => { // several while the secret is rotated
    const [version, text] = part.split(',')
    const signature = Buffer.from(text ?? '', 'base64')
    return version === 'v1' && signature.length === want.length && timingSafeEqual(signature, want)
  })
}

// once does the work for a message once: Trama sends it again if it did not see
// a 2xx. The mark is made after the work, so that what fails is done again.
function once(id, work) {
  for (const [old, at] of seen) if (Date.now() - at > 24 * 3600e3) seen.delete(old)
  if (seen.has(id)) return
  work()
  seen.set(id, Date.now())
}

// show is what this client does with a message.
function show(m) {
  const label = b => b.type === 'web_url' ? `${b.title} <${b.url}>` : `${b.title} #${b.payload}`
  const file = a => `${a.file_type} ${a.data_url}`
  const parts = [m.content_type, m.content]
  for (const a of m.attachments ?? []) parts.push(file(a))
  for (const b of m.buttons ?? []) parts.push(`[${label(b)}]`)
  for (const e of m.elements ?? []) parts.push(`{${[e.title, e.subtitle, e.attachment && file(e.attachment), ...(e.buttons ?? []).map(b => `[${label(b)}]`)].filter(Boolean).join(' ')}}`)
  console.log(`-> ${m.recipient.id}: ${parts.filter(Boolean).join(' ')}`)
}

const server = createServer((request, response) => {
  const chunks = []
  let size = 0
  request.on('data', chunk => (size += chunk.length) > 4 << 20 ? request.destroy() : chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const answer = (status, text = '') => response.writeHead(status, { 'Content-Type': 'text/plain' }).end(text)
    if (request.method !== 'POST' || request.url !== '/webhook') return answer(404)
    if (request.headers['content-type'] === 'application/x-www-form-urlencoded') { // is it yours?
      const form = new URLSearchParams(body.toString())
      const mine = form.get('hub_mode') === 'subscribe' && form.get('hub_verify_token') === verifyToken
      return mine ? answer(200, form.get('hub_challenge')) : answer(403)
    }
    if (!verified(request.headers, body)) return answer(401)
    try {
      once(request.headers['webhook-id'], () => show(JSON.parse(body)))
      answer(200)
    } catch (e) { // it comes again
      console.error(e.message)
      answer(500)
    }
  })
})

async function post(url, key, body) {
  const answer = await fetch(url, { method: 'POST', headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  const data = await answer.json()
  if (!answer.ok) throw new Error(`${answer.status}: ${data.detail}`)
  return data
}

const manage = (action, more) => post(`${env.TRAMA}?action=${action}`, env.API_KEY, { workspace: env.WORKSPACE ?? 42, email: env.EMAIL ?? 'ops@example.com', ...more })

server.listen(port, '127.0.0.1', async () => {
  let botURL
  try {
    const { data } = await manage('set-webhook', { webhook_url: webhook, webhook_verification_key: verifyToken })
    botURL = data.bot_url
    console.log(`webhook ${data.webhook_status}`)
  } catch (e) {
    console.error(`not registered: ${e.message}`)
    process.exit(1)
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const [, user, how, text] = /^(\w+)([:#]) ?(.*)$/.exec(line) ?? []
    if (!user) { console.error('write "ana: hello", or "ana# payload"'); continue }
    const message = { event: 'message_created', message_type: 'incoming', id: randomBytes(8).toString('hex'), sender: { id: user, name: user, type: 'contact' } }
    Object.assign(message, how === ':' ? { content: text } : { content: '', payload: text })
    await post(botURL, env.FLOW_KEY, message).catch(e => console.error(`not sent: ${e.message}`)) // send it again, with the same id
  }
  server.close()
  server.closeAllConnections()
})
