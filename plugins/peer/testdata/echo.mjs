// Answers with the version of a package from npm, so that importing is seen.
import { createServer } from 'node:http'
import { decodeJwt } from 'jose'

const server = createServer((request, response) => {
  response.end(`${process.env.GREETING} ${typeof decodeJwt} ${request.url}`)
})
server.listen(process.env.PORT, '127.0.0.1', () => console.log('ready to', 'serve'))
