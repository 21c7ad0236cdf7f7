package load

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// next is what to do with a connection after bytes were read from it.
type next int

const (
	goOn next = iota
	readGap
	hangUp
)

// feed takes bytes from the connection, the carry of before in front, and
// returns those that it did not use.
func (s *socket) feed(b []byte, now int64) (rest []byte, n next) {
	for {
		f, size, err := parseFrame(b)
		if err != nil {
			s.hub.faults.report(broken, "user %d: %v", s.user.number, err)
			return nil, hangUp
		}
		if size == 0 {
			return b, goOn
		}
		b = b[size:]
		if n := s.frame(f, now); n != goOn {
			return b, n
		}
	}
}

func (s *socket) frame(f frame, now int64) next {
	switch f.opcode {
	case opText:
		if f.fin {
			return s.message(f.payload, now)
		}
		s.partial = append(s.partial[:0], f.payload...)
	case opContinuation:
		if s.partial = append(s.partial, f.payload...); len(s.partial) > maxFrame {
			s.hub.faults.report(broken, "user %d: %v", s.user.number, errFrameTooLong)
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
		s.hub.faults.report(broken, "user %d: a binary frame", s.user.number)
	}
	return goOn
}

// The contract's codes that mean something to the tool. From closeForGood on a
// client does not come back by itself.
const (
	closeSlow       = 4001 // the client does not read
	closeExpired    = 4002 // its token is valid no longer
	closeResumeLate = 4003 // it has not resumed when it had to
	closeInternal   = 4004 // something went wrong on the server
	closeForGood    = 4500
)

func (s *socket) closed(payload []byte) {
	code := 1005 // RFC 6455: no code was given
	if len(payload) >= 2 {
		code = int(binary.BigEndian.Uint16(payload))
	}
	s.hub.counts.failed("socket closed with " + strconv.Itoa(code))
	if s.woken && code == closeSlow {
		s.woken = false
		s.hub.slow.closed++
	}
	s.expired.Store(code == closeExpired)
	switch {
	case code == closeResumeLate: // it resumes at once
		s.hub.faults.report(broken, "user %d: closed with %d, though he had resumed", s.user.number, code)
	case code == closeInternal:
		s.unprovoked("closed with %d", code)
	case code >= closeForGood && code < 5000:
		s.barred = true
		s.hub.faults.report(broken, "user %d: closed with %d, not to reconnect", s.user.number, code)
	}
	s.send(opClose, payload)
}

// unprovoked notes what is a fault unless something was away.
func (s *socket) unprovoked(format string, args ...any) {
	s.hub.unprovoked = append(s.hub.unprovoked, fmt.Sprintf("user %d: ", s.user.number)+fmt.Sprintf(format, args...)+", and nothing was away")
}

// message takes one whole message of the stream.
func (s *socket) message(b []byte, now int64) next {
	if e, ok := scanEvent(b); ok {
		s.deliver(e, now, true)
		return goOn
	}
	return s.control(b, now)
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

func (s *socket) control(b []byte, now int64) next {
	var f struct{ Type string }
	if err := json.Unmarshal(b, &f); err != nil {
		s.hub.faults.report(broken, "user %d: a frame is not JSON", s.user.number)
		return goOn
	}
	if f.Type == "event" {
		e, err := decodeEvent(b)
		if err != nil {
			s.hub.faults.report(broken, "user %d: %v", s.user.number, err)
			return goOn
		}
		s.deliver(e, now, true)
		return goOn
	}
	if f.Type == "stealth" || f.Type == "stealth_gone" {
		if s.hub.stealths != nil {
			s.hub.stealths.received(s, f.Type, b, now)
		}
		return goOn
	}
	var frame serverFrame
	if err := json.Unmarshal(b, &frame); err != nil {
		s.hub.faults.report(broken, "user %d: a %s frame: %v", s.user.number, f.Type, err)
		return goOn
	}
	return s.handle(frame)
}

func (s *socket) handle(f serverFrame) next {
	switch f.Type {
	case "hello":
		s.epoch = f.Epoch
		s.heartbeat.Store(f.HeartbeatMS * 1e6)
		s.pending = f.Limits.PendingBytes
	case "ready":
		s.begin(f)
	case "resumed":
		s.seen(f.At)
		s.began(s.hub.clock.now())
		s.hub.storm.resumed(s)
	case "gap":
		if sub := s.subscriptions[f.Conversation]; sub != nil && f.FromSeq <= f.ToSeq {
			s.gaps = append(s.gaps, gap{sub, span{f.FromSeq, f.ToSeq}})
			return readGap
		}
	case "reconnect":
		s.hub.reconnectLater(s, f.AfterMS)
	case "ephemeral_gap":
		s.missed(s.hub.clock.now())
	case "error":
		s.hub.counts.failed("error frame " + f.Code)
		if slices.Contains([]string{"position_unknown", "epoch_changed", "resume_invalid"}, f.Code) {
			// It resumes from where the server had it, and nobody restores a backup.
			s.hub.faults.report(broken, "user %d: resuming was answered by the error %s", s.user.number, f.Code)
		}
	}
	return goOn
}

// began notes that the stream has begun, or resumed.
func (s *socket) began(now int64) {
	s.since = now
	s.vain.Store(0)
	s.cameUp(now)
}

// begin takes the first `ready`: where each conversation stands for this
// socket. A later one tells nothing that the socket does not know better.
func (s *socket) begin(f serverFrame) {
	if s.opened {
		return
	}
	s.opened = true
	s.began(s.hub.clock.now())
	s.seen(f.At)
	for _, c := range f.Conversations {
		// A conversation that is not listed begins with its first event.
		if sub := s.subscriptions[c.ID]; sub != nil {
			sub.known, sub.base = true, c.Seq
			sub.last.Store(c.Seq)
		}
	}
	close(s.ready)
}
