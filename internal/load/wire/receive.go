package wire

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
)

// step is what to do with a connection after bytes were read from it.
type step int

const (
	readOn step = iota
	readGap
	hangUp
)

// feed takes bytes of the connection, the carry of before in front, and returns
// those that it did not use.
func (s *Socket) feed(b []byte, now int64) (rest []byte, n step) {
	for {
		f, size, err := parseFrame(b)
		if err != nil {
			s.Receiver.Violation("%v", err)
			return nil, hangUp
		}
		if size == 0 {
			return b, readOn
		}
		b = b[size:]
		if n := s.frame(f, now); n != readOn {
			return b, n
		}
	}
}

func (s *Socket) frame(f frame, now int64) step {
	switch f.opcode {
	case opText:
		if f.fin {
			return s.message(f.payload, now)
		}
		s.partial = append(s.partial[:0], f.payload...)
	case opContinuation:
		if s.partial = append(s.partial, f.payload...); len(s.partial) > maxFrame {
			s.Receiver.Violation("%v", errFrameTooLong)
			return hangUp
		}
		if f.fin {
			n := s.message(s.partial, now)
			s.partial = nil
			return n
		}
	case opPing:
		s.send(opPong, f.payload)
	case opClose:
		s.closed(f.payload)
		return hangUp
	case opBinary:
		s.Receiver.Violation("a binary frame")
	}
	return readOn
}

// The contract's close codes that mean something to the tool. From closeTerminal
// on a client does not reconnect by itself.
const (
	CloseSlow       = 4001 // the client does not read
	closeExpired    = 4002 // its token has expired
	closeResumeLate = 4003 // it has not resumed in time
	CloseInternal   = 4004 // the server failed
	closeTerminal   = 4500
)

func (s *Socket) closed(payload []byte) {
	code := 1005 // RFC 6455: no code was given
	if len(payload) >= 2 {
		code = int(binary.BigEndian.Uint16(payload))
	}
	s.hub.counts.Failed("socket closed with " + strconv.Itoa(code))
	s.expired.Store(code == closeExpired)
	switch {
	case code == closeResumeLate: // it resumes at once
		s.Receiver.Violation("closed with %d, though it had resumed", code)
	case code >= closeTerminal && code < 5000:
		s.terminal = true
		s.Receiver.Violation("closed with %d, not to reconnect", code)
	}
	s.Receiver.Closed(code)
	s.send(opClose, payload)
}

// message takes one whole message of the protocol.
func (s *Socket) message(b []byte, now int64) step {
	if e, ok := scanEvent(b); ok {
		s.deliver(e, now)
		return readOn
	}
	return s.control(b, now)
}

// deliver takes an event that arrived on the socket, where positions rise.
func (s *Socket) deliver(e Event, now int64) {
	if e.Partition < 0 || e.Partition >= maxPartitions {
		s.Receiver.Violation("partition %d", e.Partition)
		return
	}
	s.Receiver.Event(e, s.advance(e), now)
}

// serverFrame has the fields of all frames that are not events.
type serverFrame struct {
	Type        string `json:"type"`
	Epoch       int    `json:"epoch"`
	HeartbeatMS int64  `json:"heartbeat_ms"`
	Limits      struct {
		PendingBytes int64 `json:"pending_bytes"`
	} `json:"limits"`
	Conversations []struct {
		ID  string `json:"id"`
		Seq int64  `json:"seq"`
	} `json:"conversations"`
	At           []string `json:"at"`
	Conversation string   `json:"conversation_id"`
	FromSeq      int64    `json:"from_seq"`
	ToSeq        int64    `json:"to_seq"`
	AfterMS      int64    `json:"after_ms"`
	Code         string   `json:"code"`
}

func (s *Socket) control(b []byte, now int64) step {
	var f struct{ Type string }
	if err := json.Unmarshal(b, &f); err != nil {
		s.Receiver.Violation("a frame is not JSON")
		return readOn
	}
	switch f.Type {
	case "event":
		e, err := decodeEvent(b)
		if err != nil {
			s.Receiver.Violation("%v", err)
			return readOn
		}
		s.deliver(e, now)
		return readOn
	case "stealth", "stealth_gone", "ephemeral_gap":
		s.Receiver.Ephemeral(f.Type, b, now)
		return readOn
	}
	var frame serverFrame
	if err := json.Unmarshal(b, &frame); err != nil {
		s.Receiver.Violation("a %s frame: %v", f.Type, err)
		return readOn
	}
	return s.handle(frame)
}

func (s *Socket) handle(f serverFrame) step {
	switch f.Type {
	case "hello":
		s.epoch = f.Epoch
		s.heartbeat.Store(f.HeartbeatMS * 1e6)
		s.pending = f.Limits.PendingBytes
	case "ready":
		s.begin(f)
	case "resumed":
		s.raise(f.At)
		s.began(true)
	case "gap":
		if f.FromSeq <= f.ToSeq && s.Receiver.Subscribed(f.Conversation) {
			s.gaps = append(s.gaps, gap{f.Conversation, f.FromSeq, f.ToSeq})
			return readGap
		}
	case "reconnect":
		s.hub.reconnectLater(s, f.AfterMS)
	case "error":
		s.hub.counts.Failed("error frame " + f.Code)
		if slices.Contains([]string{"position_unknown", "epoch_changed", "resume_invalid"}, f.Code) {
			// It resumes from positions that the server told, and no backup is restored.
			s.Receiver.Violation("a resume was answered by the error %s", f.Code)
		}
	}
	return readOn
}

// began notes that the connection has begun, or resumed.
func (s *Socket) began(resumed bool) {
	s.backoff = newBackoff()
	s.Receiver.Began(s.hub.clock.Now(), resumed)
}

// begin takes the first ready. A later one tells nothing that the socket does
// not know better.
func (s *Socket) begin(f serverFrame) {
	if s.opened {
		return
	}
	s.opened = true
	s.began(false)
	s.raise(f.At)
	heads := make(map[string]int64, len(f.Conversations))
	for _, c := range f.Conversations {
		heads[c.ID] = c.Seq
	}
	s.Receiver.Ready(heads)
	close(s.ready)
}
