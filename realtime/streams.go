package realtime

import (
	"bytes"
	"context"
	"slices"

	"ping/domain"
)

// stream is a conversation that the user is or was in, or the user's own
// stream, and its version at the cut-off.
type stream struct {
	id        domain.ID
	partition int
	own       bool
	spans     membership
	head      int64
}

// streams lists what the client may see, the own stream last.
func (u *upturn) streams() []stream {
	streams := make([]stream, 0, len(u.known.tips)+1)
	for partition, of := range u.known.of {
		for id, spans := range of {
			streams = append(streams, stream{id: id, partition: partition, spans: spans})
		}
	}
	slices.SortFunc(streams, func(a, b stream) int { return bytes.Compare(a.id[:], b.id[:]) })
	user := u.socket.user
	return append(streams, stream{id: user, partition: u.hub.log.PartitionOf(user), own: true, spans: membership{{from: 1}}})
}

// tip is the last event of a stream, as the snapshot that the memberships were
// read from has it.
type tip struct{ version, position int64 }

// setHeads finds the version of each stream at the cut-off. Of most streams it
// is in the snapshot: what lies at or before the cut-off was its last event,
// and the log had not yet gone beyond the cut-off. The log is asked about those
// of which that is not so.
func (u *upturn) setHeads(ctx context.Context, streams []stream) error {
	var ids []domain.ID
	var asked []*stream
	for i := range streams {
		st := &streams[i]
		cut := u.cut[st.partition]
		if tip, ok := u.known.tips[st.id]; ok && tip.position <= cut && cut <= u.known.ends[st.partition] {
			st.head = tip.version
			continue
		}
		ids, asked = append(ids, st.id), append(asked, st)
	}
	if len(ids) == 0 {
		return nil
	}
	heads, err := u.hub.log.VersionsAt(ctx, ids, u.cut)
	if err != nil {
		return err
	}
	for i, st := range asked {
		st.head = heads[i]
	}
	return nil
}

func (st *stream) gap(part span) []byte {
	frame := gapFrame{Type: "gap", FromSeq: part.from, ToSeq: part.to}
	if st.own {
		frame.UserID = st.id
	} else {
		frame.ConversationID = st.id
	}
	return message(frame)
}
