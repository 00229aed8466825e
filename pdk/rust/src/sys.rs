//! The Extism ABI and Trama's namespace, as far as plugins need them. Offsets
//! and lengths count bytes of the host's block memory, which is not the
//! plugin's own.
//!
//! The linker leaves out the imports that a plugin never reaches: what only
//! computes runs in any host that speaks Extism.

use alloc::vec::Vec;

#[link(wasm_import_module = "extism:host/env")]
extern "C" {
    fn input_length() -> u64;
    fn input_load_u8(offset: u64) -> u32;
    fn input_load_u64(offset: u64) -> u64;
    fn alloc(length: u64) -> u64;
    fn free(offset: u64);
    fn length(offset: u64) -> u64;
    fn load_u8(offset: u64) -> u32;
    fn load_u64(offset: u64) -> u64;
    fn store_u8(offset: u64, byte: u32);
    fn store_u64(offset: u64, word: u64);
    fn output_set(offset: u64, length: u64);
    fn error_set(offset: u64);
    fn config_get(key: u64) -> u64;
    fn log_debug(text: u64);
    fn log_info(text: u64);
    fn log_warn(text: u64);
    fn log_error(text: u64);
}

#[link(wasm_import_module = "trama:host/v1")]
extern "C" {
    fn block_read(block: u64, address: *mut u8);
    fn block_write(address: *const u8, length: usize) -> u64;
    fn http_send(request: u64) -> u64;
    fn secret_ref(request: u64) -> u64;
    fn sign(request: u64) -> u64;
    fn verify(request: u64) -> u64;
    fn effect_id(request: u64) -> u64;
    fn deadline(request: u64) -> u64;
    fn random(request: u64) -> u64;
    fn kv_get(request: u64) -> u64;
    fn kv_set(request: u64) -> u64;
    fn kv_delete(request: u64) -> u64;
    fn kv_list(request: u64) -> u64;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
}

/// One function of Trama's namespace: from the block of a request to the
/// block of a reply.
pub type Function = unsafe extern "C" fn(u64) -> u64;

pub const HTTP_SEND: Function = http_send;
pub const SECRET_REF: Function = secret_ref;
pub const SIGN: Function = sign;
pub const VERIFY: Function = verify;
pub const EFFECT_ID: Function = effect_id;
pub const DEADLINE: Function = deadline;
pub const RANDOM: Function = random;
pub const KV_GET: Function = kv_get;
pub const KV_SET: Function = kv_set;
pub const KV_DELETE: Function = kv_delete;
pub const KV_LIST: Function = kv_list;

/// One of Extism's log functions.
pub type Log = unsafe extern "C" fn(u64);

pub const LOG_DEBUG: Log = log_debug;
pub const LOG_INFO: Log = log_info;
pub const LOG_WARN: Log = log_warn;
pub const LOG_ERROR: Log = log_error;

/// What goes by the bulk exports in this call. A plugin has one thread, and
/// a call is entered once, so nothing else holds this while it is touched.
struct Bulk {
    /// The host has called trama_input in this call.
    on: bool,
    input: Vec<u8>,
    output: Vec<u8>,
}

static mut BULK: Bulk = Bulk { on: false, input: Vec::new(), output: Vec::new() };

fn bulk() -> &'static mut Bulk {
    // The raw pointer is for newer compilers, which warn of a reference.
    unsafe { &mut *core::ptr::addr_of_mut!(BULK) }
}

/// Room for the values of a usual call, taken at the first call: the host has
/// it in the image from which all calls start, and they need not grow the
/// memory, which costs more than the call.
const HEAP: usize = 512 << 10;

/// The host calls this before an entry and fills the buffer: see the notes on
/// bulk transfer in the PDK's contract. 0 says that there is no memory for it.
#[no_mangle]
pub extern "C" fn trama_input(length: u32) -> *mut u8 {
    let bulk = bulk();
    // A call may start in an image that another one has left.
    *bulk = Bulk { on: false, input: Vec::new(), output: Vec::new() };
    if bulk.input.try_reserve_exact(HEAP).is_err() {
        return core::ptr::null_mut();
    }
    bulk.input = Vec::new();
    let length = length as usize;
    if length > isize::MAX as usize || bulk.input.try_reserve_exact(length.max(1)).is_err() {
        return core::ptr::null_mut();
    }
    bulk.on = true;
    // The host writes the bytes before anything reads them.
    #[allow(clippy::uninit_vec)]
    unsafe {
        bulk.input.set_len(length)
    };
    bulk.input.as_mut_ptr()
}

