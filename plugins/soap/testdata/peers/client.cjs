// npm's soap makes the envelope of a call by a WSDL: its arguments are the file,
// the operation, and the arguments as JSON. Nothing is sent.
const soap = require('soap')
const [wsdl, operation, args] = process.argv.slice(2)
soap.createClientAsync(wsdl, { httpClient: { request: (_, body) => { console.log(body); process.exit() } } })
  .then((client) => client[operation](JSON.parse(args), () => process.exit(1)))
