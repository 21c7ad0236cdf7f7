package measure

import (
	"encoding/json"
	"fmt"
	"os"

	"ping/internal/load/oracle"
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

	Mix     string          `json:"mix,omitempty"`     // unless only messages were sent
	Actions []ActionFigures `json:"actions,omitempty"` // of a mix

	Idle    *IdleFigures    `json:"idle,omitempty"`    // of an idle run
	Stealth *StealthFigures `json:"stealth,omitempty"` // of a run with stealth messages
	Slow    *SlowFigures    `json:"slow,omitempty"`    // of a run with slow sockets
	Storm   *StormFigures   `json:"storm,omitempty"`   // of a run with a storm

	Ack      Latency  `json:"ack"`
	EndToEnd Latency  `json:"end_to_end"`
	Lateness *Latency `json:"lateness,omitempty"` // of an open loop: how late sends began

	Refused    int64            `json:"refused"`  // by a definite answer, such as 422
	Unknown    int64            `json:"unknown"`  // sends that ended without a definite answer
	Unlinked   int              `json:"unlinked"` // replies of a corpus whose parent is not a message in it
	Errors     map[string]int64 `json:"errors"`
	Retries    int64            `json:"retries"`
	Cuts       int64            `json:"cuts"`
	Reconnects int64            `json:"reconnects"`
	Gaps       int64            `json:"gaps"` // read over HTTP in place of a replay

	Servers []ProcessFigures `json:"servers"`
	Tool    ProcessFigures   `json:"tool"`

	History  int64               `json:"history"` // messages read back
	Verdict  string              `json:"verdict"` // passed, failed, or why there is none
	Faults   map[string]int64    `json:"faults"`
	Examples map[string][]string `json:"offenders,omitempty"`
}

// The verdicts. Without one, Verdict says why.
const (
	Passed = "passed"
	Failed = "failed"
)

// Judged takes the faults into the figures, and the verdict, unless there is
// already a reason why there is none. A fault is a failure in any case.
func (f *Figures) Judged(found *oracle.Faults) {
	f.Faults, f.Examples = map[string]int64{}, map[string][]string{}
	if f.Verdict == "" {
		f.Verdict = Passed
	}
	for kind := range oracle.FaultKinds {
		n, examples := found.Of(kind)
		f.Faults[kind.String()] = n
		if n > 0 {
			f.Verdict = Failed
			f.Examples[kind.String()] = examples
		}
	}
}

// WriteJSON writes the figures to a file, for scripts.
func (f *Figures) WriteJSON(path string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// ActionFigures is what a run measured of one kind of action.
type ActionFigures struct {
	Action    string  `json:"action"`
	Done      int64   `json:"done"`
	PerSecond float64 `json:"per_second"`
	Ack       Latency `json:"ack"`
}

// IdleFigures are what sockets that do nothing cost the servers.
type IdleFigures struct {
	ConnectsPerSecond float64      `json:"connects_per_second"`
	Before            MemoryFigure `json:"before"`  // any socket was opened
	Opened            MemoryFigure `json:"opened"`  // right after the last was ready
	Settled           MemoryFigure `json:"settled"` // when memory no longer fell
	SettledSeconds    float64      `json:"settled_seconds"`
	// KBPerSocket is what resident memory grew by from before to settled, and
	// LiveKBPerSocket what heap and stacks in use did. Either is 0 where one of
	// its two figures is not known.
	KBPerSocket     float64 `json:"kb_per_socket,omitempty"`
	LiveKBPerSocket float64 `json:"live_kb_per_socket,omitempty"`
	QuietSeconds    float64 `json:"quiet_seconds"`
	QuietCPUPercent float64 `json:"quiet_cpu_percent,omitempty"` // of one core
	Open            int64   `json:"open"`                        // at the end
}

// Grown works out what a socket needs, from figures that are both known.
func (f *IdleFigures) Grown(sockets int) {
	perSocket := func(before, settled float64) float64 {
		if before == 0 || settled == 0 {
			return 0
		}
		return (settled - before) * 1024 / float64(sockets)
	}
	f.KBPerSocket = perSocket(f.Before.ResidentMB, f.Settled.ResidentMB)
	f.LiveKBPerSocket = perSocket(f.Before.HeapMB+f.Before.StackMB, f.Settled.HeapMB+f.Settled.StackMB)
}

// StealthFigures are what a run measured of stealth messages.
type StealthFigures struct {
	Sent       int64   `json:"sent"`
	Withdrawn  int64   `json:"withdrawn"`
	Deliveries int64   `json:"deliveries"`
	Excused    int64   `json:"excused"` // what sockets missed while they were cut, or before a gap
	Gaps       int64   `json:"gaps"`    // told by ephemeral_gap
	Ack        Latency `json:"ack"`
	EndToEnd   Latency `json:"end_to_end"`
	GoneLate   Latency `json:"gone_late"` // from expires_at, of those that expired
}

// SlowFigures are what became of the sockets that stopped reading.
type SlowFigures struct {
	Sockets int64 `json:"sockets"`
	Closed  int64 `json:"closed"` // as slow, by the server's code
	Cut     int64 `json:"cut"`    // when they continued reading, without a code
	Kept    int64 `json:"kept"`   // which read all that had waited
}

// StormFigures are what a storm did.
type StormFigures struct {
	Sockets   int64   `json:"sockets"`
	Seconds   float64 `json:"seconds"` // from the cut until the last had resumed; 0 if one never did
	Down      Latency `json:"away"`    // from the cut until each had resumed
	AckBefore Latency `json:"ack_before"`
	AckWithin Latency `json:"ack_within"`
}
