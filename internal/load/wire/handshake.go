package wire

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	subprotocol      = "ping.v1.json"
	handshakeTimeout = 15 * time.Second
	// smallBuffer is a receive buffer in bytes that leaves little to wait in the
	// kernel, so that the server soon notices a client that does not read.
	smallBuffer = 4 << 10
)

// dial connects a socket and asks for what it has missed. It returns the
// connection and the bytes that were read after the handshake.
func (h *Sockets) dial(s *Socket, bearer string) (net.Conn, []byte, error) {
	nodes := h.api.nodes
	address := nodes[int(s.Account.node.Load())%len(nodes)].Addr
	dialer := &net.Dialer{Timeout: dialTimeout}
	if s.Slow && !s.opened {
		dialer.Control = setSmallBuffer
	}
	conn, err := dialer.DialContext(h.ctx, "tcp", address)
	if err != nil {
		return nil, nil, errors.New(networkCode(err))
	}
	// The handshake ends with the run: closing the connection fails it at once.
	stop := context.AfterFunc(h.ctx, func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	first, err := shakeHands(conn, address, bearer, s.opened)
	if err == nil && s.opened {
		if _, err = conn.Write(appendFrame(nil, opText, s.resume(), mathrand.Uint32())); err != nil {
			err = errors.New(networkCode(err))
		}
	}
	_ = conn.SetDeadline(time.Time{})
	if !stop() && err == nil {
		err = h.ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, first, nil
}

// setSmallBuffer gives a connection that is about to be made a small buffer.
func setSmallBuffer(_, _ string, raw syscall.RawConn) error {
	var err error
	if failed := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, smallBuffer)
	}); failed != nil {
		return failed
	}
	return err
}

// shakeHands upgrades a connection to a socket (RFC 6455, section 4.1).
func shakeHands(conn net.Conn, host, bearer string, resume bool) (first []byte, err error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	path := "/v1/stream?resume=0"
	if resume {
		path = "/v1/stream?resume=1" // the server then waits for the resume frame
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\nAuthorization: %s\r\n\r\n",
		path, host, key, subprotocol, bearer)
	if err != nil {
		return nil, errors.New(networkCode(err))
	}
	buffered := bufio.NewReader(conn)
	res, err := http.ReadResponse(buffered, nil)
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, errors.New("connection cut")
		}
		return nil, errors.New(networkCode(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16)) // a part of it is enough
		return nil, problemOf(res.StatusCode, body, res.Header.Get("Retry-After"))
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if res.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, errors.New("the server did not answer the handshake's key")
	}
	if got := res.Header.Get("Sec-WebSocket-Protocol"); got != subprotocol {
		return nil, fmt.Errorf("the server chose the subprotocol %q", got)
	}
	first = make([]byte, buffered.Buffered())
	_, err = io.ReadFull(buffered, first)
	return first, err
}
