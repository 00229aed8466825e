// Ends by itself, and prints what it was given.
const { OAuth2Server } = require('oauth2-mock-server')
console.log(typeof OAuth2Server, process.argv.slice(2).join('+'))
