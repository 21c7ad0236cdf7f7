package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxMetrics bounds what a server may tell of itself.
const maxMetrics = 8 << 20

// ask adds what the server at url tells of its memory, in the text format of
// Prometheus.
func (m *MemoryFigure) ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true} // one call, whose connection is not to outlive it
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", url, res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxMetrics))
	if err != nil {
		return err
	}
	if !m.add(text) {
		return fmt.Errorf("%s does not tell heap, stacks and goroutines", url)
	}
	return nil
}

// add takes the metrics that count, and passes over the others; false when one
// of them is not there.
func (m *MemoryFigure) add(text []byte) (all bool) {
	found := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, number, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			continue
		}
		switch name {
		case "go_memstats_heap_inuse_bytes":
			m.HeapMB += value / (1 << 20)
		case "go_memstats_stack_inuse_bytes":
			m.StackMB += value / (1 << 20)
		case "go_goroutines":
			m.Goroutines += int64(value)
		default:
			continue
		}
		found++
	}
	return found == 3
}
