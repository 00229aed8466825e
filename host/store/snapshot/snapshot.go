// Package snapshot is the form in which the content of a store leaves it: one
// stream of entries that no engine owns, with revisions, positions and ends of
// life, closed by counts and checksums. What was cut or changed is refused.
//
// The stream is
//
//	"trama snapshot 1\n" sequence time    uvarint, varint ms since 1970
//	entry...
//	0 length summary                      byte, uvarint, JSON
//	sha256 of all before                  32 bytes
//
// and an entry is its section (one byte, not 0), kind, name, number, time and
// value: texts as uvarint length and bytes, the number as uvarint, the time as
// varint. Entries rise strictly in (section, kind, length of name if it is an
// item, name, number). The checksum tells damage, not forgery: who can write
// the file can write another.
//
// The package must not know an engine, nor what the values mean.
package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

const magic = "trama snapshot 1\n"

// Section says what an entry is. They come in the order of their numbers.
type Section byte

// The sections, and what the fields of an entry mean there.
const (
	Records Section = 1 + iota // kind, key, revision, expiry, value
	Items                      // -, queue, position, -, value
	Marks                      // -, mark, -, expiry, -
	Wakes                      // -, key, revision, instant, -
	Txs                        // -, tx, -, expiry, -
	Files                      // directory, path, offset, -, bytes
)

func (s Section) String() string {
	names := [...]string{Records: "records", Items: "items", Marks: "marks", Wakes: "wakes", Txs: "transactions", Files: "files"}
	if int(s) < len(names) && names[s] != "" {
		return names[s]
	}
	return fmt.Sprintf("section %d", byte(s))
}

// Entry is one thing in a snapshot. Time is in milliseconds since 1970 where
// it is an expiry (0: never), and in nanoseconds where it is an instant.
type Entry struct {
	Section Section
	Kind    string
	Name    string
	Number  uint64
	Time    int64
	Value   []byte
}

// expires returns the end of an entry's life in milliseconds; 0 is never.
func (e *Entry) expires() int64 {
	switch e.Section {
	case Records, Marks, Txs:
		return e.Time
	}
	return 0
}

func (e *Entry) compare(o *Entry) int {
	length := 0
	if e.Section == Items {
		length = cmp.Compare(len(e.Name), len(o.Name))
	}
	return cmp.Or(cmp.Compare(e.Section, o.Section), strings.Compare(e.Kind, o.Kind), length,
		strings.Compare(e.Name, o.Name), cmp.Compare(e.Number, o.Number))
}

// appendTo appends the encoded entry.
func (e *Entry) appendTo(b []byte) []byte {
	b = append(b, byte(e.Section))
	b = append(binary.AppendUvarint(b, uint64(len(e.Kind))), e.Kind...)
	b = append(binary.AppendUvarint(b, uint64(len(e.Name))), e.Name...)
	b = binary.AppendUvarint(b, e.Number)
	b = binary.AppendVarint(b, e.Time)
	return append(binary.AppendUvarint(b, uint64(len(e.Value))), e.Value...)
}

// Sum counts the entries of one section and kind.
type Sum struct {
	Section string `json:"section"`
	Kind    string `json:"kind,omitempty"`
	Count   int64  `json:"count"`
	Bytes   int64  `json:"bytes"`  // of the values
	SHA256  string `json:"sha256"` // of the encoded entries
}

// Summary is what a snapshot says of itself.
type Summary struct {
	Sequence uint64    `json:"sequence"` // the last revision or position given
	Time     time.Time `json:"time"`     // when it was taken
	Sums     []Sum     `json:"sums"`
}

// sums adds up entries that come in order.
type sums struct {
	done []Sum
	last Entry // without its value
	hash hash.Hash
}

