package realtime

import (
	"context"

	"ping/internal/transport"
)

// pacedSender sends what a startup collects, at the pace of the client. It holds a
// slot of the admission and yields it while it waits.
type pacedSender struct {
	conn      *transport.Conn
	admission *admission
}

// yieldSlot waits and yields the slot to other sockets meanwhile.
func (p *pacedSender) yieldSlot(wait func() error) error {
	p.admission.release()
	defer p.admission.reacquire() // in any case, since startUp releases it
	return wait()
}

// flushIfLarge sends the collected bytes if they are many, and returns what is not sent.
func (p *pacedSender) flushIfLarge(ctx context.Context, out []byte) ([]byte, error) {
	if len(out) < sendSize {
		return out, nil
	}
	return out[:0], p.flush(ctx, out)
}

// flush sends the collected bytes and waits until the client has taken most of them.
func (p *pacedSender) flush(ctx context.Context, out []byte) error {
	if len(out) > 0 {
		p.conn.Send(out)
	}
	switch below, ending := p.conn.BelowLowWater(); {
	case ending:
		return context.Canceled // the client is gone
	case below:
		return ctx.Err()
	}
	return p.yieldSlot(func() error { return p.conn.WaitBelowLowWater(ctx) })
}
