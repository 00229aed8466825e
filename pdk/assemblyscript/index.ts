/**
 * For writing Trama plugins in AssemblyScript.
 *
 *     import { Failure, Value, fail, inputJSON, reply } from "trama-pdk";
 *     export * from "trama-pdk/exports";
 *
 *     export function greet(): i32 {
 *       const input = inputJSON();
 *       if (!input.ok) return fail(input.failure);
 *       const name = input.value.get("name");
 *       if (!name.isText) return fail(new Failure("invalid", "name: want a text"));
 *       return reply(Value.object().set("greeting", "Hello, " + name.text + "!"));
 *     }
 *
 * AssemblyScript can't catch what is thrown, so functions that may fail give a
 * Result. What is thrown ends the call as the host's error "trap", with its
 * message, file and line: asconfig.json says "use": ["abort=tramaAbort"].
 *
 * Every call may start from an image of the plugin's memory: what one call
 * leaves in a global no other sees. Times are milliseconds, sizes are bytes.
 */
export { Failure, Result } from "./assembly/failure";
export { Kind, MAX_DEPTH, Value } from "./assembly/value";
export { fail, input, inputJSON, inputText, reply, replyBytes, replyText } from "./assembly/entry";
export { Request, Response, Blob } from "./assembly/http";
export {
  Keys, config, deadline, effectID, kv, log, now, random, secretRef, sign, verify,
} from "./assembly/host";
export { base64Decode, base64Encode, hexDecode, hexEncode, textOf, utf8 } from "./assembly/encoding";
export { tramaAbort } from "./assembly/abort";