// add takes the next entry and its encoding.
func (s *sums) add(e *Entry, encoded []byte) {
	if s.hash == nil || s.last.Section != e.Section || s.last.Kind != e.Kind {
		s.end()
		s.done, s.hash = append(s.done, Sum{Section: e.Section.String(), Kind: e.Kind}), sha256.New()
	}
	s.last = Entry{Section: e.Section, Kind: e.Kind, Name: e.Name, Number: e.Number}
	s.hash.Write(encoded)
	sum := &s.done[len(s.done)-1]
	sum.Count++
	sum.Bytes += int64(len(e.Value))
}

func (s *sums) end() {
	if s.hash != nil {
		s.done[len(s.done)-1].SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	}
}

// Writer writes a snapshot. It stops at the first error and repeats it.
type Writer struct {
	w       *bufio.Writer
	all     hash.Hash
	sums    sums
	summary Summary
	buffer  []byte
	err     error
}

// NewWriter begins a snapshot with the last sequence number that was given.
func NewWriter(w io.Writer, sequence uint64, at time.Time) *Writer {
	s := &Writer{all: sha256.New(), summary: Summary{Sequence: sequence, Time: at}}
	s.w = bufio.NewWriterSize(io.MultiWriter(w, s.all), 64<<10)
	s.write(binary.AppendVarint(binary.AppendUvarint([]byte(magic), sequence), at.UnixMilli()))
	return s
}

func (s *Writer) write(b []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
}

// Put writes an entry. The order of entries is the writer's duty.
func (s *Writer) Put(e Entry) error {
	if s.err == nil && s.sums.last.Section != 0 && e.compare(&s.sums.last) <= 0 {
		s.err = fmt.Errorf("snapshot: %s %q %d after %q %d: out of order", e.Section, e.Name, e.Number, s.sums.last.Name, s.sums.last.Number)
	}
	if s.err != nil {
		return s.err
	}
	s.buffer = e.appendTo(s.buffer[:0])
	s.sums.add(&e, s.buffer)
	s.write(s.buffer)
	return s.err
}

// Close ends the snapshot; without it, nobody takes it for one.
func (s *Writer) Close() error {
	s.sums.end()
	s.summary.Sums = s.sums.done
	text, err := json.Marshal(s.summary)
	if err != nil {
		return err
	}
	s.write(append(binary.AppendUvarint([]byte{0}, uint64(len(text))), text...))
	if s.err == nil {
		s.err = s.w.Flush()
	}
	s.write(s.all.Sum(nil))
	if s.err == nil {
		s.err = s.w.Flush()
	}
	return s.err
}

// ErrDamaged: the stream was cut or changed, or is no snapshot.
var ErrDamaged = errors.New("the backup is damaged or not complete")

// Bounds of what a stream may ask a reader to hold.
const (
	maxText    = 64 << 10
	maxValue   = 64 << 20
	maxSummary = 64 << 20
)

// Reader reads a snapshot.
type Reader struct {
	// Summary is known in part from the beginning (Sequence, Time) and whole
	// after Next has given io.EOF.
	Summary Summary

	r      *bufio.Reader
	all    hash.Hash
	sums   sums
	offset int64
	buffer []byte // what was read since it was last hashed
}

// NewReader begins to read at the start of a snapshot. It reads no further
// than its end, so that something can follow it.
func NewReader(r *bufio.Reader) (*Reader, error) {
	s := &Reader{r: r, all: sha256.New()}
	if head, err := s.read(uint64(len(magic)), maxText); err != nil || string(head) != magic {
		return nil, fmt.Errorf("%w: it does not begin as a snapshot of this format (want %q)", ErrDamaged, strings.TrimSpace(magic))
	}
	var at int64
	err := s.numbers(&s.Summary.Sequence, &at)
	s.Summary.Time = time.UnixMilli(at).UTC()
	return s, err
}

