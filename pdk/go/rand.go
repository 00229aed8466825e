package pdk

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
)

// Rand gives a generator whose numbers all come from crypto/rand, and so from
// the host. It keeps no state: it may stand in a package variable, and no call
// repeats another's numbers. A number costs a host call; what draws very many
// takes a seed from it in each call:
//
//	r := rand.New(rand.NewPCG(pdk.Rand().Uint64(), pdk.Rand().Uint64()))
//
// # Why not math/rand
//
// A host may start every call from an image of the plugin's memory, and Go
// keeps the state of its own generators there: the top-level functions of
// math/rand and math/rand/v2 then give the same numbers in every call, as do
// [hash/maphash.MakeSeed] and the order of a range over a map. Nothing can
// reseed them from outside. crypto/rand and the clock always ask the host. A
// plugin whose libraries need those functions to differ between calls says
// "image": "none" in its manifest, and pays for a new instance in every call.
func Rand() *rand.Rand { return rand.New(hostSource{}) }

// hostSource is a rand.Source without state.
type hostSource struct{}

func (hostSource) Uint64() uint64 {
	var bytes [8]byte
	crand.Read(bytes[:]) // never fails: it would end the program
	return binary.LittleEndian.Uint64(bytes[:])
}
