package access

import "container/list"

// lru is a map that holds a bounded number of entries and lets go of the one
// that was not used for longest. Its owner locks it.
type lru[K comparable, V any] struct {
	max    int
	index  map[K]*list.Element
	order  *list.List // of *entryOf[K, V], the last used in front
	onDrop func(key K, value V)
}

type entryOf[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	return &lru[K, V]{max: max, index: map[K]*list.Element{}, order: list.New()}
}

// get gives the entry of a key, which may be changed, or nil.
func (l *lru[K, V]) get(key K) *V {
	e, ok := l.index[key]
	if !ok {
		return nil
	}
	l.order.MoveToFront(e)
	return &e.Value.(*entryOf[K, V]).value
}

// add makes an entry for a key that has none.
func (l *lru[K, V]) add(key K, value V) *V {
	if len(l.index) >= l.max {
		e := l.order.Back()
		last := l.order.Remove(e).(*entryOf[K, V])
		delete(l.index, last.key)
		if l.onDrop != nil {
			l.onDrop(last.key, last.value)
		}
	}
	added := &entryOf[K, V]{key, value}
	l.index[key] = l.order.PushFront(added)
	return &added.value
}

// of gives the entry of a key, a new one if it has none.
func (l *lru[K, V]) of(key K) *V {
	if v := l.get(key); v != nil {
		return v
	}
	var zero V
	return l.add(key, zero)
}
