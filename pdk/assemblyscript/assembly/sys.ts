/**
 * The Extism ABI and Trama's namespace, as far as plugins need them. Offsets
 * and lengths count bytes of the host's block memory, which is not the
 * plugin's own. What a plugin never reaches is not compiled, and so not
 * imported: what only computes runs in any host that speaks Extism.
 */

// @ts-ignore: decorator
@external("extism:host/env", "input_length")
declare function input_length(): u64;
// @ts-ignore: decorator
@external("extism:host/env", "input_load_u8")
declare function input_load_u8(offset: u64): u32;
// @ts-ignore: decorator
@external("extism:host/env", "input_load_u64")
declare function input_load_u64(offset: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "alloc")
declare function alloc(length: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "free")
declare function free(offset: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "length")
declare function length(offset: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "load_u8")
declare function load_u8(offset: u64): u32;
// @ts-ignore: decorator
@external("extism:host/env", "load_u64")
declare function load_u64(offset: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "store_u8")
declare function store_u8(offset: u64, byte: u32): void;
// @ts-ignore: decorator
@external("extism:host/env", "store_u64")
declare function store_u64(offset: u64, word: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "output_set")
declare function output_set(offset: u64, length: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "error_set")
declare function error_set(offset: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "config_get")
declare function config_get(key: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "block_read")
declare function block_read(block: u64, address: usize): void;
// @ts-ignore: decorator
@external("trama:host/v1", "block_write")
declare function block_write(address: usize, length: usize): u64;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(clock: u32, precision: u64, nanoseconds: usize): u32;

/** Whether the host has called trama_input in this call. */
let bulk: bool = false;
let bulkInput: ArrayBuffer | null = null;
let bulkOutput: ArrayBuffer | null = null;
let bulkOutputLength: i32 = 0;

/** The host calls this before an entry and fills the buffer, which begins at the address. */
export function trama_input(length: i32): usize {
  const buffer = raw(length);
  // A call may start in an image that another one has left.
  bulk = true;
  bulkInput = buffer;
  bulkOutput = null;
  bulkOutputLength = 0;
  return changetype<usize>(buffer);
}

/** The host calls this after the entry: address and length of the output. */
export function trama_output(): u64 {
  if (bulkOutputLength == 0) return 0;
  return <u64>changetype<usize>(bulkOutput) << 32 | <u64>bulkOutputLength;
}

/** A buffer whose bytes will all be written: they are not cleared. */
// @ts-ignore: decorator
@inline
function raw(length: i32): ArrayBuffer {
  return changetype<ArrayBuffer>(__new(<usize>length, idof<ArrayBuffer>()));
}

export function readInput(): ArrayBuffer {
  if (bulk) return bulkInput!;
  const n = input_length();
  const data = raw(<i32>n);
  const to = changetype<usize>(data);
  let i: u64 = 0;
  for (; i + 8 <= n; i += 8) store<u64>(to + <usize>i, input_load_u64(i));
  for (; i < n; i++) store<u8>(to + <usize>i, input_load_u8(i));
  return data;
}

/** Sets the first bytes of data as the output. The block stays: the host reads it after the call. */
export function writeOutput(data: ArrayBuffer, length: i32): void {
  if (bulk) {
    bulkOutput = data;
    bulkOutputLength = length;
    return;
  }
  output_set(storeBlock(changetype<usize>(data), length), <u64>length);
}

export function writeError(text: string): void {
  error_set(storeText(text));
}

export function readConfig(key: string): string | null {
  const name = storeText(key);
  const block = config_get(name);
  free(name);
  if (block == 0) return null;
  const n = length(block);
  const data = raw(<i32>n);
  const to = changetype<usize>(data);
  let i: u64 = 0;
  for (; i + 8 <= n; i += 8) store<u64>(to + <usize>i, load_u64(block + i));
  for (; i < n; i++) store<u8>(to + <usize>i, load_u8(block + i));
  free(block);
  return String.UTF8.decode(data);
}

/** Copies text into a new block. */
export function storeText(text: string): u64 {
  const data = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  return storeBlock(changetype<usize>(data), data.byteLength);
}

/** Copies bytes into a new block; none give 0, no block. */
function storeBlock(from: usize, n: i32): u64 {
  if (n == 0) return 0;
  const block = alloc(<u64>n);
  if (block == 0) unreachable(); // without room for a block there is none for a message either
  let i = 0;
  for (; i + 8 <= n; i += 8) store_u64(block + <u64>i, load<u64>(from + i));
  for (; i < n; i++) store_u8(block + <u64>i, load<u8>(from + i));
  return block;
}

/** Makes the block of a request, of the first bytes of data. */
export function requestBlock(data: ArrayBuffer, length: i32): u64 {
  return length == 0 ? 0 : block_write(changetype<usize>(data), length);
}

/** Takes the block of a reply. */
export function takeReply(block: u64): ArrayBuffer {
  const data = raw(block == 0 ? 0 : <i32>length(block));
  if (block != 0) {
    block_read(block, changetype<usize>(data));
    free(block);
  }
  return data;
}

/** Milliseconds since the Unix epoch, of the host's clock. */
export function clockMillis(): i64 {
  const REALTIME: u32 = 0;
  const at = memory.data(8, 8);
  const errno = clock_time_get(REALTIME, 1000000, at);
  if (errno != 0) throw new Error("the host has no clock: errno " + errno.toString() + " of WASI");
  return <i64>(load<u64>(at) / 1000000);
}
