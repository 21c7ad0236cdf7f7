package load

import "time"

// arrival is a message that came in before its acknowledgement did, so that
// it is not known yet when its sending began.
type arrival struct {
	slot *slot
	at   int64
}

// count counts an event that a socket received for the first time.
func (h *sockets) count(s *socket, c *conversation, e event, now int64) {
	message := string(e.name) == "message.sent"
	slot := c.markEvent(e, message, h.faults)
	h.events.Add(1)
	if !message || slot == nil {
		return
	}
	h.deliveries.Add(1)
	if s.slow { // how long it did not read is no latency
		h.slow.deliveries++
		return
	}
	h.last.Store(now)
	if start := slot.start.Load(); start != 0 {
		h.latency.record(now - start)
	} else {
		h.waiting = append(h.waiting, arrival{slot, now})
	}
}

// lookEvery is how often arrivals without a start are gone through.
const lookEvery = int64(time.Millisecond)

// settleArrivals records the arrivals whose start is known by now.
func (h *sockets) settleArrivals(now int64) {
	if len(h.waiting) == 0 || now-h.looked < lookEvery {
		return
	}
	h.looked = now
	left := h.waiting[:0]
	for _, a := range h.waiting {
		if start := a.slot.start.Load(); start != 0 {
			h.latency.record(a.at - start)
		} else {
			left = append(left, a)
		}
	}
	h.waiting = left
}
