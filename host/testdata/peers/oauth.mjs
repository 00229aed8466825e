// oauth2-mock-server issues tokens, to those who prove who they are: that server
// lets everybody in, and has an event for who wants it otherwise.
import { verify, randomUUID } from 'node:crypto'
import { Events, OAuth2Server } from 'oauth2-mock-server'

const { PORT, CLIENT, SECRET, REFRESH, ACCOUNT, KEY } = process.env
const server = new OAuth2Server()
await server.issuer.keys.generate('RS256')

let refresh = REFRESH // the one that counts
const plain = (text) => decodeURIComponent(text.replaceAll('+', ' ')) // RFC 6749, 2.3.1
const grants = {
  client_credentials(body, authorization = '') {
    const [id, secret] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString().split(':')
    return plain(id) === CLIENT && plain(secret ?? '') === SECRET ? '' : 'invalid_client'
  },
  refresh_token: (body) => body.client_id !== CLIENT || body.client_secret !== SECRET ? 'invalid_client' : body.refresh_token === refresh ? '' : 'invalid_grant',
  'urn:ietf:params:oauth:grant-type:jwt-bearer'({ assertion }) {
    const [head, payload, signature] = assertion.split('.')
    const { iss, aud, exp, iat, scope } = JSON.parse(Buffer.from(payload, 'base64url'))
    const now = Date.now() / 1000
    const right = verify('RSA-SHA256', Buffer.from(`${head}.${payload}`), KEY, Buffer.from(signature, 'base64url'))
    return right && iss === ACCOUNT && aud === `http://127.0.0.1:${PORT}/token` && iat <= now + 5 && exp > now && scope === 'sheets' ? '' : 'invalid_grant'
  },
}
server.service.on(Events.BeforeTokenSigning, (token) => { token.payload.jti = randomUUID() }) // no two alike
server.service.on(Events.BeforeResponse, (response, { body, headers }) => {
  const error = grants[body.grant_type](body, headers.authorization)
  if (error) {
    response.statusCode = error === 'invalid_client' ? 401 : 400
    response.body = { error, error_description: `not ${SECRET}` }
  } else if (body.grant_type === 'refresh_token') {
    refresh = response.body.refresh_token // the one before is no more
  }
})
await server.start(Number(PORT), '127.0.0.1')
console.log('ready')
