package transport

import "encoding/binary"

const (
	textOpcode  = 0x81 // final text message
	closeOpcode = 0x88
)

// ping asks the client's WebSocket for a pong.
var ping = []byte{0x89, 0}

// Codes of RFC 6455 with which gorilla closes a socket because of what it read.
const (
	malformed = 1002
	tooBig    = 1009
)

// AppendText appends payload as one unmasked, unfragmented text message.
func AppendText(b, payload []byte) []byte {
	b = append(b, textOpcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = append(b, 126, byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// message encodes the close message. A reason has at most 123 bytes.
func (c Close) message() []byte {
	b := append(make([]byte, 0, 4+len(c.Reason)), closeOpcode, byte(2+len(c.Reason)), byte(c.Code>>8), byte(c.Code))
	return append(b, c.Reason...)
}

// endOfGorilla returns the code for Config.Ended of a close message that gorilla
// wrote. Gorilla closes a socket because of what it read, or else it repeats the
// code of the client.
func endOfGorilla(message []byte) int {
	if len(message) >= 4 {
		if code := int(message[2])<<8 | int(message[3]); code == malformed || code == tooBig {
			return code
		}
	}
	return ClosedByClient
}
