// jose makes a key for each algorithm and signs a token with each; or, with
// arguments, says what it finds of tokens that we signed with those keys.
import * as jose from 'jose'

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'HS256', 'HS384', 'HS512']

async function make() {
  const made = {}
  for (const alg of algorithms) {
    let jwk, pem
    if (alg.startsWith('HS')) {
      jwk = { kty: 'oct', k: jose.base64url.encode(crypto.getRandomValues(new Uint8Array(alg.slice(2) / 8))) }
    } else {
      const pair = await jose.generateKeyPair(alg, { extractable: true })
      jwk = await jose.exportJWK(pair.privateKey)
      pem = await jose.exportSPKI(pair.publicKey)
      made[alg] = { public: { ...(await jose.exportJWK(pair.publicKey)), alg, use: 'sig', kid: await jose.calculateJwkThumbprint(jwk) } }
    }
    const kid = await jose.calculateJwkThumbprint(jwk)
    const token = await new jose.SignJWT({ name: 'José', n: 9007199254740991 }).setProtectedHeader({ alg, kid, typ: 'JWT' })
      .setIssuer('jose').setAudience(['trama', 'other']).setIssuedAt().setExpirationTime('5m').sign(await jose.importJWK(jwk, alg))
    made[alg] = { ...made[alg], private: jwk, pem, kid, token }
  }
  console.log(JSON.stringify(made))
}

async function check(made, tokens) {
  const set = jose.createLocalJWKSet({ keys: Object.values(made).flatMap((m) => m.public ?? []) })
  for (const [alg, token] of Object.entries(tokens)) {
    const key = alg.startsWith('HS') ? await jose.importJWK(made[alg].private, alg) : set
    for (const [name, text] of [['given', token], ['changed', token.replace(/\.(...)/, (_, c) => '.' + [...c].reverse().join(''))]]) {
      try {
        const { payload, protectedHeader } = await jose.jwtVerify(text, key, { algorithms: [alg], issuer: 'trama', audience: 'jose' })
        console.log(alg, name, protectedHeader.alg, payload.name, payload.exp - payload.iat)
      } catch (error) {
        console.log(alg, name, error.code)
      }
    }
  }
}

const [made, tokens] = process.argv.slice(2)
await (made ? check(JSON.parse(made), JSON.parse(tokens)) : make())
