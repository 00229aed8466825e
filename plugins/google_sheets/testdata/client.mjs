// Does with Google's own client what the plugin does, at the address that is
// its argument, and prints what each call gave.
import { sheets, auth } from '@googleapis/sheets'

const oauth = new auth.OAuth2()
oauth.setCredentials({ access_token: 'not-a-token' })
const google = sheets({ version: 'v4', auth: oauth, rootUrl: process.argv[2] })
const spreadsheetId = '1aBc'
const range = "'Ana''s list'!A1:C1"
const { spreadsheets } = google
const { values } = spreadsheets

const calls = {
  get: () => values.get({ spreadsheetId, range: "'Ana''s list'!1:2000", valueRenderOption: 'UNFORMATTED_VALUE', dateTimeRenderOption: 'FORMATTED_STRING' }),
  append: () => values.append({ spreadsheetId, range, valueInputOption: 'RAW', insertDataOption: 'INSERT_ROWS', requestBody: { values: [['Bia', 7, null]] } }),
  batchUpdate: () => values.batchUpdate({ spreadsheetId, requestBody: { valueInputOption: 'USER_ENTERED', data: [{ range: "'Ana''s list'!C2:C2", values: [['Natal']] }] } }),
  batchGet: () => values.batchGet({ spreadsheetId, ranges: ["'Ana''s list'!A2:C2", "'Ana''s list'!A4:C4"], majorDimension: 'ROWS' }),
  batchClear: () => values.batchClear({ spreadsheetId, requestBody: { ranges: ["'Ana''s list'!A2:Z"] } }),
  update: () => values.update({ spreadsheetId, range: "'Ana''s list'!A2", valueInputOption: 'RAW', requestBody: { values: [['Eva']] } }),
  addSheet: () => spreadsheets.batchUpdate({ spreadsheetId, requestBody: { requests: [{ addSheet: { properties: { title: 'Leads' } } }] } }),
  document: () => spreadsheets.get({ spreadsheetId, fields: 'sheets.properties(title)' }),
  create: () => spreadsheets.create({ requestBody: { properties: { title: 'Sales' }, sheets: [{ properties: { title: 'Clients' } }] } }),
  missing: () => values.get({ spreadsheetId, range: 'Nobody!A1' })
}
for (const [name, call] of Object.entries(calls)) {
  const { data, status } = await call().catch((error) => ({ status: error.status, data: error.message }))
  console.log(name, status, JSON.stringify(data))
}
