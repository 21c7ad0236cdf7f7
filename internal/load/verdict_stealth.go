package load

import (
	"context"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"ping/internal/wait"
)

const (
	// goneWithin is how late a socket may be told that a stealth message is
	// gone, and goneBefore how early: clocks of a machine are read one by one.
	goneWithin = int64(6 * time.Second)
	goneBefore = int64(50 * time.Millisecond)
	// tellWithin is how long after its acknowledgement a stealth message may be
	// on its way to a socket that loses its connection.
	tellWithin = int64(2 * time.Second)
	// lostBefore is how long before a lost connection is noticed what was sent
	// over it may have been lost, and gapBefore before an ephemeral_gap. One that
	// comes within gapBegin of a stream's beginning is about that.
	lostBefore = int64(2 * time.Second)
	gapBefore  = int64(15 * time.Second)
	gapBegin   = int64(2 * time.Second)
)

// wentDown notes that what is not kept may be missed from a time on. sockets.mu
// is held, as for cameUp and excused.
func (s *socket) wentDown(from int64) {
	if s.down == 0 {
		s.down = max(from, 1)
	}
}

// cameUp notes that nothing is missed any more.
func (s *socket) cameUp(now int64) {
	if s.down != 0 {
		s.downs = append(s.downs, span{s.down, now})
		s.down = 0
	}
}

// missed takes an ephemeral_gap. It excuses what was missed while the stream
// began; a later one says that the server was cut off from what it tells.
func (s *socket) missed(now int64) {
	s.hub.missed.Add(1)
	switch n := len(s.downs); {
	case !s.opened || s.down != 0: // all is excused until it begins
	case now-s.since > gapBegin:
		s.downs = append(s.downs, span{now - gapBefore, now})
		s.unprovoked("ephemeral_gap %s after his stream had begun", time.Duration(now-s.since).Round(time.Millisecond))
	case n > 0:
		s.downs[n-1].to = now
	default:
		s.downs = append(s.downs, span{0, now})
	}
}

// excused reports whether the socket may have missed what was told between two
// times.
func (s *socket) excused(from, to int64) bool {
	if s.down != 0 && s.down <= to {
		return true
	}
	for _, d := range s.downs {
		if d.from <= to && from <= d.to {
			return true
		}
	}
	return false
}

// ends returns from when and until when sockets are to be told that it is gone.
func (m *stealth) ends() (from, until int64) {
	from, until = m.expires, m.expires+goneWithin
	if m.withdrawing > 0 {
		from = m.withdrawing
	}
	if m.withdrawn > 0 {
		until = m.withdrawn + goneWithin
	}
	return from, until
}

// settle waits until every socket was told the end of every stealth message, or
// it is too late for that.
func (x *stealths) settle(ctx context.Context) {
	for {
		waiting, until := x.waiting()
		if waiting == 0 || x.sending.clock.now() > until || !wait.Sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
}

// waiting tells how many ends are still to be told, and until when they may be.
func (x *stealths) waiting() (n int, last int64) {
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	for _, m := range x.all {
		if m.acked == 0 {
			continue
		}
		from, until := m.ends()
		for i, w := range m.seen {
			if w.ends == 0 && !m.conversation.subscriptions[i].socket.excused(from, until) {
				n++
				last = max(last, until)
			}
		}
	}
	return n, last
}

// StealthFigures are what a run measured of stealth messages.
type StealthFigures struct {
	Sent       int64   `json:"sent"`
	Withdrawn  int64   `json:"withdrawn"`
	Deliveries int64   `json:"deliveries"`
	Excused    int64   `json:"excused"` // what sockets missed while they were cut, or before a gap
	Gaps       int64   `json:"gaps"`    // told by ephemeral_gap
	Ack        Latency `json:"ack"`
	EndToEnd   Latency `json:"end_to_end"`
	GoneLate   Latency `json:"gone_late"` // from expires_at, of those that expired
}

// judge compares what was acknowledged with what sockets were told. Nothing is
// told any more.
func (x *stealths) judge() *StealthFigures {
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	f := &StealthFigures{Sent: x.posted, Withdrawn: x.taken, Ack: x.ack.figures()}
	endToEnd, late := newHistogram(), newHistogram()
	unasked := map[*conversation]int{}
	for _, m := range x.all {
		if m.acked == 0 {
			if unasked[m.conversation]++; unasked[m.conversation] > m.conversation.whispers {
				x.hub.faults.report(foreign, "sockets received stealth message %s of %s", m.id, m.conversation.idText)
			}
			continue
		}
		for i, w := range m.seen {
			s := m.conversation.subscriptions[i].socket
			if w.times > 0 {
				f.Deliveries++
				endToEnd.record(w.at - m.start)
			}
			if w.ends > 0 && !w.withdrawn {
				late.record(w.gone - m.expires)
			}
			f.Excused += x.judgeSocket(s, m, w)
		}
	}
	f.Gaps = x.hub.missed.Load()
	f.EndToEnd, f.GoneLate = endToEnd.figures(), late.figures()
	return f
}

// judgeSocket judges what one socket was told of one stealth message, and
// returns how much it missed with an excuse.
func (x *stealths) judgeSocket(s *socket, m *stealth, w seen) (excused int64) {
	if w.times == 0 {
		if s.excused(m.start, m.acked+tellWithin) {
			excused++
		} else {
			x.hub.faults.report(stealthLost, "user %d did not receive stealth message %s of %s", s.user.number, m.id, m.conversation.idText)
		}
	}
	from, until := m.ends()
	switch {
	case w.ends == 0 && s.excused(from, until):
		excused++
	case w.ends == 0:
		x.hub.faults.report(goneMissing, "user %d was not told that stealth message %s is gone", s.user.number, m.id)
	case w.gone > until && !s.excused(from, w.gone):
		x.hub.faults.report(goneMissing, "user %d was told late that stealth message %s is gone, by %s", s.user.number, m.id, time.Duration(w.gone-until+goneWithin))
	case w.withdrawn && m.withdrawing == 0:
		x.hub.faults.report(goneEarly, "user %d was told that stealth message %s is withdrawn, and nobody did that", s.user.number, m.id)
	case !w.withdrawn && w.gone < m.expires-goneBefore:
		x.hub.faults.report(goneEarly, "user %d was told that stealth message %s has expired %s before that", s.user.number, m.id, time.Duration(m.expires-w.gone))
	case w.withdrawn && w.gone < m.withdrawing:
		x.hub.faults.report(goneEarly, "user %d was told that stealth message %s is withdrawn before it was", s.user.number, m.id)
	}
	return excused
}

func (f *StealthFigures) rows(t table.Writer) {
	t.AppendRow(table.Row{"stealth messages, withdrawn", fmt.Sprintf("%s, %s", count(f.Sent), count(f.Withdrawn)), fmt.Sprintf("%s deliveries", count(f.Deliveries))})
	t.AppendRow(table.Row{"stealth excused, ephemeral_gap", fmt.Sprintf("%s, %s", count(f.Excused), count(f.Gaps)), "missed by sockets that were cut or told of a gap"})
	latencyRow(t, "stealth ack", f.Ack, "ms")
	latencyRow(t, "stealth end to end", f.EndToEnd, "ms, to each member")
	latencyRow(t, "stealth_gone", f.GoneLate, "ms after expires_at")
}
