package realtime

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/realtime/protocol"
)

// closeOpcode is the first byte of a close message of the server.
const closeOpcode = 0x88

// raw is a client that speaks WebSocket by hand, so that it can speak it wrong.
type raw struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (n *node) openRaw(t *testing.T, user domain.ID) *raw {
	t.Helper()
	conn, in := n.dialRaw(user)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &raw{t, conn, in}
}

// The first bytes of frames.
const (
	final        = 0x80
	continuation = 0x00
	text         = 0x01
	opClose      = 0x08
	opPing       = 0x09
)

// header begins a client's frame, masked by zeros, which change nothing.
func header(first byte, length int) []byte {
	const masked = 0x80
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, masked|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(length))
	}
	return append(b, 0, 0, 0, 0)
}

func wsFrame(first byte, payload string) []byte {
	return append(header(first, len(payload)), payload...)
}

// put sends bytes; the server may have closed before it has read all of them.
func (r *raw) put(frames ...[]byte) error {
	for _, f := range frames {
		if _, err := r.Write(f); err != nil {
			return err
		}
	}
	return nil
}

// message returns the first byte and the payload of the server's next frame.
func (r *raw) message() (first byte, payload []byte, err error) {
	head := make([]byte, 2, 4)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return 0, nil, err
	}
	length := int(head[1])
	if length == 126 {
		if _, err := io.ReadFull(r.in, head[2:4]); err != nil {
			return 0, nil, err
		}
		length = int(binary.BigEndian.Uint16(head[2:4]))
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(r.in, payload)
	return head[0], payload, err
}

// ending reads up to the end and returns the code that came, 0 for none.
func (r *raw) ending() protocol.CloseCode {
	r.t.Helper()
	for {
		first, payload, err := r.message()
		switch {
		case err != nil:
			require.NotErrorIs(r.t, err, os.ErrDeadlineExceeded, "the stream did not end")
			return 0
		case first == closeOpcode:
			return protocol.CloseCode(binary.BigEndian.Uint16(payload))
		}
	}
}