// Next returns the next entry, or io.EOF after the last if all is as it was
// written. Whoever keeps what it read before that must throw it away on any
// other error.
func (s *Reader) Next() (Entry, error) {
	s.all.Write(s.buffer)
	s.buffer = s.buffer[:0]
	section, err := s.ReadByte()
	if err != nil {
		return Entry{}, s.damaged(err)
	}
	if section == 0 {
		return Entry{}, s.trailer()
	}
	e := Entry{Section: Section(section)}
	var n uint64
	text := func(into *string) {
		if err == nil {
			if err = s.numbers(&n, nil); err == nil {
				var b []byte
				b, err = s.read(n, maxText)
				*into = string(b)
			}
		}
	}
	text(&e.Kind)
	text(&e.Name)
	if err == nil {
		err = s.numbers(&e.Number, &e.Time)
	}
	if err == nil {
		if err = s.numbers(&n, nil); err == nil {
			var b []byte
			if b, err = s.read(n, maxValue); err == nil {
				e.Value = bytes.Clone(b)
			}
		}
	}
	if err != nil {
		return Entry{}, err
	}
	if e.Section > Files || s.sums.last.Section != 0 && e.compare(&s.sums.last) <= 0 {
		return Entry{}, s.damaged(fmt.Errorf("%s %q %d is out of order", e.Section, e.Name, e.Number))
	}
	s.sums.add(&e, s.buffer)
	return e, nil
}

// trailer compares what was read with what was written.
func (s *Reader) trailer() error {
	var n uint64
	if err := s.numbers(&n, nil); err != nil {
		return err
	}
	text, err := s.read(n, maxSummary)
	if err != nil {
		return err
	}
	var written Summary
	if err := json.Unmarshal(text, &written); err != nil {
		return s.damaged(err)
	}
	s.all.Write(s.buffer)
	s.buffer = s.buffer[:0]
	want, err := s.read(sha256.Size, maxText)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, s.all.Sum(nil)) {
		return s.damaged(errors.New("the checksum is another"))
	}
	s.sums.end()
	s.Summary.Sums = s.sums.done
	return io.EOF
}

// ReadByte implements io.ByteReader for the varints.
func (s *Reader) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		s.offset++
		s.buffer = append(s.buffer, b)
	}
	return b, err
}

// numbers reads an unsigned and a signed number; either may be nil.
func (s *Reader) numbers(n *uint64, t *int64) (err error) {
	if n != nil {
		*n, err = binary.ReadUvarint(s)
	}
	if t != nil && err == nil {
		*t, err = binary.ReadVarint(s)
	}
	return s.damaged(err)
}

// read returns n bytes, valid until the next call of Next.
func (s *Reader) read(n, limit uint64) ([]byte, error) {
	if n > limit {
		return nil, s.damaged(fmt.Errorf("a length of %d", n))
	}
	from := len(s.buffer)
	for left := int(n); left > 0; { // grows with what is there, not with what is claimed
		step := min(left, 64<<10)
		at := len(s.buffer)
		s.buffer = append(s.buffer, make([]byte, step)...)
		if _, err := io.ReadFull(s.r, s.buffer[at:]); err != nil {
			return nil, s.damaged(err)
		}
		s.offset += int64(step)
		left -= step
	}
	return s.buffer[from:], nil
}

// damaged says where reading ended.
func (s *Reader) damaged(err error) error {
	switch {
	case err == nil || errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends at byte %d", ErrDamaged, s.offset)
	}
	return fmt.Errorf("%w: at byte %d: %w", ErrDamaged, s.offset, err)
}

// Summarize reads a whole snapshot. If until is not zero, the sums leave out
// what ends before it: so two snapshots of one content that were taken at
// different times compare equal.
func Summarize(r *bufio.Reader, until time.Time) (Summary, error) {
	s, err := NewReader(r)
	if err != nil {
		return Summary{}, err
	}
	var left sums
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Summary{}, err
		}
		if end := e.expires(); until.IsZero() || end == 0 || end >= until.UnixMilli() {
			left.add(&e, e.appendTo(nil))
		}
	}
	left.end()
	s.Summary.Sums = left.done
	return s.Summary, nil
}
