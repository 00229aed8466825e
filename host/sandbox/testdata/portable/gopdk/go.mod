// A module of its own: the plugin must be what any author of an Extism plugin
// would write, and knows nothing of this repository.
module example.com/gopdk

go 1.26

require github.com/extism/go-pdk v1.1.3
