package testkit

import (
	"bytes"
	"strings"
	"sync"
)

// Log takes what is logged, for a test to look at while it is still written to.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the log.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Since returns the lines with a text after the first n bytes.
func (l *Log) Since(n int, with string) (lines []string) {
	for line := range strings.Lines(l.String()[n:]) {
		if strings.Contains(line, with) {
			lines = append(lines, line)
		}
	}
	return lines
}
