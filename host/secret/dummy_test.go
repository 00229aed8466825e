package secret

import (
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

func TestDummySignsWithEveryAlgorithm(t *testing.T) {
	s := NewDummy()
	for _, alg := range abi.SignAlgorithms() {
		signature, err := s.Sign("orders_key", alg, []byte("data"))
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if ok, err := s.Verify("orders_key", alg, []byte("data"), signature); err != nil || !ok {
			t.Errorf("%s: verified %v, %v", alg, ok, err)
		}
		if ok, err := s.Verify("orders_key", alg, []byte("other"), signature); err != nil || ok {
			t.Errorf("%s: other data verified %v, %v", alg, ok, err)
		}
	}
	if v, err := s.Open("any"); err != nil || len(v.Reveal()) < 32 {
		t.Errorf("any secret: %v", err)
	}
	if _, err := s.Open("Not A Name"); err == nil {
		t.Error("a bad name was taken")
	}
}
