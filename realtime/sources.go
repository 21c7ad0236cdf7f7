package realtime

import (
	"context"

	"ping/internal/eventlog"
	"ping/realtime/protocol"
)

// sources lists what the client may see, the user's own stream last.
func (u *startup) sources() []source {
	user := u.socket.user
	return append(u.known.sources, source{
		id: user, partition: u.hub.log.PartitionOf(user), own: true, spans: membership{{from: 1}}, tip: u.known.own,
	})
}

// setHeads finds the version of each source at the cut-off. Most are in the snapshot:
// if the last event lies at or before the cut-off and the log had not passed the
// cut-off when the snapshot was taken. For others, memory has later events; the rest
// is read from the log.
func (u *startup) setHeads(ctx context.Context, sources []source) error {
	var grown, asked []*source
	for i := range sources {
		st := &sources[i]
		st.head = st.tip.version
		switch cut := u.cut[st.partition]; {
		case st.tip.position > cut:
			asked = append(asked, st)
		case cut > u.known.ends[st.partition]:
			grown = append(grown, st)
		}
	}
	asked = append(asked, u.reader.recent(grown, u.known.ends, u.cut, func(st *source, e *eventlog.Event) { st.head = e.Version })...)
	heads, err := u.reader.versionsAt(ctx, asked, u.cut)
	if err != nil {
		return err
	}
	for i, st := range asked {
		st.head = heads[i]
	}
	return nil
}

func (st *source) gap(part span) []byte {
	frame := protocol.GapFrame{Type: "gap", FromSeq: part.from, ToSeq: part.to}
	if st.own {
		frame.UserID = st.id
	} else {
		frame.ConversationID = st.id
	}
	return message(frame)
}
