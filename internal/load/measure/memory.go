package measure

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MemoryFigure is what the servers use, all of them together. What is not known
// is 0: resident memory without /proc, and the rest unless all servers were
// asked and told it.
type MemoryFigure struct {
	ResidentMB float64 `json:"resident_mb,omitempty"`
	HeapMB     float64 `json:"heap_in_use_mb,omitempty"`
	StackMB    float64 `json:"stack_in_use_mb,omitempty"`
	Goroutines int64   `json:"goroutines,omitempty"`
	Falling    bool    `json:"falling,omitempty"` // still, when the wait for it was over
}

const (
	// maxMetrics bounds a server's answer in bytes.
	maxMetrics     = 8 << 20
	metricsTimeout = 15 * time.Second
)

// Memory returns the servers' memory: the resident one, and what the servers
// tell at their metrics URLs.
func Memory(ctx context.Context, servers *Processes, metricsURLs []string) (MemoryFigure, error) {
	resident, _ := servers.Own()
	m := MemoryFigure{ResidentMB: float64(resident) / (1 << 20)}
	told := m
	for _, url := range metricsURLs {
		if err := told.scrape(ctx, url); err != nil {
			return m, fmt.Errorf("metrics: %w", err) // what only some servers told is no sum
		}
	}
	return told, nil
}

// scrape adds what the server at url tells of its memory, in the text format of
// Prometheus.
func (m *MemoryFigure) scrape(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true} // the connection ends with its only call
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

// add adds the metrics of memory and skips the others; false when one of them
// is missing.
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
