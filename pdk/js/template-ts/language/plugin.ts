// The language {{.Name}}: a script is a text, in which each {word} is replaced by
// the input's field of that name.
import { PluginError } from "trama";
import type { Run } from "trama";

export function run({ code, input }: Run): string {
  return code.replace(/\{(\w+)\}/g, (_, word: string) => {
    if (!Object.hasOwn(input ?? {}, word)) throw new PluginError("invalid", `unknown word: ${word}`);
    return String(input[word]);
  });
}
