// The connector {{.Name}}. manifest.json says what it is; each operation in it
// is the function of its name that is exported here.
import { PluginError, effectId, http, statusError } from "trama";

interface Person {
  name: string;
}

/** The name in the input of both operations, which has nothing else. */
function nameOf(input: Person): string {
  const { name, ...other } = Object(input);
  const [unknown] = Object.keys(other);
  if (unknown !== undefined) {
    throw new PluginError("invalid", `unknown field "${unknown.slice(0, 40)}"; there is name`);
  }
  if (typeof name !== "string" || name === "") {
    throw new PluginError("invalid", "name: want a text that is not empty");
  }
  return name;
}

export function greet(input: Person): { greeting: string } {
  return { greeting: `Hello, ${nameOf(input)}!` };
}

export function create(input: Person): { id: string } {
  const name = nameOf(input);
  const answer = http({
    url: "/contacts", // of the node's connection, which adds the credentials
    json: { name },
    headers: { "idempotency-key": effectId() },
  });
  if (answer.status !== 200 && answer.status !== 201) {
    throw statusError(answer);
  }
  const id = answer.json()?.id;
  if (typeof id !== "string" || id === "") {
    throw new PluginError("error", "answer of the service: it has no id");
  }
  return { id };
}