// TestMalformed sends what is not WebSocket. Only the header is sent where that
// is enough: what is unread when a connection is closed may take the close
// message with it.
func TestMalformed(t *testing.T) {
	n := newWorld(t).start(Config{})
	const rsv1, rsv2, rsv3 = 0x40, 0x20, 0x10
	for name, c := range map[string]struct {
		sends [][]byte
		code  protocol.CloseCode
	}{
		"compressed":                      {[][]byte{header(final|rsv1|text, 5)}, protocol.CloseMalformed},
		"rsv2":                            {[][]byte{header(final|rsv2|text, 5)}, protocol.CloseMalformed},
		"rsv3":                            {[][]byte{header(final|rsv3|text, 5)}, protocol.CloseMalformed},
		"unmasked":                        {[][]byte{{final | text, 5}}, protocol.CloseMalformed},
		"reserved_data_opcode":            {[][]byte{header(final|0x3, 0)}, protocol.CloseMalformed},
		"reserved_control_opcode":         {[][]byte{header(final|0xb, 0)}, protocol.CloseMalformed},
		"continuation_of_nothing":         {[][]byte{header(final|continuation, 5)}, protocol.CloseMalformed},
		"message_within_a_message":        {[][]byte{wsFrame(text, `{"type":`), header(final|text, 5)}, protocol.CloseMalformed},
		"fragmented_ping":                 {[][]byte{header(opPing, 0)}, protocol.CloseMalformed},
		"ping_of_126_bytes":               {[][]byte{header(final|opPing, 126)}, protocol.CloseMalformed},
		"close_of_126_bytes":              {[][]byte{header(final|opClose, 126)}, protocol.CloseMalformed},
		"close_with_a_code_that_is_none":  {[][]byte{wsFrame(final|opClose, "\x03\xe7")}, protocol.CloseMalformed},
		"close_with_a_reason_not_in_utf8": {[][]byte{wsFrame(final|opClose, "\x03\xe8\xff")}, protocol.CloseMalformed},
		"invalid_utf8_over_fragments":     {[][]byte{wsFrame(text, "{\"id\":\"\xe2\x82"), wsFrame(final|continuation, "\xff\"}")}, protocol.CloseInvalidText},
		"utf8_that_ends_amid_a_character": {[][]byte{wsFrame(text, "\xe2"), wsFrame(final|continuation, "\x82")}, protocol.CloseInvalidText},
		"too_big":                         {[][]byte{header(final|text, protocol.MaxMessage+1)}, protocol.CloseTooBig},
		"fragments_too_big_together":      {append(fragments(16, strings.Repeat("x", 4<<10)), header(continuation, 1)), protocol.CloseTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			r := n.openRaw(t, newID())
			require.NoError(t, r.put(c.sends...))
			require.Equal(t, c.code, r.ending())
		})
	}
	t.Run("length_beyond_all_numbers", func(t *testing.T) {
		r := n.openRaw(t, newID())
		require.NoError(t, r.put([]byte{final | text, 0xff}, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00")))
		require.Zero(t, r.ending(), "gorilla cuts it")
	})
	t.Run("a_character_over_fragments_is_none", func(t *testing.T) {
		r := n.openRaw(t, newID())
		require.NoError(t, r.put(wsFrame(text, "{\"type\":\"ping\",\"id\":\"\xe2\x82"), wsFrame(final|opPing, "amid"),
			wsFrame(continuation, ""), wsFrame(final|continuation, "\xac\"}")))
		first, payload, err := r.message()
		require.NoError(t, err)
		require.EqualValues(t, final|0xa, first, "a pong may come amid fragments")
		require.Equal(t, "amid", string(payload))
		_, payload, err = r.message()
		require.NoError(t, err)
		require.JSONEq(t, `{"type":"pong","re":"€"}`, string(payload))
	})
}

// fragments begins a message that does not end.
func fragments(count int, payload string) (all [][]byte) {
	for i := range count {
		first := byte(continuation)
		if i == 0 {
			first = text
		}
		all = append(all, wsFrame(first, payload))
	}
	return all
}

// TestCompression: nobody can send what is small and becomes large here.
func TestCompression(t *testing.T) {
	n := newWorld(t).start(Config{})
	request, err := http.NewRequest(http.MethodGet, n.url, nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Protocol": protocol.Subprotocol, "Authorization": "Bearer " + n.token(newID()),
		"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Empty(t, response.Header.Get("Sec-WebSocket-Extensions"))
}

// TestFloods: who sends without end is closed, after a few answers.
func TestFloods(t *testing.T) {
	n := newWorld(t).start(Config{MaxPending: 64 << 10, CloseGrace: 100 * time.Millisecond})
	flood := func(t *testing.T, reads bool, first [][]byte, then []byte) (answers map[byte]int, code protocol.CloseCode) {
		t.Helper()
		r := n.openRaw(t, newID())
		require.NoError(t, r.put(first...))
		answers = map[byte]int{}
		done := make(chan struct{})
		if reads {
			go func() {
				defer close(done)
				for {
					op, payload, err := r.message()
					if err != nil {
						return
					}
					answers[op]++
					if op == closeOpcode {
						code = protocol.CloseCode(binary.BigEndian.Uint16(payload))
					}
				}
			}()
		} else {
			close(done)
		}
		for r.put(then) == nil {
		}
		<-done
		return answers, code
	}
	many := func(frame []byte) (b []byte) {
		for range 100 {
			b = append(b, frame...)
		}
		return b
	}
	t.Run("frames", func(t *testing.T) {
		before := n.counted("ping_stream_errors_total", "rate_limited")
		answers, code := flood(t, true, nil, wsFrame(final|text, `{"type":"ping"}`))
		require.LessOrEqual(t, answers[final|text], protocol.FrameBurst+protocol.FramesPerSecond*10+protocol.MaxRefusals)
		require.Contains(t, []protocol.CloseCode{protocol.CloseProtocol, 0}, code, "the close message may be lost to what is unread")
		require.Equal(t, before+protocol.MaxRefusals, n.counted("ping_stream_errors_total", "rate_limited"))
	})
	closes := func() float64 { return n.counted("ping_stream_closes_total", "4500") }
	t.Run("pings", func(t *testing.T) {
		before := closes()
		answers, _ := flood(t, true, nil, many(header(final|opPing, 0)))
		require.NotZero(t, answers[final|0xa])
		n.counts("ping_stream_closes_total", "4500", before+1)
	})
	t.Run("empty_fragments", func(t *testing.T) {
		before := closes()
		flood(t, true, [][]byte{header(text, 0)}, many(header(continuation, 0)))
		n.counts("ping_stream_closes_total", "4500", before+1)
	})
	t.Run("pongs", func(t *testing.T) {
		before := closes()
		flood(t, true, nil, many(wsFrame(final|0xa, strings.Repeat("x", 125))))
		n.counts("ping_stream_closes_total", "4500", before+1)
	})
	t.Run("pings_of_one_who_reads_nothing", func(t *testing.T) {
		before := closes() + n.counted("ping_stream_closes_total", "4001")
		flood(t, false, nil, many(wsFrame(final|opPing, strings.Repeat("x", 125))))
		require.Eventually(t, func() bool { return closes()+n.counted("ping_stream_closes_total", "4001") == before+1 }, 10*time.Second, time.Millisecond)
	})
	n.counts("ping_streams", "", 0)
	t.Run("and_others_do_not_notice", func(t *testing.T) {
		c := n.open(newID())
		c.write(map[string]any{"type": "ping", "id": "7"})
		require.Equal(t, "7", c.next().Re)
	})
}

// TestStalled: who begins something and does not go on holds nothing for long,
// however many there are, and others do not notice.
func TestStalled(t *testing.T) {
	n := newWorld(t).start(Config{Heartbeat: time.Second})
	begun := [][]byte{
		nil,
		{final | text},             // half a header
		{final | text, 0xfe, 0},    // half a length
		{final | text, 0x85, 1, 2}, // half a mask
		append(header(final|text, 100), "{"...),
		wsFrame(text, `{"type":"ping"}`), // and no end of the message
		append(header(final|opPing, 10), "x"...),
	}
	var stalled []*raw
	for range 15 {
		for _, b := range begun {
			r := n.openRaw(t, newID())
			require.NoError(t, r.put(b))
			stalled = append(stalled, r)
		}
	}
	c := n.open(newID())
	c.write(map[string]any{"type": "ping", "id": "7"})
	require.Equal(t, "7", c.next().Re)
	c.cut()
	for _, r := range stalled {
		require.Zero(t, r.ending(), "there is nobody to be told a code")
	}
	n.counts("ping_streams", "", 0)
}
