// npm's soap serves a WSDL to those who know the password, which is checked with
// its own digest; a nonce is taken once. VERSION is that of SOAP.
const http = require('http')
const fs = require('fs')
const soap = require('soap')
const { passwordDigest } = require('soap/lib/utils')
const { WSDL, PASSWORD, VERSION, PORT } = process.env

const server = http.createServer((_, response) => response.end())
const nonces = new Set()
function known({ UsernameToken: token, Timestamp: stamp } = {}) {
  const kind = token?.Password?.attributes?.Type?.split('#')[1]
  const given = token?.Password?.$value, nonce = token?.Nonce?.$value ?? token?.Nonce
  const fresh = (text) => Math.abs(Date.now() - Date.parse(text)) < 60_000
  if (token?.Username !== 'bob & co' || !nonce || nonces.has(nonce) || !fresh(token.Created) || !fresh(stamp?.Created) || !(Date.parse(stamp.Expires) > Date.now())) return false
  nonces.add(nonce)
  return kind === 'PasswordText' ? given === PASSWORD : kind === 'PasswordDigest' && given === passwordDigest(nonce, token.Created, PASSWORD)
}
server.listen(Number(PORT), '127.0.0.1', () => {
  const services = { Erp: { Orders: { PlaceOrder: (order, _, headers) => ({
    number: '9007199254740993', customer: order.customer, accepted: true,
    warning: [headers.Security.UsernameToken.Password.attributes.Type.split('#')[1]],
  }) } } }
  const options = { path: '/soap', services, xml: fs.readFileSync(WSDL, 'utf8'), uri: WSDL, forceSoap12Headers: VERSION === '1.2', callback: (error) => console.log(error ? String(error) : 'ready') }
  soap.listen(server, options).authenticate = known
})
