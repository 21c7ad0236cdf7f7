package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The opcodes of RFC 6455.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// maxFrame bounds what a server may send in one frame or one message, in bytes.
// A message's frame has at most 4,000 characters of body; the largest frame is
// a ready with all conversations.
const maxFrame = 4 << 20

// frame is one WebSocket frame from a server. Its payload shares memory with
// the bytes it was parsed from.
type frame struct {
	fin     bool
	opcode  byte
	payload []byte
}

var (
	errFrameTooLong  = fmt.Errorf("a frame is longer than %d bytes", maxFrame)
	errFrameReserved = errors.New("a frame has reserved bits or an unknown opcode")
	errFrameMasked   = errors.New("a frame from the server is masked")
	errFrameControl  = errors.New("a control frame is fragmented or longer than 125 bytes")
	errFrameLength   = errors.New("a frame's length is not in its shortest form")
)

// parseFrame reads the frame at the beginning of b, in place, and returns its
// length; 0 when b does not hold all of it yet. After an error the connection
// cannot be read any further.
func parseFrame(b []byte) (f frame, n int, err error) {
	if len(b) < 2 {
		return f, 0, nil
	}
	f.fin, f.opcode = b[0]&0x80 != 0, b[0]&0x0f
	control := f.opcode >= opClose
	size, header := int(b[1]&0x7f), 2
	switch {
	case b[0]&0x70 != 0 || f.opcode > opPong || f.opcode > opBinary && !control:
		return f, 0, errFrameReserved
	case b[1]&0x80 != 0:
		return f, 0, errFrameMasked
	case control && (!f.fin || size > 125):
		return f, 0, errFrameControl
	case size == 126:
		if header = 4; len(b) < header {
			return f, 0, nil
		}
		if size = int(binary.BigEndian.Uint16(b[2:])); size < 126 {
			return f, 0, errFrameLength
		}
	case size == 127:
		if header = 10; len(b) < header {
			return f, 0, nil
		}
		long := binary.BigEndian.Uint64(b[2:])
		if long < 1<<16 {
			return f, 0, errFrameLength
		}
		if long > maxFrame {
			return f, 0, errFrameTooLong
		}
		size = int(long)
	}
	if len(b) < header+size {
		return f, 0, nil
	}
	f.payload = b[header : header+size : header+size]
	return f, header + size, nil
}

// appendFrame appends a whole frame from the client, masked as the RFC requires.
func appendFrame(dst []byte, opcode byte, payload []byte, mask uint32) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = binary.BigEndian.AppendUint32(dst, mask)
	key := dst[len(dst)-4:]
	for i, c := range payload {
		dst = append(dst, c^key[i&3])
	}
	return dst
}