/// The host calls this after the entry: address and length of the output.
#[no_mangle]
pub extern "C" fn trama_output() -> u64 {
    let output = &bulk().output;
    match output.len() {
        0 => 0,
        length => (output.as_ptr() as u64) << 32 | length as u64,
    }
}

/// Gives the input. It is handed over: the second time it is empty.
pub fn take_input() -> Vec<u8> {
    if bulk().on {
        return core::mem::take(&mut bulk().input);
    }
    unsafe {
        let mut data = Vec::new();
        read(&mut data, 0, input_length(), input_load_u64, input_load_u8);
        data
    }
}

/// Sets the output. The block stays: the host reads it after the call.
pub fn set_output(data: Vec<u8>) {
    if bulk().on {
        bulk().output = data;
        return;
    }
    unsafe { output_set(store(&data), data.len() as u64) }
}

pub fn set_error(text: &str) {
    unsafe { error_set(store(text.as_bytes())) }
}

pub fn config(key: &str) -> Option<Vec<u8>> {
    unsafe {
        let name = store(key.as_bytes());
        let block = config_get(name);
        free(name);
        match block {
            0 => None,
            block => Some(take(block)),
        }
    }
}

/// The host frees the block of a line.
pub fn log(function: Log, text: &str) {
    unsafe { function(store(text.as_bytes())) }
}

/// Passes a request, which the host frees, and takes the reply. No data means
/// no request.
pub fn exchange(function: Function, request: &[u8]) -> Vec<u8> {
    unsafe {
        let request = match request.len() {
            0 => 0,
            n => block_write(request.as_ptr(), n),
        };
        let block = function(request);
        let mut reply: Vec<u8> = Vec::new();
        if block != 0 {
            let n = length(block) as usize;
            reply.reserve_exact(n);
            block_read(block, reply.as_mut_ptr());
            reply.set_len(n);
            free(block);
        }
        reply
    }
}

pub fn now_millis() -> u64 {
    const REALTIME: u32 = 0;
    let mut nanoseconds = 0;
    match unsafe { clock_time_get(REALTIME, 1_000_000, &mut nanoseconds) } {
        0 => nanoseconds / 1_000_000,
        errno => panic!("the host has no clock: errno {} of WASI", errno),
    }
}

/// Copies data into a new block; no data gives 0, no block.
unsafe fn store(data: &[u8]) -> u64 {
    if data.is_empty() {
        return 0;
    }
    let block = alloc(data.len() as u64);
    if block == 0 {
        // Without room for a block there is none for a message either.
        core::arch::wasm32::unreachable();
    }
    let mut offset = block;
    let words = data.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        store_u64(offset, word.iter().rev().fold(0, |all, byte| all << 8 | *byte as u64));
        offset += 8;
    }
    for byte in rest {
        store_u8(offset, *byte as u32);
        offset += 1;
    }
    block
}

/// Copies a block and frees it.
unsafe fn take(block: u64) -> Vec<u8> {
    let mut data = Vec::new();
    read(&mut data, block, length(block), load_u64, load_u8);
    free(block);
    data
}

/// Reads eight bytes at a time. The rest goes byte by byte: a load may not
/// pass the end of the host's memory.
unsafe fn read(
    data: &mut Vec<u8>,
    mut offset: u64,
    length: u64,
    load8: unsafe extern "C" fn(u64) -> u64,
    load1: unsafe extern "C" fn(u64) -> u32,
) {
    data.reserve_exact(length as usize);
    let end = offset + length;
    while offset + 8 <= end {
        data.extend_from_slice(&load8(offset).to_le_bytes());
        offset += 8;
    }
    while offset < end {
        data.push(load1(offset) as u8);
        offset += 1;
    }
}
