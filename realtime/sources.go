package realtime

import (
	"context"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/realtime/protocol"
)

// streams lists what the client may see, the own stream last.
func (u *startup) sources() []source {
	user := u.socket.user
	return append(u.known.sources, source{
		id: user, partition: u.hub.log.PartitionOf(user), own: true, spans: membership{{from: 1}}, tip: u.known.own,
	})
}

// setHeads finds the version of each stream at the cut-off. Of most streams it
// is in the snapshot: what lies at or before the cut-off was its last event,
// and the log had not yet gone beyond the cut-off. Where it had, memory holds
// what came since. The log is asked about the others.
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

// recent hands on the events of some streams that memory holds between the
// given positions and the cut-off, oldest first. It returns the streams of whose
// partitions memory does not hold all of that.
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

// versionsAt returns the version that each stream had at a position.
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
