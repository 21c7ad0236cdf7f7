package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// serverFrameBytes makes a frame as a server writes it.
func serverFrameBytes(first byte, payload []byte) []byte {
	b := []byte{first}
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

func TestParseFrame(t *testing.T) {
	t.Run("reads frames of every length form", func(t *testing.T) {
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 200_000} {
			payload := bytes.Repeat([]byte{'x'}, n)
			b := append(serverFrameBytes(0x81, payload), 0x8a, 0)
			f, size, err := parseFrame(b)
			require.NoError(t, err)
			require.Equal(t, len(b)-2, size)
			require.True(t, f.fin)
			require.EqualValues(t, opText, f.opcode)
			require.True(t, bytes.Equal(payload, f.payload))
		}
	})
	t.Run("waits for a frame that is not whole", func(t *testing.T) {
		for _, n := range []int{0, 5, 126, 70_000} {
			b := serverFrameBytes(0x81, make([]byte, n))
			for _, cut := range []int{0, 1, 2, 3, 9, len(b) - 1} {
				if cut < len(b) && cut >= 0 {
					_, size, err := parseFrame(b[:cut])
					require.NoError(t, err)
					require.Zero(t, size)
				}
			}
		}
	})
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"refuses a masked frame":             {[]byte{0x81, 0x80, 0, 0, 0, 0}, errFrameMasked},
		"refuses reserved bits":              {[]byte{0xc1, 0}, errFrameReserved},
		"refuses an unknown data opcode":     {[]byte{0x83, 0}, errFrameReserved},
		"refuses an unknown control opcode":  {[]byte{0x8b, 0}, errFrameReserved},
		"refuses a fragmented ping":          {[]byte{0x09, 0}, errFrameControl},
		"refuses a long ping":                {[]byte{0x89, 126, 0, 200}, errFrameControl},
		"refuses a length in too many bytes": {[]byte{0x81, 126, 0, 5}, errFrameLength},
		"refuses a short 64 bit length":      {[]byte{0x81, 127, 0, 0, 0, 0, 0, 0, 0, 200}, errFrameLength},
		"refuses a frame beyond the bound":   {[]byte{0x81, 127, 0, 0, 0, 0, 0xff, 0, 0, 0}, errFrameTooLong},
		"refuses a negative length":          {[]byte{0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, errFrameTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parseFrame(c.bytes)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("ping"), n/4+1)[:n]
		b := appendFrame(nil, opText, payload, 0x01020304)
		require.NotZero(t, b[1]&0x80, "a client's frame is masked")

		// Unmasked, it is what a server writes.
		at := len(b) - n
		key := b[at-4 : at]
		plain := append(append([]byte{}, b[:at-4]...), b[at:]...)
		plain[1] &= 0x7f
		for i := range n {
			plain[at-4+i] ^= key[i&3]
		}
		f, size, err := parseFrame(plain)
		require.NoError(t, err)
		require.Equal(t, len(plain), size)
		require.True(t, bytes.Equal(payload, f.payload))
	}
}

// FuzzParseFrame: however the bytes are cut into reads, the same frames come
// out, and nothing is read beyond the bytes.
func FuzzParseFrame(f *testing.F) {
	f.Add(serverFrameBytes(0x81, []byte("hello")), uint16(3))
	f.Add(append(serverFrameBytes(0x01, []byte("a")), serverFrameBytes(0x80, []byte("b"))...), uint16(1))
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, uint16(4))
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		whole, wholeErr := framesOf(b, len(b))
		parts, partsErr := framesOf(b, int(step)+1)
		require.Equal(t, whole, parts)
		require.Equal(t, wholeErr, partsErr)
	})
}

// framesOf reads b in pieces of step bytes, as sockets do.
func framesOf(b []byte, step int) (frames []string, failed error) {
	var carry []byte
	for len(b) > 0 {
		n := min(step, len(b))
		carry, b = append(carry, b[:n]...), b[n:]
		for {
			f, size, err := parseFrame(carry)
			if err != nil {
				return frames, err
			}
			if size == 0 {
				break
			}
			frames = append(frames, string(append([]byte{f.opcode}, f.payload...)))
			carry = carry[size:]
		}
	}
	return frames, nil
}
