// Verifies and signs requests with the libraries of others. Its argument is a
// JSON array of requests; it prints a line for each.
import { createRequire } from 'node:module'
import { Webhook } from 'standardwebhooks'

const { Signature } = createRequire(import.meta.url)('@hubspot/api-client')
const now = Date.now
// hook reads a secret: texts that are not whsec_ are keys as they stand.
const hook = (secret) => new Webhook(secret, { format: secret.startsWith('whsec_') ? undefined : 'raw' })
const does = {
  // standard says what the library of Standard Webhooks finds.
  standard({ secret, headers, body, at }) {
    Date.now = () => at * 1000
    try {
      hook(secret).verify(body, headers)
      return 'right'
    } catch (error) {
      return `${error.name}: ${error.message}`
    } finally {
      Date.now = now
    }
  },
  sign: ({ secret, id, body, at }) => hook(secret).sign(id, new Date(at * 1000), body),
  hubspot: ({ version, method, url, body, at, secret }) =>
    Signature.getSignature(method, version, { clientSecret: secret, requestBody: body, url, timestamp: at, signature: '', signatureVersion: version }),
}
for (const request of JSON.parse(process.argv[2])) {
  console.log(does[request.do](request))
}
