package realtime

import (
	"context"

	"ping/domain"
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
	asked = append(asked, u.recent(grown, u.known.ends, func(st *source, e *eventlog.Event) { st.head = e.Version })...)
	heads, err := u.versionsAt(ctx, asked, u.cut)
	if err != nil {
		return err
	}
	for i, st := range asked {
		st.head = heads[i]
	}
	return nil
}

// recent calls each with the events of the sources between the given positions and
// the cut-off, oldest first. It returns the sources in partitions of which memory does
// not have all of these.
func (u *startup) recent(sources []*source, after []int64, each func(*source, *eventlog.Event)) (others []*source) {
	if len(sources) == 0 {
		return nil
	}
	byID := make(map[domain.ID]*source, len(sources))
	held := make(map[int]bool, len(u.cut))
	for _, st := range sources {
		byID[st.id], held[st.partition] = st, false
	}
	for p := range held {
		var events []*eventlog.Event
		events, held[p] = u.hub.log.Recent(p, after[p], u.cut[p])
		for _, e := range events {
			if st := byID[e.Stream]; st != nil {
				each(st, e)
			}
		}
	}
	for _, st := range sources {
		if !held[st.partition] {
			others = append(others, st)
		}
	}
	return others
}

// versionsAt returns the version of each source at a position.
func (u *startup) versionsAt(ctx context.Context, sources []*source, positions []int64) (versions []int64, err error) {
	if len(sources) == 0 {
		return nil, nil
	}
	ids := make([]domain.ID, len(sources))
	for i, st := range sources {
		ids[i] = st.id
	}
	err = u.read(ctx, func() error {
		versions, err = u.hub.log.VersionsAt(ctx, ids, positions)
		return err
	})
	return versions, err
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
