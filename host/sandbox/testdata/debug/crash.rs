// Crashes three calls deep, and has line tables. A panic says why by error_set,
// as a module without WASI has nowhere else to say it.
#![no_std]

use core::fmt::Write;

#[link(wasm_import_module = "extism:host/env")]
extern "C" {
    fn alloc(n: u64) -> u64;
    fn store_u8(at: u64, byte: u32);
    fn error_set(at: u64);
}

struct Text {
    bytes: [u8; 500],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        for byte in part.bytes().take(500 - self.length) {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

#[panic_handler]
fn on_panic(info: &core::panic::PanicInfo) -> ! {
    let mut text = Text { bytes: [0; 500], length: 0 };
    let _ = write!(text, "{}", info);
    unsafe {
        let at = alloc(text.length as u64);
        for i in 0..text.length {
            store_u8(at + i as u64, text.bytes[i] as u32);
        }
        error_set(at);
    }
    core::arch::wasm32::unreachable()
}

pub struct Order<'a> {
    items: &'a [u32],
}

impl Order<'_> {
    #[inline(never)]
    fn price(&self, i: usize) -> u32 {
        self.items[i]
    }

    #[inline(always)]
    fn twice(&self, i: usize) -> u32 {
        self.price(i) * 2
    }
}

#[inline(never)]
fn total(order: &Order) -> u32 {
    order.twice(7)
}

#[no_mangle]
pub extern "C" fn deep() -> i32 {
    total(&Order { items: &[1, 2, 3] }) as i32
}
