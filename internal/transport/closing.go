package transport

import (
	"math"
	"net"
	"time"
)

// CloseWith sends a close message after everything that is queued. The client
// answers it and the connection ends. A client that reads nothing for CloseGrace
// is cut.
func (c *Conn) CloseWith(why Close) { c.SendAndClose(nil, why) }

// SendAndClose sends messages and then a close message, as CloseWith.
func (c *Conn) SendAndClose(messages []byte, why Close) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.closed {
		return
	}
	c.sendUpTo(math.MaxInt, append(messages, why.message()...)) // whatever waits: it is the last
	c.startClosing(why.Code)
}

// Close ends the connection at once. It never fails.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disconnect()
	return nil
}

// startClosing lets nothing follow the close message just queued; c.mu is held.
func (c *Conn) startClosing(code int) {
	if c.closing || c.closed {
		return
	}
	c.server.cfg.Ended(code)
	c.closing, c.live.messages = true, nil
	c.notifyBelowLowWater()
	c.closeDeadline = time.Now().Add(maxClosing)
	c.closeTimer = time.AfterFunc(c.server.cfg.CloseGrace, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.abort()
	})
}

// abort cuts the connection; what is pending is lost. c.mu is held.
func (c *Conn) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		// Nothing may linger in the kernel for a client that does not read.
		_ = tcp.SetLinger(0)
	}
	c.disconnect()
}

// disconnect closes the network connection; c.mu is held.
func (c *Conn) disconnect() {
	if c.closed {
		return
	}
	if !c.closing {
		c.server.cfg.Ended(ConnectionLost)
	}
	c.closed, c.live.messages = true, nil
	if c.closeTimer != nil {
		c.closeTimer.Stop()
	}
	c.notifyBelowLowWater()
	_ = c.Conn.Close() // an error would be that of a connection that is gone already
}
