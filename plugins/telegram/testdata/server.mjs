// A server of telegram-test-api: it speaks a part of the Bot API, and plays the
// users of its bots.
import TelegramServer from 'telegram-test-api';

const Server = TelegramServer.default ?? TelegramServer;
await new Server({port: Number(process.env.PORT), host: '127.0.0.1'}).start();
console.log('ready');
