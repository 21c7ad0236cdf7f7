package realtime

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/realtime/protocol"
)

// crowd is clients in a process of their own: this binary, run again. So what
// a benchmark measures of its own process is the server's alone.
type crowd struct {
	t       testing.TB
	command *exec.Cmd
	orders  *json.Encoder
	reports *json.Decoder
}

// order tells a crowd to open connections, then to wait for bytes.
type order struct {
	Address  string
	Requests []string // one a connection; "" is not sent, and nothing is waited for
	AtOnce   int      // how many connections are being opened at the same time
	Silent   int      // how many of them, the first, are never read from again
	Latency  bool     // messages hold when they were sent: see stamp

	Bytes int64 // answered when as many came on all connections after opening
}

// report is what a crowd answers.
type report struct {
	Err     string
	Took    time.Duration
	P50     time.Duration
	P99     time.Duration
	Samples int
}

// crowdVariable in the environment makes a test binary a crowd.
const crowdVariable = "PING_REALTIME_CROWD"

func newCrowd(t testing.TB) *crowd {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), crowdVariable+"=1")
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = in.Close() // it ends then
		_ = command.Wait()
	})
	return &crowd{t: t, command: command, orders: json.NewEncoder(in), reports: json.NewDecoder(out)}
}

func (c *crowd) do(o order) report {
	c.t.Helper()
	require.NoError(c.t, c.orders.Encode(o))
	return c.done()
}

func (c *crowd) done() report {
	c.t.Helper()
	var r report
	require.NoError(c.t, c.reports.Decode(&r))
	require.Empty(c.t, r.Err)
	return r
}

// upgradeRequest asks for a stream that does not resume.
func upgradeRequest(token string) string {
	return "GET /v1/stream?resume=0 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + protocol.Subprotocol + "\r\n" +
		"Authorization: Bearer " + token + "\r\n\r\n"
}

func upgradeRequests(w *world, users []domain.ID) []string {
	requests := make([]string, len(users))
	for i, user := range users {
		requests[i] = upgradeRequest(w.token(user))
	}
	return requests
}

// runCrowd is the crowd's process: it obeys until its input ends.
func runCrowd() {
	orders, reports := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var c clients
	for {
		var o order
		if orders.Decode(&o) != nil {
			return
		}
		var r report
		began := time.Now()
		if o.Address != "" {
			if err := c.open(o); err != nil {
				r.Err = err.Error()
			}
		} else {
			for c.received.Load() < o.Bytes {
				time.Sleep(200 * time.Microsecond)
			}
			r.P50, r.P99, r.Samples = c.percentiles()
		}
		r.Took = time.Since(began)
		_ = reports.Encode(r) // a parent that is gone ends the input as well
	}
}

// clients are the connections of a crowd.
type clients struct {
	received atomic.Int64
	mu       sync.Mutex
	sampled  []time.Duration
	conns    []net.Conn // kept: one that is collected would be closed
}

// open opens connections, at most AtOnce at a time, each up to the second
// message of its stream.
func (c *clients) open(o order) error {
	next, failed := atomic.Int64{}, make(chan error, o.AtOnce)
	var opening sync.WaitGroup
	for range o.AtOnce {
		opening.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= len(o.Requests) {
					return
				}
				if err := c.openOne(o, i); err != nil {
					failed <- fmt.Errorf("connection %d: %w", i, err)
					return
				}
			}
		})
	}
	opening.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (c *clients) openOne(o order, i int) error {
	conn, err := net.Dial("tcp", o.Address)
	if err != nil {
		return err
	}
	if i < o.Silent {
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	if o.Requests[i] != "" {
		if err := greet(conn, o.Requests[i]); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	switch {
	case i < o.Silent:
	case o.Latency:
		go c.sample(conn)
	default:
		go c.count(conn)
	}
	return nil
}

// greet sends a request and reads the answer, hello and ready, and no more.
func greet(conn net.Conn, request string) error {
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	var got []byte
	part := make([]byte, 4<<10)
	for !bytes.Contains(got, []byte(`"type":"ready"`)) || !bytes.HasSuffix(got, []byte(`}`)) {
		n, err := conn.Read(part)
		if err != nil {
			return fmt.Errorf("%w after %q", err, got)
		}
		got = append(got, part[:n]...)
	}
	return nil
}

func (c *clients) count(conn net.Conn) {
	buffer := make([]byte, 8<<10)
	for {
		n, err := conn.Read(buffer)
		c.received.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// stamp is the payload of a message that tells when it was sent.
func stamp(size int) []byte {
	return fmt.Appendf(make([]byte, 0, size), "%019d%*s", time.Now().UnixNano(), size-19, "")
}

func (c *clients) sample(conn net.Conn) {
	in := bufio.NewReaderSize(conn, 16<<10)
	for {
		payload, err := readMessage(in)
		if err != nil {
			return
		}
		var at int64
		for _, digit := range payload[:19] {
			at = 10*at + int64(digit-'0')
		}
		took := time.Duration(time.Now().UnixNano() - at)
		c.mu.Lock()
		c.sampled = append(c.sampled, took)
		c.mu.Unlock()
		c.received.Add(int64(len(payload)))
	}
}

// percentiles are those of the latencies since the last were asked for.
func (c *clients) percentiles() (p50, p99 time.Duration, samples int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sampled) > 0 {
		slices.Sort(c.sampled)
		p50, p99, samples = c.sampled[len(c.sampled)/2], c.sampled[len(c.sampled)*99/100], len(c.sampled)
	}
	c.sampled = c.sampled[:0]
	return p50, p99, samples
}
