package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Format is the version of everything in this file. A directory of another
// format is refused at Open.
const format = 1

// The keys. The first byte says what an entry is; numbers are big-endian, so
// that bytes sort as the numbers do.
//
//	'm' "seq"                          the last sequence number used: u64
//	'r' kind 0 key                     a record: revision u64, expiry u64, body
//	'q' len(queue) u16, queue, pos u64 an item: body
//	'h' queue                          no item of the queue is below: u64
//	'd' mark                           a dedup mark: expiry u64
//	'w' key                            the wake of a key: instant u64, revision u64
//	't' instant u64, key               the same in due order: revision u64
//	'x' tx                             a transaction was applied: revision u64
//	'b' name [16]                      a blob file is in use: nothing
//
// An expiry is in milliseconds since 1970, 0 for none; an instant is in
// nanoseconds since 1970, shifted so that times before it sort first. A body is
// byte 0 and the value, or byte 1 and a blobRef.
const (
	keyRecord = 'r'
	keyItem   = 'q'
	keyHead   = 'h'
	keyMark   = 'd'
	keyWake   = 'w'
	keyDue    = 't'
	keyTx     = 'x'
	keyBlob   = 'b'
)

const (
	bodyInline = 0
	bodyBlob   = 1

	recordHeader = 16 // revision and expiry, before the body
	blobRefSize  = 16 + 4 + 4
)

var errCorrupt = errors.New("entry is damaged")

// seqKey returns the key of the sequence number.
func seqKey() []byte { return []byte("mseq") }

func recordKey(id store.ID) []byte {
	k := make([]byte, 0, 2+len(id.Kind)+len(id.Key))
	k = append(k, keyRecord)
	k = append(k, id.Kind...)
	k = append(k, 0)
	return append(k, id.Key...)
}

// recordPrefix is what the keys of all records of a kind start with; no other
// key lies between it and recordEnd.
func recordPrefix(kind store.Kind) []byte { return recordKey(store.ID{Kind: kind}) }

func recordEnd(kind store.Kind) []byte {
	k := recordPrefix(kind)
	k[len(k)-1] = 1
	return k
}

func itemKey(queue string, pos store.Position) []byte {
	return binary.BigEndian.AppendUint64(itemPrefix(queue), uint64(pos))
}

func itemPrefix(queue string) []byte {
	k := make([]byte, 0, 3+len(queue)+8)
	k = append(k, keyItem)
	k = binary.BigEndian.AppendUint16(k, uint16(len(queue)))
	return append(k, queue...)
}

// itemPosition returns the position in the key of an item.
func itemPosition(key []byte) (store.Position, error) {
	if len(key) < 11 || key[0] != keyItem {
		return 0, fmt.Errorf("item key %q: %w", key, errCorrupt)
	}
	return store.Position(binary.BigEndian.Uint64(key[len(key)-8:])), nil
}

// nameKey is the key of an entry that is named by one string.
func nameKey(space byte, name string) []byte {
	return append([]byte{space}, name...)
}

func blobKey(name blobName) []byte { return append([]byte{keyBlob}, name[:]...) }

func dueKey(at uint64, key string) []byte {
	k := make([]byte, 0, 9+len(key))
	k = append(k, keyDue)
	k = binary.BigEndian.AppendUint64(k, at)
	return append(k, key...)
}

func parseDueKey(k []byte) (store.Wake, error) {
	if len(k) < 9 || k[0] != keyDue {
		return store.Wake{}, fmt.Errorf("due key %q: %w", k, errCorrupt)
	}
	return store.Wake{Key: string(k[9:]), At: instantTime(binary.BigEndian.Uint64(k[1:]))}, nil
}

// instant turns a time into a number that sorts as the time does.
func instant(t time.Time) uint64 { return uint64(store.Instant(t).UnixNano()) ^ 1<<63 }

func instantTime(n uint64) time.Time { return time.Unix(0, int64(n^1<<63)).UTC() }

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func parseNumber(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("number of %d bytes: %w", len(b), errCorrupt)
	}
	return binary.BigEndian.Uint64(b), nil
}

// wakeEntry is the wake of a key.
type wakeEntry struct {
	at       uint64 // an instant
	revision store.Revision
}

func (e wakeEntry) bytes() []byte {
	return binary.BigEndian.AppendUint64(number(e.at), uint64(e.revision))
}

func parseWake(b []byte) (wakeEntry, error) {
	if len(b) != 16 {
		return wakeEntry{}, fmt.Errorf("wake of %d bytes: %w", len(b), errCorrupt)
	}
	return wakeEntry{binary.BigEndian.Uint64(b), store.Revision(binary.BigEndian.Uint64(b[8:]))}, nil
}

// blobName names a blob file; zero is none.
type blobName [16]byte

// blobRef stands in the store for a value kept in a blob file.
type blobRef struct {
	name blobName
	size uint32
	crc  uint32 // Castagnoli, of the whole file
}

// appendBody appends the body that holds a value, or the reference to it.
func appendBody(b []byte, value []byte, ref blobRef) []byte {
	if ref.name == (blobName{}) {
		b = append(b, bodyInline)
		return append(b, value...)
	}
	b = append(b, bodyBlob)
	b = append(b, ref.name[:]...)
	b = binary.BigEndian.AppendUint32(b, ref.size)
	return binary.BigEndian.AppendUint32(b, ref.crc)
}

// parseBody returns the value, which aliases b, or the reference to it.
func parseBody(b []byte) (value []byte, ref blobRef, err error) {
	switch {
	case len(b) >= 1 && b[0] == bodyInline:
		return b[1:], blobRef{}, nil
	case len(b) == 1+blobRefSize && b[0] == bodyBlob:
		copy(ref.name[:], b[1:])
		ref.size = binary.BigEndian.Uint32(b[17:])
		ref.crc = binary.BigEndian.Uint32(b[21:])
		return nil, ref, nil
	}
	return nil, blobRef{}, fmt.Errorf("body of %d bytes: %w", len(b), errCorrupt)
}

// recordState is what the committer needs to know of a record.
type recordState struct {
	revision store.Revision // 0: absent
	expiry   uint64
	blob     blobName
}

// at returns the state as seen at a time, in milliseconds.
func (s recordState) at(now uint64) recordState {
	if s.expiry != 0 && s.expiry <= now {
		return recordState{}
	}
	return s
}

// setRecordHeader fills the first bytes of a record's entry.
func setRecordHeader(b []byte, rev store.Revision, expiry uint64) {
	binary.BigEndian.PutUint64(b, uint64(rev))
	binary.BigEndian.PutUint64(b[8:], expiry)
}

func parseRecord(b []byte) (st recordState, value []byte, ref blobRef, err error) {
	if len(b) < recordHeader {
		return st, nil, ref, fmt.Errorf("record of %d bytes: %w", len(b), errCorrupt)
	}
	st.revision = store.Revision(binary.BigEndian.Uint64(b))
	st.expiry = binary.BigEndian.Uint64(b[8:])
	value, ref, err = parseBody(b[recordHeader:])
	st.blob = ref.name
	return st, value, ref, err
}
