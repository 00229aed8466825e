/**
 * The plugin {{.Name}}. manifest.json says what it is; trama plugin build puts
 * that into the module. Each operation of the manifest is an exported function.
 */
import { Failure, Request, Result, Value, effectID, fail, inputJSON, reply } from "trama-pdk";
export * from "trama-pdk/exports";

export function greet(): i32 {
  const name = inputName();
  if (!name.ok) return fail(name.failure);
  return reply(Value.object().set("greeting", "Hello, " + name.value + "!"));
}

/**
 * Makes a contact. The effect's id is the same when the host has to repeat the
 * call, so the service makes no second one.
 */
export function create(): i32 {
  const name = inputName();
  if (!name.ok) return fail(name.failure);
  const effect = effectID();
  if (!effect.ok) return fail(effect.failure);

  const sent = new Request("POST", "/contacts") // of the node's connection, which adds the credentials
    .header("Idempotency-Key", effect.value)
    .json(Value.object().set("name", name.value))
    .send();
  if (!sent.ok) return fail(sent.failure);
  const response = sent.value;
  if (response.status != 200 && response.status != 201) return fail(response.failure());
  const contact = response.json();
  if (!contact.ok) return fail(contact.failure);
  const id = contact.value.get("id").text;
  if (id == "") return fail(new Failure("error", "answer of the service: it has no id"));
  return reply(Value.object().set("id", id));
}

/** The input of both operations: {"name":TEXT} and nothing else. */
function inputName(): Result<string> {
  const input = inputJSON();
  if (!input.ok) return Result.failed<string>(input.failure);
  const unknown = input.value.only(["name"]);
  if (unknown !== null) return Result.failed<string>(unknown);
  const name = input.value.get("name").text;
  if (name == "") return Result.failed<string>(new Failure("invalid", "name: want a text that is not empty"));
  return Result.of<string>(name);
}
