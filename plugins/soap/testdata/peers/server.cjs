// npm's soap serves the example's WSDL with SOAP 1.1.
const http = require('http')
const fs = require('fs')
const soap = require('soap')
const file = process.env.WSDL
const server = http.createServer((_, res) => res.end())
server.listen(Number(process.env.PORT), '127.0.0.1', () => {
  const services = {
    Erp: { Orders: { PlaceOrder(order) {
      if (order.item[0].sku === 'X0') {
        throw { Fault: { faultcode: 'soap:Server', faultstring: 'no such item', detail: { Refusal: { attributes: { xmlns: 'urn:example:erp:orders' }, code: 17, sku: 'X0' } } } }
      }
      return { number: '9007199254740993', customer: order.customer, accepted: true, warning: [String(order.item.length), order.item[1].sku] }
    } } },
  }
  const xml = fs.readFileSync(file, 'utf8')
  soap.listen(server, { path: '/soap', services, xml, uri: file, callback: (err) => console.log(err ? String(err) : 'ready') })
})
