package realtime

import (
	"encoding/json"
	"fmt"

	"ping/internal/eventlog"
	"ping/internal/transport"
	"ping/realtime/protocol"
)

// message makes the WebSocket message of a frame.
func message(frame any) []byte {
	payload, err := json.Marshal(frame)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", frame, err)) // made of strings and numbers
	}
	return transport.AppendText(make([]byte, 0, len(payload)+4), payload)
}

// closing returns the content of the close message of a code.
func closing(code protocol.CloseCode) transport.Close {
	return transport.Close{Code: int(code), Reason: protocol.CloseReasons[code].Reason}
}

// atStrings formats positions, one per partition, for clients.
func atStrings(positions []int64) []string {
	at := make([]string, len(positions))
	for p, position := range positions {
		at[p] = eventlog.At{Partition: p, Position: position}.String()
	}
	return at
}

// parseAt reads the positions of a `resume` frame. Partitions that it leaves
// out start at 0: the client has seen nothing of them. ok is false for a
// position that a log with so many partitions cannot have, and for a partition
// named twice.
func parseAt(at []string, partitions int) (positions []int64, ok bool) {
	if len(at) > partitions {
		return nil, false
	}
	positions = make([]int64, partitions)
	named := make([]bool, partitions)
	for _, text := range at {
		parsed, err := eventlog.ParseAt(text)
		if err != nil || parsed.Partition >= partitions || named[parsed.Partition] {
			return nil, false
		}
		positions[parsed.Partition], named[parsed.Partition] = parsed.Position, true
	}
	return positions, true
}
