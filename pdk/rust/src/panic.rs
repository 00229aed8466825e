//! A panic becomes the call's error: its text and place go to the host before
//! the trap that ends the call.

use alloc::string::String;
use core::fmt::Write;

/// Sets the hook that std calls at a panic.
#[cfg(feature = "std")]
pub(crate) fn tell_host() {
    std::panic::set_hook(std::boxed::Box::new(|info| {
        let text = match (info.payload().downcast_ref::<&str>(), info.payload().downcast_ref::<String>()) {
            (Some(text), _) => text,
            (_, Some(text)) => text.as_str(),
            _ => "no message",
        };
        tell(format_args!("{}", text), info.location());
    }));
}

fn tell(message: core::fmt::Arguments, location: Option<&core::panic::Location>) {
    let mut text = String::from("the plugin panicked: ");
    // Writing to a String fails only if a Display of the plugin's does; what
    // it wrote until then is told.
    let _ = text.write_fmt(message);
    if let Some(place) = location {
        let _ = write!(text, ", at {}:{}", place.file(), place.line());
    }
    crate::sys::set_error(&text);
}

#[cfg(all(feature = "panic-handler", not(feature = "std")))]
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo) -> ! {
    tell(format_args!("{}", info), None);
    core::arch::wasm32::unreachable()
}
