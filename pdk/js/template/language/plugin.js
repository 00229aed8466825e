// The language {{.Name}}: a script is a text, in which each {word} is replaced by
// the input's field of that name.
import { PluginError } from "trama";

/**
 * @param {import("trama").Run} script
 * @returns {string}
 */
export function run({ code, input }) {
  return code.replace(/\{(\w+)\}/g, (_, word) => {
    if (!Object.hasOwn(input ?? {}, word)) throw new PluginError("invalid", `unknown word: ${word}`);
    return String(input[word]);
  });
}
