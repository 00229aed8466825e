package contact

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Written gives an address as its service writes it, by the forms of the
// service's adapter: people write spaces and signs in numbers. Without forms, any
// address is as it should be.
func Written(forms []abi.AddressForm, a abi.Address) (abi.Address, error) {
	if len(forms) == 0 {
		return a, nil
	}
	var schemes []string
	for _, form := range forms {
		if form.Scheme != a.Scheme {
			schemes = append(schemes, form.Scheme)
			continue
		}
		pattern, err := regexp.Compile(`^(?:` + form.Pattern + `)$`)
		if err != nil {
			return a, fmt.Errorf("pattern: %w", err)
		}
		bare := strings.Map(func(r rune) rune {
			if strings.ContainsRune(form.Strip, r) {
				return -1
			}
			return r
		}, a.Path)
		for _, path := range []string{a.Path, bare} {
			if pattern.MatchString(path) {
				a.Path = path
				return a, CheckAddress(a)
			}
		}
		return a, fmt.Errorf("%.80q is no address of the service: want one such as %s:%s", a, form.Scheme, form.Example)
	}
	return a, fmt.Errorf("%.80q is no address of the service: want the scheme %s", a, strings.Join(schemes, " or "))
}
