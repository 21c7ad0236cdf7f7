package transport

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendText(t *testing.T) {
	for length, head := range map[int][]byte{
		125:     {0x81, 125},
		126:     {0x81, 126, 0, 126},
		1 << 16: {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	} {
		m := AppendText(nil, make([]byte, length))
		require.Equal(t, head, m[:len(head)])
		require.Equal(t, length, len(m)-len(head))
	}
}
