// A bot of grammY against a Bot API: its address and the bot's token are
// its arguments. It prints what came of each call.
import {Api, InputFile, InputMediaBuilder} from 'grammy';

const [root, token] = process.argv.slice(2);
const chat = 7;
const api = new Api(token, {apiRoot: root});
const keyboard = {inline_keyboard: [[{text: 'Sim', callback_data: 'yes'}], [{text: 'Site', url: 'https://example.com'}]]};
const file = () => new InputFile(new TextEncoder().encode('bytes'), 'a.bin');
const show = async (name, call) => {
  try {
    const result = await call;
    console.log(name, 'ok', JSON.stringify(result.text ?? result.message_id ?? result.file_path ?? result.username ?? result.url ?? result));
  } catch (error) {
    console.log(name, error.error_code, JSON.stringify(error.description ?? String(error)), JSON.stringify(error.parameters ?? {}));
  }
};
await show('getMe', api.getMe());
await show('sendMessage', api.sendMessage(chat, 'Olá', {reply_markup: keyboard, reply_parameters: {message_id: 1, allow_sending_without_reply: true}, link_preview_options: {is_disabled: true}}));
for (const kind of ['Photo', 'Video', 'Animation', 'Audio', 'Voice', 'Document', 'Sticker']) {
  await show('send' + kind, api['send' + kind](chat, file()));
}
await show('byID', api.sendPhoto(chat, 'P-1', {caption: 'a nota'}));
await show('sendLocation', api.sendLocation(chat, -23.5, -46.6));
await show('sendVenue', api.sendVenue(chat, -23.5, -46.6, 'MASP', 'Av. Paulista'));
await show('sendContact', api.sendContact(chat, '+5511', 'Bia'));
await show('sendChatAction', api.sendChatAction(chat, 'typing'));
await show('setMessageReaction', api.setMessageReaction(chat, 1, [{type: 'emoji', emoji: '👍'}]));
await show('answerCallbackQuery', api.answerCallbackQuery('1', {text: 'ok'}));
await show('editMessageText', api.editMessageText(chat, 1, 'nova', {reply_markup: keyboard}));
await show('editMessageCaption', api.editMessageCaption(chat, 2, {caption: 'nova'}));
await show('editMessageMedia', api.editMessageMedia(chat, 2, InputMediaBuilder.photo(file(), {caption: 'nova'})));
await show('getFile', api.getFile('P-1'));
await show('setWebhook', api.setWebhook('https://bots.example.com/hooks/tg', {secret_token: 's-1', allowed_updates: ['message'], max_connections: 5, drop_pending_updates: true}));
await show('getWebhookInfo', api.getWebhookInfo());
await show('blocked', api.sendMessage(chat, 'x'));
await show('rate', api.sendMessage(chat, 'x'));
await show('long', api.sendMessage(chat, 'x'.repeat(4097)));
await show('unknown', api.sendDice(chat, '🎲'));
await show('token', new Api('1:another', {apiRoot: root}).getMe());
