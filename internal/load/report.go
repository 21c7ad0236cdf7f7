package load

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Figures are what a run measured. Rates are per second of sending.
type Figures struct {
	Run     string `json:"run"`
	Users   int    `json:"users"`
	Groups  int    `json:"groups"`
	Sockets int    `json:"sockets"`

	Seconds             float64 `json:"seconds"` // from the first send to the last acknowledgement
	Accepted            int64   `json:"accepted"`
	AcceptedPerSecond   float64 `json:"accepted_per_second"`
	Deliveries          int64   `json:"deliveries"` // messages received, over all sockets
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	EventsPerRead       float64 `json:"events_per_read"` // how many arrive together on a socket

	Mix     string          `json:"mix,omitempty"`     // unless there was nothing but sends
	Actions []ActionFigures `json:"actions,omitempty"` // of a mix

	Idle *IdleFigures `json:"idle,omitempty"` // of an idle run

	Stealth *StealthFigures `json:"stealth,omitempty"` // of a run with some
	Slow    *SlowFigures    `json:"slow,omitempty"`    // of a run with some
	Storm   *StormFigures   `json:"storm,omitempty"`   // of a run with one

	Ack      Latency  `json:"ack"`
	EndToEnd Latency  `json:"end_to_end"`
	Lateness *Latency `json:"lateness,omitempty"` // of an open loop: how late sends began

	Refused    int64            `json:"refused"`  // by a definite answer, such as 422
	Unknown    int64            `json:"unknown"`  // sends that ended without a definite answer
	Unlinked   int              `json:"unlinked"` // replies of a corpus to what is not a message in it
	Errors     map[string]int64 `json:"errors"`
	Retries    int64            `json:"retries"`
	Cuts       int64            `json:"cuts"`
	Reconnects int64            `json:"reconnects"`
	Gaps       int64            `json:"gaps"` // read over HTTP in place of a replay

	Servers []ProcessFigures `json:"servers"`
	Tool    ProcessFigures   `json:"tool"`

	History   int64               `json:"history"` // messages read back
	Verdict   string              `json:"verdict"` // passed, failed, or why there is none
	Faults    map[string]int64    `json:"faults"`
	Offenders map[string][]string `json:"offenders,omitempty"`
}

// The verdicts, beside "none: " and why.
const (
	passed = "passed"
	failed = "failed"
)

// judged takes the faults into the figures.
func (f *Figures) judged(found *faults) {
	f.Faults, f.Offenders = map[string]int64{}, map[string][]string{}
	found.mu.Lock()
	defer found.mu.Unlock()
	if f.Verdict == "" {
		f.Verdict = passed
	}
	for kind := range faultKinds {
		f.Faults[kind.String()] = found.counts[kind]
		if found.counts[kind] > 0 {
			f.Verdict = failed
			f.Offenders[kind.String()] = found.named[kind]
		}
	}
}

// Print writes the figures as a table.
func (f *Figures) Print(out io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})
	t.SetTitle("ping load, run " + f.Run)
	f.loadRows(t)
	if f.Idle != nil {
		t.AppendSeparator()
		f.Idle.rows(t)
	}
	if f.Stealth != nil {
		t.AppendSeparator()
		f.Stealth.rows(t)
	}
	if s := f.Slow; s != nil {
		t.AppendRow(table.Row{"sockets that stopped reading", count(s.Sockets), fmt.Sprintf("%s closed as slow (4001), %s found themselves cut, %s read all that waited", count(s.Closed), count(s.Cut), count(s.Kept))})
	}
	if f.Storm != nil {
		t.AppendSeparator()
		f.Storm.rows(t)
	}
	t.AppendSeparator()
	f.errorRows(t)
	t.AppendSeparator()
	for _, p := range f.Servers {
		processRow(t, "server "+p.Name, p)
	}
	processRow(t, "this tool", f.Tool)
	t.AppendSeparator()
	t.AppendRow(table.Row{"read back from history", count(f.History), ""})
	for kind := range faultKinds {
		if kind.ofMix() && f.Mix == "" || kind == closedIdle && f.Idle == nil || kind >= stealthLost && f.Stealth == nil {
			continue
		}
		t.AppendRow(table.Row{kind.String(), count(f.Faults[kind.String()]), ""})
	}
	t.AppendRow(table.Row{"verdict", f.Verdict, ""})
	t.Render()
	for _, kind := range slices.Sorted(maps.Keys(f.Offenders)) {
		for _, offender := range f.Offenders[kind] {
			fmt.Fprintf(out, "%s: %s\n", kind, offender)
		}
	}
}

