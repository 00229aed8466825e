package author

// Languages lists the languages that plugins can be written in.
func Languages() []Language {
	return []Language{golang(), rust(), c(), assemblyscript(), zig(), javascript(), typescript()}
}
