package measure

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"ping/internal/load/oracle"
)

// Print writes the figures as a table, and the examples of faults below it.
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
		t.AppendRow(table.Row{"sockets that stopped reading", Count(s.Sockets), fmt.Sprintf("%s closed as slow (4001), %s cut without a code, %s read all that waited", Count(s.Closed), Count(s.Cut), Count(s.Kept))})
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
	f.verdictRows(t)
	t.Render()
	for _, kind := range slices.Sorted(maps.Keys(f.Examples)) {
		for _, example := range f.Examples[kind] {
			fmt.Fprintf(out, "%s: %s\n", kind, example)
		}
	}
}

func (f *Figures) verdictRows(t table.Writer) {
	t.AppendRow(table.Row{"read back from history", Count(f.History), ""})
	for kind := range oracle.FaultKinds {
		if kind.OfMix() && f.Mix == "" || kind.OfIdle() && f.Idle == nil || kind.OfStealth() && f.Stealth == nil {
			continue
		}
		t.AppendRow(table.Row{kind.String(), Count(f.Faults[kind.String()]), ""})
	}
	t.AppendRow(table.Row{"verdict", f.Verdict, ""})
}

func (f *Figures) loadRows(t table.Writer) {
	t.AppendRow(table.Row{"users, groups, sockets", fmt.Sprintf("%d, %d, %d", f.Users, f.Groups, f.Sockets), ""})
	t.AppendRow(table.Row{"accepted", Count(f.Accepted), fmt.Sprintf("in %.1f s", f.Seconds)})
	t.AppendRow(table.Row{"accepted/s", Count(int64(f.AcceptedPerSecond)), ""})
	latencyRow(t, "ack", f.Ack, "ms")
	t.AppendRow(table.Row{"deliveries", Count(f.Deliveries), fmt.Sprintf("%.1f events per read", f.EventsPerRead)})
	t.AppendRow(table.Row{"deliveries/s", Count(int64(f.DeliveriesPerSecond)), ""})
	latencyRow(t, "end to end", f.EndToEnd, "ms, to each member")
	if f.Mix != "" {
		f.actionRows(t)
	}
	if l := f.Lateness; l != nil {
		latencyRow(t, "begun late", *l, "ms, included in the latencies above")
	}
}

func (f *Figures) actionRows(t table.Writer) {
	total := int64(0)
	for _, a := range f.Actions {
		total += a.Done
	}
	t.AppendRow(table.Row{"actions", Count(total), "of all kinds, acknowledged"})
	t.AppendRow(table.Row{"actions/s", Count(int64(float64(total) / max(f.Seconds, 1e-9))), ""})
	for _, a := range f.Actions {
		t.AppendRow(table.Row{"action: " + a.Action, Count(a.Done),
			fmt.Sprintf("%.1f/s, ack p50 / p99 %.2f / %.2f ms", a.PerSecond, a.Ack.P50, a.Ack.P99)})
	}
}

func (f *Figures) errorRows(t table.Writer) {
	t.AppendRow(table.Row{"refused by the server", Count(f.Refused), "such as blank bodies; must not be in history"})
	t.AppendRow(table.Row{"outcome unknown", Count(f.Unknown), "no definite answer; once in history, or not at all"})
	if f.Unlinked > 0 {
		t.AppendRow(table.Row{"replies sent without a parent", Count(int64(f.Unlinked)), "it is not a message of the corpus"})
	}
	t.AppendRow(table.Row{"retries", Count(f.Retries), "with the same Idempotency-Key"})
	t.AppendRow(table.Row{"sockets cut, reconnects", fmt.Sprintf("%s, %s", Count(f.Cuts), Count(f.Reconnects)), ""})
	t.AppendRow(table.Row{"gaps read over HTTP", Count(f.Gaps), ""})
	for _, code := range slices.Sorted(maps.Keys(f.Errors)) {
		t.AppendRow(table.Row{"error: " + code, Count(f.Errors[code]), ""})
	}
}

func (f *IdleFigures) rows(t table.Writer) {
	t.AppendRow(table.Row{"connects/s", fmt.Sprintf("%.0f", f.ConnectsPerSecond), "until each was ready"})
	f.Before.row(t, "before")
	f.Opened.row(t, "right after")
	f.Settled.row(t, "settled")
	if f.KBPerSocket != 0 {
		t.AppendRow(table.Row{"memory per socket", fmt.Sprintf("%.1f KB", f.KBPerSocket), fmt.Sprintf("resident, settled %.0f s after the last", f.SettledSeconds)})
	}
	if f.LiveKBPerSocket != 0 {
		t.AppendRow(table.Row{"in use per socket", fmt.Sprintf("%.1f KB", f.LiveKBPerSocket), "of heap and stacks"})
	}
	if f.Settled.ResidentMB > 0 { // both come from /proc
		t.AppendRow(table.Row{"CPU of idle sockets", fmt.Sprintf("%.1f %%", f.QuietCPUPercent), fmt.Sprintf("of one core, over %.0f s", f.QuietSeconds)})
	}
	t.AppendRow(table.Row{"open at the end", Count(f.Open), ""})
}

// row shows what is known.
func (m MemoryFigure) row(t table.Writer, when string) {
	resident, detail := "not known", ""
	if m.ResidentMB > 0 {
		resident = fmt.Sprintf("%.1f MB", m.ResidentMB)
	}
	if m.Goroutines > 0 {
		detail = fmt.Sprintf("heap and stacks in use %.1f + %.1f MB, %s goroutines", m.HeapMB, m.StackMB, Count(m.Goroutines))
	}
	if m.Falling {
		detail = strings.TrimPrefix(detail+"; still falling, so this is no final figure", "; ")
	}
	t.AppendRow(table.Row{"resident memory " + when, resident, detail})
}

func (f *StealthFigures) rows(t table.Writer) {
	t.AppendRow(table.Row{"stealth messages, withdrawn", fmt.Sprintf("%s, %s", Count(f.Sent), Count(f.Withdrawn)), fmt.Sprintf("%s deliveries", Count(f.Deliveries))})
	t.AppendRow(table.Row{"stealth excused, ephemeral_gap", fmt.Sprintf("%s, %s", Count(f.Excused), Count(f.Gaps)), "missed by sockets that were cut or told of a gap"})
	latencyRow(t, "stealth ack", f.Ack, "ms")
	latencyRow(t, "stealth end to end", f.EndToEnd, "ms, to each member")
	latencyRow(t, "stealth_gone", f.GoneLate, "ms after expires_at")
}

func (f *StormFigures) rows(t table.Writer) {
	t.AppendRow(table.Row{"storm", fmt.Sprintf("%.2f s", f.Seconds), fmt.Sprintf("until the last of %s sockets had resumed", Count(f.Sockets))})
	latencyRow(t, "ack before it", f.AckBefore, "ms")
	latencyRow(t, "ack within it", f.AckWithin, "ms")
	latencyRow(t, "sockets down", f.Down, "ms, until 50 %, 90 %, 99 % and all that came back had resumed")
}

func processRow(t table.Writer, title string, p ProcessFigures) {
	t.AppendRow(table.Row{"CPU of " + title, fmt.Sprintf("%.2f s", p.CPUSeconds), fmt.Sprintf("%d process(es), %.0f MB at the end", p.Processes, p.MemoryMB)})
}

func latencyRow(t table.Writer, of string, l Latency, detail string) {
	t.AppendRow(table.Row{of + " p50 / p90 / p99 / max", fmt.Sprintf("%.2f / %.2f / %.2f / %.2f", l.P50, l.P90, l.P99, l.Max), detail})
}

// Count writes a number with separated thousands.
func Count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
