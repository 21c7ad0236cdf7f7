package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// ID names a stream, an event, a user or a message: 16 bytes, written as a
// lower-case UUID. New ones are UUIDv7 and are made outside this package;
// the zero ID means "none".
type ID [16]byte

// ParseID reads the canonical 36-character form of a UUID, in either case.
func ParseID(s string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(s))
	return id, err
}

// DerivedID makes the same ID from the same parts, always and on every node:
// a UUIDv8 over their SHA-256. It identifies what must exist only once, such as the
// direct conversation of two users.
func DerivedID(parts ...[]byte) ID {
	h := sha256.New()
	for _, p := range parts {
		// The length keeps ("ab","c") apart from ("a","bc").
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write(p)
	}
	var id ID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80 // version 8: a custom scheme
	id[8] = id[8]&0x3f | 0x80 // RFC 9562 variant
	return id
}

// IsZero reports whether the ID is absent; encoding/json's omitzero uses it.
func (id ID) IsZero() bool { return id == ID{} }

// String writes the ID as 8-4-4-4-12 hexadecimal digits.
func (id ID) String() string {
	var b [36]byte
	id.encode(b[:])
	return string(b[:])
}

// AppendText appends what String returns, without allocating.
func (id ID) AppendText(b []byte) ([]byte, error) {
	n := len(b)
	b = append(b, make([]byte, 36)...)
	id.encode(b[n:])
	return b, nil
}

// MarshalText writes what String returns.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(make([]byte, 0, 36)) }

// UnmarshalText reads what String writes.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return fmt.Errorf("%q is not a UUID such as 0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b", text)
	}
	var parsed ID
	for i, at := range [5]int{0, 9, 14, 19, 24} {
		from, to := [6]int{0, 4, 6, 8, 10, 16}[i], [6]int{0, 4, 6, 8, 10, 16}[i+1]
		if _, err := hex.Decode(parsed[from:to], text[at:at+2*(to-from)]); err != nil {
			return fmt.Errorf("%q is not a UUID: %w", text, err)
		}
	}
	*id = parsed
	return nil
}

func (id ID) encode(b []byte) {
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
}
