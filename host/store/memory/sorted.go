package memory

import "slices"

// chunkSize is how many elements a chunk of a sorted set has at most. A change
// moves one chunk's elements at most, whatever the size of the set.
const chunkSize = 512

// sorted is a set in order, in chunks. No chunk is empty.
type sorted[T any] struct {
	compare func(a, b T) int
	chunks  [][]T
}

// seek returns where the first element not below x is, or would be: the index
// of a chunk, or of the end, and the index in it.
func (s *sorted[T]) seek(x T) (chunk, i int) {
	chunk, _ = slices.BinarySearchFunc(s.chunks, x, func(c []T, x T) int { return s.compare(c[len(c)-1], x) })
	if chunk == len(s.chunks) {
		return chunk, 0
	}
	i, _ = slices.BinarySearchFunc(s.chunks[chunk], x, s.compare)
	return chunk, i
}

// add puts x into the set, if it is not there.
func (s *sorted[T]) add(x T) {
	if len(s.chunks) == 0 {
		s.chunks = [][]T{{x}}
		return
	}
	c, i := s.seek(x)
	if c == len(s.chunks) { // after the last
		c--
		i = len(s.chunks[c])
	} else if s.compare(s.chunks[c][i], x) == 0 {
		return
	}
	if len(s.chunks[c]) == chunkSize {
		// What grows at its end, as queues do, leaves full chunks behind.
		at := chunkSize / 2
		if i == chunkSize {
			at = chunkSize
		}
		rest := make([]T, chunkSize-at, chunkSize)
		copy(rest, s.chunks[c][at:])
		clear(s.chunks[c][at:])
		s.chunks[c] = s.chunks[c][:at]
		s.chunks = slices.Insert(s.chunks, c+1, rest)
		if i > at || at == chunkSize {
			c, i = c+1, i-at
		}
	}
	s.chunks[c] = slices.Insert(s.chunks[c], i, x)
}

// remove takes x out, if it is there.
func (s *sorted[T]) remove(x T) {
	c, i := s.seek(x)
	if c == len(s.chunks) || s.compare(s.chunks[c][i], x) != 0 {
		return
	}
	s.chunks[c] = slices.Delete(s.chunks[c], i, i+1)
	if len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
	}
}

// up calls each for the elements that are not below from, until it returns
// false.
func (s *sorted[T]) up(from T, each func(T) bool) {
	c, i := s.seek(from)
	for ; c < len(s.chunks); c, i = c+1, 0 {
		for _, x := range s.chunks[c][i:] {
			if !each(x) {
				return
			}
		}
	}
}

// down calls each for the elements below from, the greatest first, until it
// returns false.
func (s *sorted[T]) down(from T, each func(T) bool) {
	c, i := s.seek(from)
	s.back(c, i, each)
}

// back is down, from where seek points.
func (s *sorted[T]) back(c, i int, each func(T) bool) {
	for {
		for i--; i >= 0; i-- {
			if !each(s.chunks[c][i]) {
				return
			}
		}
		if c--; c < 0 {
			return
		}
		i = len(s.chunks[c])
	}
}
