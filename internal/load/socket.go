package load

import (
	"encoding/json"
	"strconv"
	"sync/atomic"
)

// socket is one user's stream, over all connections that it takes. Everything
// but atomics and link is guarded by sockets.mu.
type socket struct {
	hub  *sockets
	user *user
	link link

	// subscriptions are by the text of the conversation's id; latest is the
	// one used last, which is most often the next too.
	subscriptions map[string]*subscription
	latest        *subscription

	opened    bool          // the first `ready` has come
	ready     chan struct{} // closed then
	epoch     int
	positions []int64 // seen, by partition: where to resume
	carry     []byte  // the beginning of a frame whose end has not come yet
	partial   []byte  // of a fragmented message
	gaps      []gap   // told and not read yet
	barred    bool    // the server said not to come back
	losses    int     // connections that ended
	down      int64   // since when what is not kept may be missed; 0 is not now
	downs     []span  // when it was so before, on the run's clock
	since     int64   // when the stream last began or resumed, on the run's clock
	comeBack  int64   // when the server asked it to come back, on the run's clock; 0 is at once
	slow      bool    // one of those that stop reading
	pending   int64   // how many bytes may wait for it, as the server says; 0 is not known
	due       int64   // how many were due to it while it did not read, at the least
	resting   bool    // it does not read now
	held      bool    // gaps are being read, and it is not read meanwhile
	woken     bool    // it reads again, and whether it was closed is not known yet
	stormed   bool    // cut by the storm, and not resumed yet

	vain      atomic.Int32 // attempts and connections that failed since it began or resumed
	expired   atomic.Bool  // credentials have to be renewed before connecting
	cutting   atomic.Bool  // what the connection still holds is to be thrown away
	heard     atomic.Int64 // when something last came in
	heartbeat atomic.Int64 // how often it should, in nanoseconds; 0 is not known
}

// gap is a part of a conversation that the server will not replay.
type gap struct {
	subscription *subscription
	span         span
}

// seen raises the positions from which the socket would resume.
func (s *socket) seen(at []string) {
	for _, text := range at {
		if p, n, err := parseAt(text); err == nil {
			s.reach(p)
			s.positions[p] = max(s.positions[p], n)
		}
	}
}

// reach makes room for the position of a partition.
func (s *socket) reach(partition int) {
	for len(s.positions) <= partition {
		s.positions = append(s.positions, 0)
	}
}

// advance moves the position to resume from to e's.
func (s *socket) advance(e event, live bool) (inOrder bool) {
	if !live {
		return true
	}
	s.reach(e.partition)
	if e.position <= s.positions[e.partition] {
		return false
	}
	s.positions[e.partition] = e.position
	return true
}

// resume is the frame that asks for everything after what was seen.
func (s *socket) resume() []byte {
	at := make([]string, len(s.positions))
	for p, n := range s.positions {
		at[p] = strconv.Itoa(p) + ":" + strconv.FormatInt(n, 10)
	}
	b, _ := json.Marshal(map[string]any{"type": "resume", "at": at, "epoch": s.epoch}) // always encodes
	return b
}

// refresh tells the server new credentials, so that the stream outlives the
// old ones.
func (s *socket) refresh(c *credentials) {
	b, _ := json.Marshal(map[string]string{"type": "refresh", "access_token": c.bearer[len("Bearer "):]}) // always encodes
	s.send(opText, b)
}