func (f *Figures) loadRows(t table.Writer) {
	t.AppendRow(table.Row{"users, groups, sockets", fmt.Sprintf("%d, %d, %d", f.Users, f.Groups, f.Sockets), ""})
	t.AppendRow(table.Row{"accepted", count(f.Accepted), fmt.Sprintf("in %.1f s", f.Seconds)})
	t.AppendRow(table.Row{"accepted/s", count(int64(f.AcceptedPerSecond)), ""})
	latencyRow(t, "ack", f.Ack, "ms")
	t.AppendRow(table.Row{"deliveries", count(f.Deliveries), fmt.Sprintf("%.1f events a read", f.EventsPerRead)})
	t.AppendRow(table.Row{"deliveries/s", count(int64(f.DeliveriesPerSecond)), ""})
	latencyRow(t, "end to end", f.EndToEnd, "ms, to each member")
	if f.Mix != "" {
		f.actionRows(t)
	}
	if l := f.Lateness; l != nil {
		latencyRow(t, "begun late", *l, "ms, counted in the above")
	}
}

func (f *Figures) actionRows(t table.Writer) {
	total := int64(0)
	for _, a := range f.Actions {
		total += a.Done
	}
	t.AppendRow(table.Row{"actions", count(total), "of all sorts, acknowledged"})
	t.AppendRow(table.Row{"actions/s", count(int64(float64(total) / max(f.Seconds, 1e-9))), ""})
	for _, a := range f.Actions {
		t.AppendRow(table.Row{"action: " + a.Action, count(a.Done),
			fmt.Sprintf("%.1f/s, ack p50 / p99 %.2f / %.2f ms", a.PerSecond, a.Ack.P50, a.Ack.P99)})
	}
}

func (f *Figures) errorRows(t table.Writer) {
	t.AppendRow(table.Row{"refused by the server", count(f.Refused), "such as blank bodies; never to be in history"})
	t.AppendRow(table.Row{"outcome unknown", count(f.Unknown), "no definite answer; once in history or not at all"})
	if f.Unlinked > 0 {
		t.AppendRow(table.Row{"replies sent without a parent", count(int64(f.Unlinked)), "it is not a message of the corpus"})
	}
	t.AppendRow(table.Row{"retries", count(f.Retries), "with the same Idempotency-Key"})
	t.AppendRow(table.Row{"sockets cut, reconnects", fmt.Sprintf("%s, %s", count(f.Cuts), count(f.Reconnects)), ""})
	t.AppendRow(table.Row{"gaps read over HTTP", count(f.Gaps), ""})
	for _, code := range slices.Sorted(maps.Keys(f.Errors)) {
		t.AppendRow(table.Row{"error: " + code, count(f.Errors[code]), ""})
	}
}

func processRow(t table.Writer, title string, p ProcessFigures) {
	t.AppendRow(table.Row{"CPU of " + title, fmt.Sprintf("%.2f s", p.CPUSeconds), fmt.Sprintf("%d process(es), %.0f MB at the end", p.Processes, p.MemoryMB)})
}

func latencyRow(t table.Writer, of string, l Latency, detail string) {
	t.AppendRow(table.Row{of + " p50 / p90 / p99 / max", fmt.Sprintf("%.2f / %.2f / %.2f / %.2f", l.P50, l.P90, l.P99, l.Max), detail})
}

// count writes a number with its thousands apart.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeJSON writes the figures for scripts.
func (f *Figures) writeJSON(path string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
