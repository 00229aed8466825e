package rest

import (
	"errors"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Bounds say how much of a listing is read. They are part of an operation's
// input.
type Bounds struct {
	// MaxItems is how many items are given; 0: as many as one page has.
	MaxItems int `json:"max_items"`
	// Cursor goes on where an earlier call ended; empty: at the beginning.
	Cursor string `json:"cursor"`
}

// MaxItems is how many items one call may give, and MaxPages how many requests
// it may send for them.
const (
	MaxItems = 10_000
	MaxPages = 32 // what a host grants a call by default
)

// Page is what a listing gave. Cursor is empty at the end of the listing.
type Page[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor,omitempty"`
}

// Lister is how a service lists.
type Lister[T any] struct {
	// Size is the service's largest page, and what is asked for at first.
	Size int
	// Whole says that pages are counted, and so must all be of one size: then
	// the page that reaches MaxItems is given whole.
	Whole bool
	// Next gets one page of up to size items, which begins at the cursor, and
	// says where the next one begins; empty: nowhere. An error [abi.CodeLimit]
	// is one of the call that begins there: an earlier one gives what it has,
	// and the cursor.
	Next func(cursor string, size int) (items []T, next string, err error)
}

// List reads pages until the bounds or the end.
func (l Lister[T]) List(b Bounds) (Page[T], error) {
	switch {
	case b.MaxItems < 0 || b.MaxItems > MaxItems:
		return Page[T]{}, pdk.Errorf(abi.CodeInvalid, "max_items: %d is not between 1 and %d; use the cursor of the output for more", b.MaxItems, MaxItems)
	case b.MaxItems == 0:
		b.MaxItems = l.Size
	}
	page := Page[T]{Items: []T{}, Cursor: b.Cursor}
	size := min(l.Size, b.MaxItems)
	for range MaxPages {
		if left := b.MaxItems - len(page.Items); !l.Whole && left < size {
			size = left
		}
		items, next, err := l.Next(page.Cursor, size)
		if over, is := errors.AsType[*abi.Error](err); is && over.Code == abi.CodeLimit && len(page.Items) > 0 {
			break
		}
		if err != nil {
			return Page[T]{}, err
		}
		page.Items = append(page.Items, items...)
		if next != "" && next == page.Cursor {
			return Page[T]{}, &abi.Error{Code: CodeAnswer, Message: "the service's pages lead back to themselves, at cursor " + next}
		}
		page.Cursor = next
		if next == "" || len(page.Items) >= b.MaxItems {
			break
		}
	}
	return page, nil
}
